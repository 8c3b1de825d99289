//! What the guardian has its driver do: events, stops, and the cause of an ERROR.

use std::{fmt, time::Duration};

use super::{input::StreamNumber, rules::Rule, state::State};
use crate::lifecycle::Reason;

/// What the driver does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// The state changed; the status says the same. Log it.
    State {
        /// The new one.
        state: State,
        /// What led to it.
        rule: Rule,
    },
    /// How fast a running stream is, frames a second, each time that is known anew and something flows (§5.4). Log it.
    Rates {
        /// Decoded pictures.
        input: f64,
        /// Finished pictures.
        output: f64,
    },
    /// Send an event on `events_url`.
    Event(Event),
    /// Tear the stream down, and report its end. Said once a stream.
    StopStream {
        /// Which.
        stream: StreamNumber,
        /// Why.
        reason: StopReason,
    },
    /// The last stream is over: clear its queues and its ids, and send the worker the initial params (§5.4).
    ResetWorker,
    /// Kill the worker and start another one, within its budget: it does not finish loading.
    RestartWorker,
    /// Stop the worker: it was lost under a policy that allows no restart, and the next one has nothing to do.
    StopWorker,
    /// Nothing to do; hand in [`super::Input::Deadline`] at this monotonic time.
    WakeAt(Duration),
}

/// What goes to the events channel of a stream (§6.3); none when no stream runs, and the event is for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Send the status object.
    Status {
        /// Whose.
        stream: StreamNumber,
        /// `last_status_timestamp`: wall clock of the event before, or of the stream's start; milliseconds.
        last_status_ms: u64,
    },
    /// The worker's latest error of this second, or a trouble.
    Error {
        /// Whose channel.
        stream: Option<StreamNumber>,
        /// As it was reported.
        message: String,
        /// As it was reported; a trouble has none.
        traceback: Option<String>,
        /// Wall clock of the error, milliseconds. `time` on the wire is in seconds (§12, D28).
        time_ms: u64,
    },
    /// The worker is being restarted; the stream goes on.
    Restart {
        /// Whose channel.
        stream: Option<StreamNumber>,
        /// With this one.
        restart_count: u64,
        /// Wall clock of the restart, milliseconds. `restart_time` on the wire is in seconds (§12, D28).
        restart_time_ms: u64,
        /// Why, for the log.
        reason: Reason,
    },
}

/// Why a stream is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Nothing came in for [`super::limits::SILENCE_STOPS`].
    Silence,
    /// The state is ERROR.
    Error,
}

/// Why the state is ERROR; there is no other reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The worker is lost, and no restart is left or none would help.
    NoRestartLeft(Reason),
    /// The worker is lost, and the stream's policy allows no restart.
    NoRestartAllowed(Reason),
}

impl Cause {
    /// The error that it is told as (§6.4).
    #[must_use]
    pub fn message(&self) -> String {
        format!("Error in process run method: {self}")
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRestartLeft(reason) => {
                write!(f, "worker lost, no restart left: {reason}")
            }
            Self::NoRestartAllowed(reason) => {
                write!(f, "worker lost, this stream allows no restart: {reason}")
            }
        }
    }
}
