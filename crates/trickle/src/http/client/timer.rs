//! A clock that begins with its client, and its alarm.

use std::{
    future::Future,
    hash::{BuildHasher, RandomState},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::time::{Sleep, sleep};

use crate::clock;

/// A clock that begins with its client, and its alarm.
#[derive(Debug)]
pub(super) struct Timer {
    start: Instant,
    /// When, and what sleeps until then.
    alarm: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl Timer {
    pub(super) fn new() -> Self {
        Self {
            start: clock::now(),
            alarm: None,
        }
    }

    /// A number that is another one in every client.
    pub(super) fn seed(&self) -> u64 {
        RandomState::new().hash_one(self.start)
    }

    pub(super) fn now(&self) -> Duration {
        clock::now().saturating_duration_since(self.start)
    }

    /// The instant that this clock calls zero.
    pub(super) fn start(&self) -> Instant {
        self.start
    }

    /// Ready at this time, or never.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, at: Option<Duration>) -> Poll<()> {
        let Some(at) = at else {
            self.alarm = None;
            return Poll::Pending;
        };
        loop {
            let now = self.now();
            if now >= at {
                self.alarm = None;
                return Poll::Ready(());
            }
            if self.alarm.as_ref().is_none_or(|(set, _)| *set != at) {
                self.alarm = Some((at, Box::pin(sleep(at - now))));
            }
            let Some((_, sleep)) = &mut self.alarm else {
                return Poll::Pending;
            };
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            // The runtime's clock is coarser than ours: sleep again if it woke too early.
            self.alarm = None;
        }
    }
}
