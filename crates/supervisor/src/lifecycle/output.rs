//! What the driver does next, what the owner is told, and the states.

use std::{fmt, time::Duration};

use crate::exit::{ExitReason, KillReason};

/// What the driver does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Start the process.
    Spawn {
        /// Counts from 1.
        incarnation: u32,
    },
    /// Send `load`.
    Load,
    /// Send `drain`.
    SendDrain,
    /// Send `bye`.
    SendBye,
    /// Kill the process and everything it started.
    Kill {
        /// Why.
        why: KillReason,
    },
    /// Tell the owner.
    Event(Event),
    /// Nothing to do; hand in [`super::Input::Deadline`] at this time.
    WakeAt(Duration),
    /// Nothing to do ever again.
    Idle,
}

/// What an owner wants to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A process runs.
    Started {
        /// Which, counted from 1.
        incarnation: u32,
        /// The process that the parent waits for.
        pid: u32,
    },
    /// It has loaded and takes streams. After a restart, streams must be attached anew.
    Ready {
        /// Which, counted from 1.
        incarnation: u32,
        /// Whether this ends a reload.
        reloaded: bool,
    },
    /// No output for longer than usual; nothing is killed.
    Late {
        /// For how long.
        after: Duration,
    },
    /// Output came again after it was late.
    Recovered {
        /// How long none had come.
        after: Duration,
    },
    /// It is lost, and another one takes its place.
    Restarting {
        /// The one that comes.
        incarnation: u32,
        /// Why the last one is lost.
        reason: Reason,
        /// How many restarts remain after this one.
        restarts_left: u32,
        /// How long it waits before it starts.
        after: Duration,
    },
    /// It is lost and no restart is left, or none would help. Terminal.
    Failed {
        /// Why.
        reason: Reason,
    },
    /// It stopped because the owner wanted it to. Terminal.
    Stopped {
        /// How it went.
        exit: ExitReason,
    },
}

/// Why a child is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// How the process ended.
    pub exit: ExitReason,
    /// What it said before.
    pub fault: Option<Fault>,
}

/// What a child said about its failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// An error code of the child protocol.
    pub code: String,
    /// One sentence.
    pub message: String,
}

impl From<ExitReason> for Reason {
    fn from(exit: ExitReason) -> Self {
        Self { exit, fault: None }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            Some(fault) => write!(f, "{} (`{}`)", fault.message, fault.code),
            None => self.exit.fmt(f),
        }
    }
}

impl Reason {
    /// One word for it, for counting: the code of what it said, else the kind of its exit.
    #[must_use]
    pub fn kind(&self) -> &str {
        let said = self.fault.as_ref().map(|it| it.code.as_str());
        said.unwrap_or_else(|| self.exit.kind())
    }
}

impl Fault {
    /// Whether the pipeline raised while it was loaded.
    #[must_use]
    pub fn is_of_load(&self) -> bool {
        self.code == "load_failed"
    }

    /// Whether a first load that failed so would fail again: it is about what was asked for, not about the moment.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(
            self.code.as_str(),
            "unknown_pipeline"
                | "import_failed"
                | "params"
                | "source_open"
                | "source_empty"
                | "source_no_video"
                | "source_truncated"
                | "sink_open"
        )
    }
}

/// Where a child is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// On its way to `hello`, or waiting to be started again.
    Starting,
    /// On its way to `ready`, also during a reload.
    Loading,
    /// Takes streams.
    Ready,
    /// Finishes what it accepted, or is on its way out.
    Draining,
    /// Gone, as the owner wanted. Terminal.
    Stopped,
    /// Gone, and no restart is left. Terminal.
    Failed,
}

impl State {
    /// As it is spelled on the wire and in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Loading => "loading",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing follows.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Stopped | Self::Failed)
    }
}
