//! How long the end of the live runner takes at most, counted from the order to leave: one ladder, so that each rung has
//! given up by itself before the one above it ends it by force.

use std::time::Duration;

/// The container (runner contract §4.2); whoever stops it waits 8 s.
const CONTAINER: Duration = Duration::from_secs(6);
/// `serve`, from the signal on.
pub(crate) const SERVE: Duration = Duration::from_millis(5800);
/// `serve` kills infer.
pub(crate) const KEEPER: Duration = Duration::from_millis(5600);
/// `infer`, from its own signal on.
pub(crate) const INFER: Duration = Duration::from_millis(5400);
/// All seats: streams and workers.
pub(crate) const SEATING: Duration = Duration::from_millis(5200);
/// A stream's channels and files, from its stop on.
pub(crate) const TRANSPORT: Duration = Duration::from_millis(3800);
/// From a stream's stop until the last byte of its output has come from media.
pub(crate) const OUTPUT: Duration = Duration::from_millis(1800);
/// From a stream's stop until its media has written what it had.
pub(crate) const MEDIA: Duration = Duration::from_secs(1);

/// What blocks at the end of a process is left behind.
pub(crate) const BLOCKING: Duration = Duration::from_millis(100);

const fn is_below(one: Duration, rest: Duration, other: Duration) -> bool {
    one.as_millis() + rest.as_millis() < other.as_millis()
}

const _: () = assert!(is_below(SERVE, BLOCKING, CONTAINER));
const _: () = assert!(is_below(KEEPER, BLOCKING, SERVE));
const _: () = assert!(is_below(INFER, BLOCKING, KEEPER));
const _: () = assert!(is_below(SEATING, BLOCKING, INFER));
const _: () = assert!(is_below(TRANSPORT, BLOCKING, SEATING));
const _: () = assert!(is_below(OUTPUT, BLOCKING, TRANSPORT));
const _: () = assert!(is_below(MEDIA, BLOCKING, OUTPUT));
