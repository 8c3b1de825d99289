//! How many connections there are, and which of them could be given up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// All connections of a server.
#[derive(Debug, Default)]
pub(super) struct Seats {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    refused: u64,
    displaced: u64,
    turn: u64,
    idle: BTreeMap<u64, Arc<Notify>>,
    stopping: bool,
}

/// One connection's place. Dropping it gives the place back.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    asked_to_leave: Arc<Notify>,
    idle_since: Option<u64>,
}

impl Seats {
    /// A place for a connection. If all are taken, the connection that was idle for longest is asked to leave. `None` if
    /// there is none to ask.
    pub(super) fn take(self: &Arc<Self>, limit: usize) -> Option<Seat> {
        let mut state = self.lock();
        if state.taken >= limit && !state.displace() {
            state.refused += 1;
            return None;
        }
        state.taken += 1;
        drop(state);
        Some(Seat {
            seats: self.clone(),
            asked_to_leave: Arc::default(),
            idle_since: None,
        })
    }

    /// Asks the connection that was idle for longest to leave. False if there is none.
    pub(super) fn ask_one(&self) -> bool {
        self.lock().displace()
    }

    /// Asks all idle connections to leave, also those that become idle later.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.stopping = true;
        std::mem::take(&mut state.idle)
            .into_values()
            .for_each(|seat| seat.notify_one());
    }

    /// Whether [`Seats::stop`] was called.
    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// Places that are taken, connections that were refused, and those that were asked to leave for others.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let state = self.lock();
        (state.taken as u64, state.refused, state.displaced)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn displace(&mut self) -> bool {
        let Some((_, seat)) = self.idle.pop_first() else {
            return false;
        };
        seat.notify_one();
        self.displaced += 1;
        true
    }
}

impl Seat {
    /// The connection has no request. False if it is to leave.
    pub(super) fn idle(&mut self) -> bool {
        let mut state = self.seats.lock();
        if state.stopping {
            return false;
        }
        state.turn += 1;
        let turn = state.turn;
        state.idle.insert(turn, self.asked_to_leave.clone());
        self.idle_since = Some(turn);
        true
    }

    /// The connection has a request. False if it was asked to leave before.
    pub(super) fn busy(&mut self) -> bool {
        let Some(turn) = self.idle_since.take() else {
            return true;
        };
        self.seats.lock().idle.remove(&turn).is_some()
    }

    /// Waits until the connection is asked to leave, which happens to idle ones only.
    pub(super) async fn asked_to_leave(&self) {
        self.asked_to_leave.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.busy();
        self.seats.lock().taken -= 1;
    }
}
