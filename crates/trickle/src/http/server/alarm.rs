//! Driver of one timer, made when it is first needed.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

/// One timer for whatever a connection waits for.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    at: Option<Instant>,
}

impl Alarm {
    /// Ready when the time is there. One time is waited for, the one asked for last.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(at.into())));
        if self.at != Some(at) {
            sleep.as_mut().reset(at.into());
            self.at = Some(at);
        }
        sleep.as_mut().poll(cx)
    }
}
