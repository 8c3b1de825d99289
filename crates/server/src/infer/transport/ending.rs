//! When a transport that was told to stop is over: fixed once, with the stop. Pure.

use tokio::time::Instant;

use crate::deadlines;

/// The moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// Media's last byte has come, or nothing more is waited for.
    pub(super) rest_by: Instant,
    /// Channels and files are closed, or given up.
    pub(super) closed_by: Instant,
}

impl Ending {
    /// Of a stop at `now`.
    pub(super) fn of(now: Instant) -> Self {
        Self {
            rest_by: now + deadlines::OUTPUT,
            closed_by: now + deadlines::TRANSPORT,
        }
    }
}
