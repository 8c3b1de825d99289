//! The one place that reads a clock.

use std::time::Instant;

/// Now, on the clock that the runtime's timers follow.
#[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
