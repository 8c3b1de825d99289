//! Reading a live source.

use std::os::fd::OwnedFd;

use framerill_worker::message::LivePlan;

use super::{LiveCounts, LiveEnd, LiveItem};
use crate::{
    error::AvError,
    source::{End, Interrupt},
};

/// Reads a live stream.
pub(crate) struct LiveSource {
    fd: OwnedFd,
    name: String,
    audio: bool,
    plan: LivePlan,
    interrupt: Interrupt,
    counts: LiveCounts,
}

impl LiveSource {
    /// Takes the descriptor; reads nothing yet.
    pub(crate) fn new(fd: OwnedFd, name: &str, audio: bool, live: &LivePlan) -> Self {
        Self {
            fd,
            name: name.to_owned(),
            audio,
            plan: live.clone(),
            interrupt: Interrupt::default(),
            counts: LiveCounts::default(),
        }
    }

    /// Ends reads and waits early, from any thread.
    pub(crate) fn interrupt(&self) -> Interrupt {
        self.interrupt.clone()
    }

    /// Waits for bytes; what is complete comes out at once.
    pub(crate) fn next(&mut self) -> Result<LiveItem, AvError> {
        if self.interrupt.is_triggered() {
            return Err(AvError::Interrupted);
        }
        Ok(LiveItem::End(LiveEnd {
            reason: None,
            end: End::default(),
        }))
    }

    /// Counters so far.
    pub(crate) fn counts(&self) -> LiveCounts {
        self.counts
    }
}
