//! The places of connections: how many there are, and which of them waits for longest.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// From its first byte, the head of a request has this long.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// All places of a listener.
#[derive(Debug)]
pub(crate) struct Seats {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    turn: u64,
    /// By the turn at which they became idle.
    idle: BTreeMap<u64, Arc<Notify>>,
}

/// One connection's place. Dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    phase: Mutex<Phase>,
    changed: Notify,
    leave: Arc<Notify>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// It waits for the first byte of a request, since this turn.
    Idle(u64),
    /// A head has begun; it has to be there by then.
    Head(Instant),
    /// A request is answered.
    Busy,
}

impl Seats {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        let state = Mutex::default();
        Arc::new(Self { most, state })
    }

    /// A place. When all are taken, the connection that was idle for longest leaves; none if there is none.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Arc<Seat>> {
        let mut state = lock(&self.state);
        if state.taken >= self.most {
            let (_, oldest) = state.idle.pop_first()?;
            oldest.notify_one();
        }
        state.taken += 1;
        let leave = Arc::default();
        let turn = state.sit(Arc::clone(&leave));
        drop(state);
        Some(Arc::new(Seat {
            seats: Arc::clone(self),
            phase: Mutex::new(Phase::Idle(turn)),
            changed: Notify::new(),
            leave,
        }))
    }
}

impl State {
    fn sit(&mut self, leave: Arc<Notify>) -> u64 {
        self.turn += 1;
        self.idle.insert(self.turn, leave);
        self.turn
    }
}

impl Seat {
    /// Bytes came.
    pub(crate) fn received(&self) {
        let mut phase = lock(&self.phase);
        if let Phase::Idle(turn) = *phase {
            lock(&self.seats.state).idle.remove(&turn);
            *phase = Phase::Head(Instant::now() + HEAD_WITHIN);
            drop(phase);
            self.changed.notify_one();
        }
    }

    /// A head is whole.
    pub(crate) fn begin(&self) {
        let mut phase = lock(&self.phase);
        if let Phase::Idle(turn) = *phase {
            lock(&self.seats.state).idle.remove(&turn);
        }
        *phase = Phase::Busy;
        drop(phase);
        self.changed.notify_one();
    }

    /// A request is answered.
    pub(crate) fn end(&self) {
        let turn = lock(&self.seats.state).sit(Arc::clone(&self.leave));
        *lock(&self.phase) = Phase::Idle(turn);
        self.changed.notify_one();
    }

    /// Returns when the connection has to go: its place is wanted, or its head is late.
    pub(crate) async fn unwelcome(&self) {
        loop {
            let phase = *lock(&self.phase);
            let late = async {
                match phase {
                    Phase::Head(until) => tokio::time::sleep_until(until).await,
                    Phase::Idle(_) | Phase::Busy => std::future::pending().await,
                }
            };
            tokio::select! {
                () = late => return,
                () = self.leave.notified() => return,
                () = self.changed.notified() => {}
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = lock(&self.seats.state);
        state.taken -= 1;
        if let Phase::Idle(turn) = *lock(&self.phase) {
            state.idle.remove(&turn);
        }
    }
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn goes_at_once(seat: &Seat) -> bool {
        tokio::time::timeout(Duration::from_millis(1), seat.unwelcome())
            .await
            .is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_places_are_taken_the_oldest_idle_connection_leaves() {
        let seats = Seats::new(2);
        let (first, second) = (seats.take().unwrap(), seats.take().unwrap());
        first.begin();
        first.end();
        let third = seats.take().expect("second was idle for longest");
        assert!(goes_at_once(&second).await);
        assert!(!goes_at_once(&first).await);
        assert!(!goes_at_once(&third).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_connection_keeps_its_place() {
        let seats = Seats::new(1);
        let only = seats.take().unwrap();
        only.begin();
        assert!(seats.take().is_none());
        drop(only);
        assert!(seats.take().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_ten_seconds_from_its_first_byte_and_silence_has_no_end() {
        let seats = Seats::new(1);
        let seat = seats.take().unwrap();
        let wait = |seconds| tokio::time::timeout(Duration::from_secs(seconds), seat.unwelcome());
        assert!(wait(3600).await.is_err());
        seat.received();
        assert!(wait(9).await.is_err());
        // Further bytes give no more time.
        seat.received();
        assert!(wait(2).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_may_take_as_long_as_it_takes() {
        let seats = Seats::new(1);
        let seat = seats.take().unwrap();
        seat.received();
        seat.begin();
        seat.received();
        let wait = tokio::time::timeout(Duration::from_secs(60), seat.unwelcome());
        assert!(wait.await.is_err());
    }
}
