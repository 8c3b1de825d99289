//! What the threads of a reader share.

use std::sync::{Mutex, MutexGuard};

use framerill_frames::Lease;
use framerill_worker::{
    child::Parent,
    message::{FromChild, MediaStats, ReaderStats},
};

use crate::ffi::Interrupt;

/// Counters, lent slots, and whether it is to stop.
pub(crate) struct Shared {
    state: Mutex<State>,
    interrupt: Interrupt,
}

/// Under the lock.
pub(super) struct State {
    pub(super) stats: ReaderStats,
    /// Seconds of the newest decoded frame.
    pub(super) seconds: f64,
    /// By slot: what is lent to whoever is at the link.
    pub(super) lent: Vec<Option<Lease>>,
    draining: Option<u64>,
    is_over: bool,
}

impl Shared {
    pub(super) fn new(stats: ReaderStats, interrupt: Interrupt) -> Self {
        Self {
            state: Mutex::new(State {
                stats,
                seconds: 0.0,
                lent: Vec::new(),
                draining: None,
                is_over: false,
            }),
            interrupt,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|poison| poison.into_inner())
    }

    /// Ends reads and waits.
    pub(super) fn stop(&self) {
        self.interrupt.trigger();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.interrupt.is_triggered()
    }

    /// The counters as messages carry them.
    pub(super) fn stats(&self) -> MediaStats {
        let state = self.lock();
        MediaStats {
            decoded: state.stats.decoded,
            delivered: state.stats.delivered,
            decoded_seconds: state.seconds,
            damaged: state.stats.failed + state.stats.concealed,
            finished: state.is_over,
            reader: Some(Box::new(state.stats.clone())),
            ..MediaStats::default()
        }
    }

    /// Has the reading thread answer a `drain`; false when that thread has nothing left to do.
    pub(super) fn drain_later(&self, id: u64) -> bool {
        let mut state = self.lock();
        if !state.is_over {
            state.draining = Some(id);
        }
        !state.is_over
    }

    /// Nothing more comes. Returns the `drain` that waits for this.
    pub(super) fn end(&self) -> Option<u64> {
        let mut state = self.lock();
        state.is_over = true;
        state.draining.take()
    }

    /// Answers a `drain` and leaves.
    pub(super) fn drained(&self, id: u64, parent: &Parent) {
        let stats = Some(Box::new(self.stats()));
        parent.say(&FromChild::Drained { id, stats });
        parent.leave(0);
    }
}
