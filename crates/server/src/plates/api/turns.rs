//! Work that waits for a disk, a database or a decoder: so many pieces of it at once, so many that wait, and no more.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Semaphore,
    task,
    time::{Instant, timeout_at},
};

/// There is no room: whoever asked may come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Busy;

/// Turns of one kind of work. Policy: block for a while, then refuse.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    /// Places, of those at work and of those that wait.
    places: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
    within: Duration,
}

impl Turns {
    /// `at_once` are at work, `waiting` wait, and nobody waits for longer than `within` for a turn and its end.
    pub(super) fn new(at_once: usize, waiting: usize, within: Duration) -> Self {
        Self {
            places: Arc::new(Semaphore::new(at_once + waiting)),
            at_once: Arc::new(Semaphore::new(at_once)),
            within,
        }
    }

    /// What comes of work on a thread for what blocks. Work goes on without whoever left, and keeps its place until it ends.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let until = Instant::now() + self.within;
        let place = Arc::clone(&self.places);
        let place = place.try_acquire_owned().map_err(|_| Busy)?;
        let turn = Arc::clone(&self.at_once).acquire_owned();
        let turn = timeout_at(until, turn).await;
        let turn = turn.map_err(|_| Busy)?.map_err(|_| Busy)?;
        let work = task::spawn_blocking(move || {
            let done = work();
            drop((turn, place));
            done
        });
        match timeout_at(until, work).await {
            Ok(Ok(done)) => Ok(done),
            _ => Err(Busy),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn beyond_those_at_work_and_those_that_wait_nobody_is_taken() {
        let turns = Turns::new(1, 1, LONG);
        let (release, hangs) = channel::<()>();
        let mut first = begun(&turns, move || hangs.recv().is_err());
        let mut second = begun(&turns, || true);
        // Both have their places once they were polled.
        tokio::select! {
            biased;
            _ = &mut first => panic!("it hangs"),
            _ = &mut second => panic!("it waits"),
            () = task::yield_now() => {}
        }
        assert_eq!(turns.run(|| ()).await, Err(Busy));
        drop(release);
        assert_eq!(first.await, Ok(true));
        assert_eq!(second.await, Ok(true));
        assert_eq!(turns.run(|| 7).await, Ok(7));
    }

    fn begun<T: Send + 'static>(
        turns: &Turns,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<T, Busy>>>> {
        let turns = turns.clone();
        Box::pin(async move { turns.run(work).await })
    }

    #[tokio::test]
    async fn nobody_waits_for_longer_than_he_may_and_work_that_panics_gives_its_turn_back() {
        let turns = Turns::new(1, 1, Duration::from_millis(1));
        let (release, hangs) = channel::<()>();
        assert_eq!(turns.run(move || hangs.recv().is_err()).await, Err(Busy));
        drop(release);
        let turns = Turns::new(1, 0, LONG);
        let failed = turns.run(|| -> u32 { panic!("on purpose") }).await;
        assert_eq!(failed, Err(Busy));
        assert_eq!(turns.run(|| 7).await, Ok(7));
    }
}
