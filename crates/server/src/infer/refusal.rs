//! Why the engine does not do what it is asked: words for people, a code for programs.

use std::fmt;

/// How the runner's route begins to tell of a start that is refused (runner contract §2.1).
pub(crate) const STARTING: &str = "Error starting stream: ";

/// Why the engine does not do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is about to end.
    Stopping,
    /// Whoever asked for it waits no longer; nothing was done.
    Late,
    /// Too many starts wait for an answer.
    StartsWait { most: usize },
    /// Too many streams that were replaced are not over yet.
    StreamsEnd { most: usize },
    /// As many streams run as may.
    Capacity { most: usize },
    /// The worker was lost, and no restart is left.
    FailedForGood { why: String },
    /// So was every one.
    AllFailed,
    /// No pipeline is called so.
    Pipeline { why: String },
    /// The pipeline does not let streams share it.
    Binding { pipeline: String },
    /// The parameters are wrong, or the worker does not take them.
    Params { why: String },
    /// There is no worker to be had.
    Worker { why: String },
    /// A channel or a file cannot be opened.
    Endpoint { why: String },
    /// The stream takes nothing any more.
    Ended { stream: u64 },
    /// There is nobody who could take parameters.
    NoWorker,
}

impl Refusal {
    /// The code, for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Stopping => "stopping",
            Self::Late => "late",
            Self::StartsWait { .. } | Self::StreamsEnd { .. } => "busy",
            Self::Capacity { .. } => "capacity",
            Self::FailedForGood { .. } | Self::AllFailed => "pipeline_failed",
            Self::Pipeline { .. } => "pipeline",
            Self::Binding { .. } => "binding",
            Self::Params { .. } => "params",
            Self::Worker { .. } => "worker",
            Self::Endpoint { .. } => "endpoint",
            Self::Ended { .. } => "ended",
            Self::NoWorker => "no_worker",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopping => f.write_str("infer is stopping"),
            Self::Late => f.write_str("whoever asked waits no longer; nothing was done"),
            Self::StartsWait { most } => {
                write!(f, "{most} starts wait already; try again later")
            }
            Self::StreamsEnd { most } => {
                write!(f, "{most} streams are still ending; try again later")
            }
            Self::Capacity { most } => write!(f, "capacity {most} in use"),
            Self::FailedForGood { why } => write!(f, "the pipeline failed for good: {why}"),
            Self::AllFailed => f.write_str("every worker failed for good"),
            Self::Binding { pipeline } => write!(
                f,
                "`{pipeline}` does not say that streams may share it (`shareable`)"
            ),
            Self::Pipeline { why }
            | Self::Params { why }
            | Self::Worker { why }
            | Self::Endpoint { why } => f.write_str(why),
            Self::Ended { stream } => {
                write!(f, "stream {stream} ends or is over; it takes no parameters")
            }
            Self::NoWorker => f.write_str("there is no worker"),
        }
    }
}
