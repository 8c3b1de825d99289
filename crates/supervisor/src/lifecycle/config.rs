//! The deadlines and the budget of one child, with the usual ones.

use std::time::Duration;

/// The deadlines and the budget of one child.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// How often it may be restarted before it counts as failed.
    pub max_restarts: u32,
    /// Ready for this long without a break gives all restarts back.
    pub healthy_time: Duration,
    /// Whether a first load that raised is tried again; an owner that has another one to try wants to know at once.
    pub retries_first_load: bool,
    /// From spawn to `hello`.
    pub hello_time: Duration,
    /// From `load` (or `reloading`) to `ready`.
    pub load_time: Duration,
    /// Frames waiting and no output for this long is hung; a description that comes with `ready` overrides it.
    pub max_frame_time: Duration,
    /// What the owner wants instead, whatever the description says.
    pub max_frame_time_override: Option<Duration>,
    /// The same for the first frame after a load or a reload.
    pub first_frame_time: Duration,
    /// No heartbeat for this long, with no long work declared, is hung.
    pub heartbeat_time: Duration,
    /// The longest that work may be declared long.
    pub long_work_time: Duration,
    /// Late is never less than this.
    pub late_floor: Duration,
    /// From a fatal error, `drained` or `bye` to the exit.
    pub exit_time: Duration,
    /// From the kill to the exit; a process that the kernel cannot end by then is left to it.
    pub kill_time: Duration,
    /// A child that was ready for this long is restarted at once again.
    pub settled_time: Duration,
    /// A child that answered so many frames is restarted at once again, too: it is no loop of crashes.
    pub settled_frames: u64,
    /// The pause before the second restart in a row; it doubles from there.
    pub backoff_base: Duration,
    /// The longest pause before a restart.
    pub backoff_cap: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_restarts: 3,
            healthy_time: Duration::from_secs(600),
            retries_first_load: true,
            hello_time: Duration::from_secs(10),
            load_time: Duration::from_secs(600),
            max_frame_time: Duration::from_secs(10),
            max_frame_time_override: None,
            first_frame_time: Duration::from_secs(60),
            heartbeat_time: Duration::from_secs(5),
            long_work_time: Duration::from_secs(600),
            late_floor: Duration::from_millis(80),
            exit_time: Duration::from_secs(1),
            kill_time: Duration::from_secs(2),
            settled_time: Duration::from_secs(10),
            settled_frames: 25,
            backoff_base: Duration::from_millis(250),
            backoff_cap: Duration::from_secs(10),
        }
    }
}
