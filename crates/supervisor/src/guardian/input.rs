//! What happens to a stream and its worker, and the time of it.

use std::time::Duration;

use crate::lifecycle::{self, Reason};

/// The time of an input, on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Monotonic, from a moment that the driver chooses; decisions use it alone.
    pub at: Duration,
    /// Milliseconds since 1970, truncated (§6.1); reports use it alone.
    pub wall_ms: u64,
}

/// The driver's own number of a stream, never used twice: request ids may be equal, and empty (§12, D12).
pub type StreamNumber = u64;

/// Whether a stream outlives its worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restarts {
    /// The worker is restarted within its budget, and the stream stays.
    #[default]
    Allowed,
    /// The worker's first loss is the end: `comfyui` begun by `/live-video-to-video` (§4.4).
    Forbidden,
}

/// What happens to a stream and its worker.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A stream was accepted; a former one counts no more. Ask [`super::Guardian::refusal`] before accepting one.
    StreamStarted {
        /// Which.
        stream: StreamNumber,
        /// Its policy.
        restarts: Restarts,
    },
    /// The stream is about to be torn down: what was reported is told while its channels are there.
    StreamEnding {
        /// Which; another than the running one changes nothing.
        stream: StreamNumber,
    },
    /// The stream is torn down; until then it counts as running.
    StreamEnded {
        /// Which; another than the current one changes nothing.
        stream: StreamNumber,
    },
    /// Media's counts, since its process began. A count that falls is one that began anew.
    Progress {
        /// Which; another than the running one changes nothing.
        stream: StreamNumber,
        /// Decoded frames, dropped ones too (§5.2, D31).
        decoded: u64,
        /// Frames that the worker answered. Filler, held and overlay pictures are none.
        answered: u64,
    },
    /// Parameters went to the worker.
    ParamsQueued,
    /// The worker answered `applied`.
    ParamsApplied,
    /// The worker reported an error; a rejected update is one.
    ErrorReported {
        /// With its prefix (§6.4).
        message: String,
        /// Where the author's code was.
        traceback: Option<String>,
    },
    /// Something is wrong with a peer or with media: it is told like an error, and says nothing of the inference.
    TroubleReported {
        /// What, and what comes of it.
        message: String,
    },
    /// Where the worker is in its life. The same again changes nothing: hand it in after every step of the worker's
    /// lifecycle, behind the events of the step.
    WorkerState(lifecycle::State),
    /// The worker is lost, and another one comes.
    WorkerRestarting {
        /// Why.
        reason: Reason,
    },
    /// The worker is lost, and none comes.
    WorkerFailed {
        /// Why.
        reason: Reason,
    },
    /// The time of the last `WakeAt` has come.
    Deadline,
}

impl Input {
    /// What `event` of the worker's lifecycle means here; none when its state says it all.
    #[must_use]
    pub fn from_lifecycle(event: &lifecycle::Event) -> Option<Self> {
        match event {
            lifecycle::Event::Restarting { reason, .. } => Some(Self::WorkerRestarting {
                reason: reason.clone(),
            }),
            lifecycle::Event::Failed { reason } => Some(Self::WorkerFailed {
                reason: reason.clone(),
            }),
            _ => None,
        }
    }
}
