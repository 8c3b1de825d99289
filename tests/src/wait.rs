//! The one place where tests wait by looking again.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Whether `condition` came true within `deadline`. It is looked at once at least.
#[must_use]
pub fn wait_until(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    wait_for(deadline, || condition().then_some(())).is_some()
}

/// What `find` found within `deadline`.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "driver: tests watch processes that tell nobody"
)]
pub fn wait_for<T>(deadline: Duration, mut find: impl FnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = find() {
            return Some(found);
        }
        if began.elapsed() >= deadline {
            return None;
        }
        thread::sleep(LOOK_EVERY);
    }
}
