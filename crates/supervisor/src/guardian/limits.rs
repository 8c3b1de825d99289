//! Every time and rate that the guardian decides by. They are wire facts, not settings: an orchestrator counts on them.

use std::time::Duration;

/// From one evaluation to the next (§5.3).
pub const TICK: Duration = Duration::from_secs(1);
/// ONLINE lasts no longer than this without a real output (DESIGN, Rulings, states).
pub const ONLINE_WITHOUT_OUTPUT: Duration = Duration::from_secs(4);
/// Taken off the time since a load before it is compared (§5.2, `load_age`).
pub const LOAD_SLACK: Duration = Duration::from_secs(2);
/// A `load_age` above this asks for another worker (rule 2).
pub const LOAD: Duration = Duration::from_secs(180);
/// A stream that ended is OFFLINE when its last input is older (rule 3).
pub const OFFLINE_AFTER: Duration = Duration::from_secs(3);
/// Silence beyond this stops the stream (rule 4).
pub const SILENCE_STOPS: Duration = Duration::from_secs(60);
/// Silence from here on is OFFLINE, whether or not the stream's end was reported (rule 4; DESIGN, Rulings, states).
pub const SILENCE_OFFLINE: Duration = Duration::from_secs(90);
/// A `load_age` below this is ONLINE without an output (rule 5a).
pub const LOAD_GRACE: Duration = Duration::from_secs(2);
/// Output that is older than the newest input by more than this is behind (rule 6).
pub const OUTPUT_BEHIND: Duration = Duration::from_secs(1);
/// Output is behind only when it is older than this, too (rule 6).
pub const OUTPUT_STALE: Duration = Duration::from_secs(5);
/// An error counts for this long (rule 7).
pub const ERROR_COUNTS: Duration = Duration::from_secs(15);
/// A restart counts for this long (rule 7).
pub const RESTART_COUNTS: Duration = Duration::from_secs(60);
/// Input older than this is late (rule 8).
pub const INPUT_LATE: Duration = Duration::from_secs(2);
/// Frames a second; input below it is slow (rule 8).
pub const INPUT_SLOW: f64 = 15.0;
/// Output older than this is late (rule 9).
pub const OUTPUT_LATE: Duration = Duration::from_secs(2);
/// Frames a second; output at this rate is never slow (rule 9).
pub const OUTPUT_ENOUGH: f64 = 10.0;
/// Output below this share of the input rate is slow (rule 9).
pub const OUTPUT_SHARE: f64 = 0.8;
/// An FPS window closes at the first evaluation after this (§5.2).
pub const FPS_WINDOW: Duration = Duration::from_secs(10);
/// From one status event to the next, and from the start to the first (§6.3).
pub const STATUS_EVERY: Duration = Duration::from_secs(10);
/// Troubles that wait to be told, one a second; beyond that the oldest is dropped and counted.
pub const TROUBLES: usize = 8;
/// A deadline that comes later than this was missed by the driver, not by the stream (as [`crate::lifecycle`] has it).
pub const OVERSLEPT: Duration = Duration::from_secs(1);
/// Frames that come are reported within this time: media tells its counts every 250 ms.
pub const REPORTED_WITHIN: Duration = Duration::from_millis(500);
