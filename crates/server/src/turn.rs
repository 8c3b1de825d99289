//! Work that may block for ever, one piece of it at a time: what hangs takes one thread, and no second one.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task, time::timeout};

/// A turn that one piece of work has at a time.
#[derive(Clone, Debug)]
pub(crate) struct Turn(Arc<Semaphore>);

impl Default for Turn {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Turn {
    /// What comes of work on a thread for what blocks; none when it has not had its turn and ended within that time. It
    /// keeps its turn until it ends.
    pub(crate) async fn spawn_blocking<T: Send + 'static>(
        &self,
        within: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let done = async {
            let turn = Arc::clone(&self.0).acquire_owned().await.ok()?;
            let work = move || {
                let done = work();
                drop(turn);
                done
            };
            task::spawn_blocking(work).await.ok()
        };
        timeout(within, done).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicU32, Ordering},
        mpsc::channel,
    };

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn of_work_that_hangs_one_thread_hangs_and_whoever_comes_after_it_waits_for_less() {
        let turn = Turn::default();
        let (release, hangs) = channel::<()>();
        let hung = turn.spawn_blocking(Duration::from_millis(1), move || hangs.recv().is_err());
        assert_eq!(hung.await, None);
        let begun = Arc::new(AtomicU32::new(0));
        for _ in 0..100 {
            let begun = Arc::clone(&begun);
            let work = move || begun.fetch_add(1, Ordering::Relaxed);
            assert_eq!(turn.spawn_blocking(Duration::ZERO, work).await, None);
        }
        assert_eq!(begun.load(Ordering::Relaxed), 0, "no thread was taken");
        drop(release);
        assert_eq!(turn.spawn_blocking(LONG, || 7).await, Some(7));
        assert_eq!(begun.load(Ordering::Relaxed), 0, "who left wants nothing");
    }

    #[tokio::test]
    async fn work_that_panics_gives_its_turn_back() {
        let turn = Turn::default();
        let failed = turn.spawn_blocking(LONG, || -> u32 { panic!("on purpose") });
        assert_eq!(failed.await, None);
        assert_eq!(turn.spawn_blocking(LONG, || 7).await, Some(7));
    }
}
