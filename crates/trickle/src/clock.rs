//! The one place that reads a clock.

use std::time::Instant;

/// Now, on the clock that the runtime's timers follow. Where a runtime's clock is paused, so is this one.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
