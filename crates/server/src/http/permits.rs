//! The places of connections: how many there are, and which of them gives way when all are taken.

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
pub(crate) struct Permits {
    most: usize,
    state: Mutex<State>,
    /// A place was given back.
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    turns: u64,
    /// Connections whose peer has to send something, in the order in which they give way.
    waiting: BTreeMap<Turn, Arc<Notify>>,
}

/// What a peer has still to send, in the order in which its connection gives way: whoever sent least goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lacks {
    /// Any byte of a request.
    Request,
    /// The rest of a head.
    Head,
    /// The rest of a body.
    Body,
}

/// Among those that lack the same, the one that has for longest gives way.
type Turn = (Lacks, u64);

/// One connection's place. Dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Permit {
    permits: Arc<Permits>,
    phase: Mutex<Phase>,
    changed: Notify,
    leave: Arc<Notify>,
}

#[derive(Clone, Copy, Debug)]
struct Phase {
    /// None while a request is answered.
    turn: Option<Turn>,
    /// A head that has begun has to be there by then.
    head_until: Option<Instant>,
}

impl Phase {
    fn lacks(self) -> Option<Lacks> {
        self.turn.map(|(lacks, _)| lacks)
    }
}

impl Permits {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            state: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// A place, for the one who takes them. When all are taken, a connection whose peer has something to send leaves, and
    /// its place is waited for; none if all answer requests.
    pub(crate) async fn take(self: &Arc<Self>) -> Option<Arc<Permit>> {
        if let Some(permit) = self.free() {
            return Some(permit);
        }
        let (_, first) = lock(&self.state).waiting.pop_first()?;
        first.notify_one();
        loop {
            // Whoever gave a place back before that is no loss: places are counted.
            self.freed.notified().await;
            if let Some(permit) = self.free() {
                return Some(permit);
            }
        }
    }

    /// A place that nobody has.
    fn free(self: &Arc<Self>) -> Option<Arc<Permit>> {
        let mut state = lock(&self.state);
        if state.taken >= self.most {
            return None;
        }
        state.taken += 1;
        let leave = Arc::default();
        let turn = state.queue(Lacks::Request, &leave);
        drop(state);
        Some(Arc::new(Permit {
            permits: Arc::clone(self),
            phase: Mutex::new(Phase {
                turn: Some(turn),
                head_until: None,
            }),
            changed: Notify::new(),
            leave,
        }))
    }
}

impl State {
    fn queue(&mut self, lacks: Lacks, leave: &Arc<Notify>) -> Turn {
        self.turns += 1;
        let turn = (lacks, self.turns);
        self.waiting.insert(turn, Arc::clone(leave));
        turn
    }
}

impl Permit {
    /// Bytes came.
    pub(crate) fn received(&self) {
        self.change(|was| match was {
            Some(Lacks::Request) => Some(Some(Lacks::Head)),
            _ => None,
        });
    }

    /// A head is whole; its body may have to come yet.
    pub(crate) fn begin(&self, has_body: bool) {
        self.change(|_| Some(has_body.then_some(Lacks::Body)));
    }

    /// A body is whole, or nobody reads it any more.
    pub(crate) fn arrived(&self) {
        self.change(|was| match was {
            Some(Lacks::Body) => Some(None),
            _ => None,
        });
    }

    /// A request is answered.
    pub(crate) fn end(&self) {
        self.change(|_| Some(Some(Lacks::Request)));
    }

    /// `to` says what is lacking from now on, if that changes.
    fn change(&self, to: impl FnOnce(Option<Lacks>) -> Option<Option<Lacks>>) {
        let mut phase = lock(&self.phase);
        let Some(lacks) = to(phase.lacks()) else {
            return;
        };
        let mut state = lock(&self.permits.state);
        if let Some(turn) = phase.turn {
            state.waiting.remove(&turn);
        }
        let turn = lacks.map(|it| state.queue(it, &self.leave));
        drop(state);
        let is_head = lacks == Some(Lacks::Head);
        *phase = Phase {
            turn,
            head_until: is_head.then(|| Instant::now() + HEAD_WITHIN),
        };
        drop(phase);
        self.changed.notify_one();
    }

    /// Returns when the connection has to go: its place is wanted, or its head is late.
    pub(crate) async fn unwelcome(&self) {
        loop {
            let head_until = lock(&self.phase).head_until;
            let late = async {
                match head_until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
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

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = lock(&self.permits.state);
        state.taken -= 1;
        if let Some(turn) = lock(&self.phase).turn {
            state.waiting.remove(&turn);
        }
        drop(state);
        self.permits.freed.notify_one();
    }
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A place that is free.
    fn place(permits: &Arc<Permits>) -> Arc<Permit> {
        permits.free().expect("a place is free")
    }

    /// A place after this one was given back, as its connection is told to do.
    async fn instead(permits: &Arc<Permits>, gone: Arc<Permit>) -> Arc<Permit> {
        let leaves = async move { gone.unwelcome().await };
        let (newcomer, ()) = tokio::join!(permits.take(), leaves);
        newcomer.expect("somebody gives way")
    }

    async fn goes_at_once(permit: &Permit) -> bool {
        tokio::time::timeout(Duration::from_millis(1), permit.unwelcome())
            .await
            .is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_places_are_taken_the_oldest_idle_connection_leaves() {
        let permits = Permits::new(2);
        let (first, second) = (place(&permits), place(&permits));
        first.begin(false);
        first.end();
        let third = instead(&permits, second).await;
        assert!(!goes_at_once(&first).await);
        assert!(!goes_at_once(&third).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_never_takes_more_places_than_there_are() {
        let permits = Permits::new(2);
        let stay = |permit: Arc<Permit>| async move {
            permit.unwelcome().await;
            // It has something to close before it goes.
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(permit);
        };
        for _ in 0..20 {
            let permit = permits.take().await.expect("all are idle");
            assert!(lock(&permits.state).taken <= 2);
            tokio::spawn(stay(permit));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_sent_least_gives_way_and_a_running_request_does_not() {
        let permits = Permits::new(5);
        let [busy, body, head, later_head, idle] = [(); 5].map(|()| place(&permits));
        busy.begin(true);
        busy.arrived();
        body.begin(true);
        head.received();
        later_head.received();
        let mut newcomers = Vec::new();
        for gone in [idle, head, later_head, body] {
            assert!(!goes_at_once(&gone).await);
            let newcomer = instead(&permits, gone).await;
            newcomer.begin(false);
            newcomers.push(newcomer);
        }
        assert!(!goes_at_once(&busy).await);
        assert!(permits.take().await.is_none(), "all answer requests");
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_body_after_its_answer_changes_nothing() {
        let permits = Permits::new(1);
        let only = place(&permits);
        only.begin(true);
        only.end();
        only.arrived();
        // It is idle.
        instead(&permits, only).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_connection_keeps_its_place() {
        let permits = Permits::new(1);
        let only = place(&permits);
        only.begin(false);
        assert!(permits.take().await.is_none());
        drop(only);
        assert!(permits.take().await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_ten_seconds_from_its_first_byte_and_silence_has_no_end() {
        let permits = Permits::new(1);
        let permit = place(&permits);
        let wait = |seconds| tokio::time::timeout(Duration::from_secs(seconds), permit.unwelcome());
        assert!(wait(3600).await.is_err());
        permit.received();
        assert!(wait(9).await.is_err());
        // Further bytes give no more time.
        permit.received();
        assert!(wait(2).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_may_take_as_long_as_it_takes() {
        let permits = Permits::new(1);
        let permit = place(&permits);
        permit.received();
        permit.begin(false);
        permit.received();
        let wait = tokio::time::timeout(Duration::from_secs(60), permit.unwelcome());
        assert!(wait.await.is_err());
    }
}
