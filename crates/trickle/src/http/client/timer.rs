//! A clock that begins with its client, and its alarm.

use std::{
    future::Future,
    hash::{BuildHasher, RandomState},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::{task::yield_now, time::sleep};

use crate::clock;

/// A clock that begins with its client, and its alarm.
pub(super) struct Timer {
    start: Instant,
    /// When, and what is waited for.
    alarm: Option<(Duration, Alarm)>,
}

type Alarm = Pin<Box<dyn Future<Output = ()> + Send>>;

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

    /// Ready at this time, or never. A caller that comes late, because its thread was busy, is sent through the runtime
    /// once more: what has arrived meanwhile is to be seen before the deadline is.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, at: Option<Duration>) -> Poll<()> {
        let Some(at) = at else {
            self.alarm = None;
            return Poll::Pending;
        };
        loop {
            if let Some((_, alarm)) = self.alarm.as_mut().filter(|(set, _)| *set == at) {
                if alarm.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.alarm = None;
                if self.now() >= at {
                    return Poll::Ready(());
                }
            }
            let now = self.now();
            let alarm: Alarm = if now < at {
                Box::pin(sleep(at - now))
            } else {
                Box::pin(yield_now())
            };
            self.alarm = Some((at, alarm));
        }
    }
}
