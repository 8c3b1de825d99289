//! What happens to a child, and what its messages mean here.

use std::time::Duration;

use framerill_worker::message::{ErrorReport, FromChild, PROTOCOL};

use super::output::Fault;
use crate::{exit::ExitReason, usage::Overuse};

/// No description sets more: a day.
const MOST_FRAME_TIME: Duration = Duration::from_secs(86_400);

/// What happens to a child.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The process runs.
    Spawned {
        /// The process that the parent waits for.
        pid: u32,
    },
    /// The supervisor did not run for so long: the whole machine, or the container, stood still.
    Slept(Duration),
    /// The process could not be started.
    SpawnFailed(String),
    /// Its first message came, and speaks our version.
    Hello,
    /// It has loaded, or reloaded.
    Ready {
        /// What its description asks for.
        max_frame_time: Option<Duration>,
    },
    /// It loads again.
    Reloading,
    /// Its load, or reload, failed; it is still there.
    LoadFailed(Fault),
    /// It is alive.
    Heartbeat {
        /// Whether it declares long work.
        busy: bool,
    },
    /// How its frames fare, as media sees it.
    Progress {
        /// Frames answered so far.
        answered: u64,
        /// Frames with which it failed so far, and went on.
        failed: u64,
        /// Frames that it has and could answer.
        waiting: u64,
    },
    /// It failed and exits next.
    FatalError(Fault),
    /// It broke the protocol, or does not read.
    ProtocolViolation(String),
    /// It took more than it may.
    Overused(Overuse),
    /// It closed its end of the channel; its exit should follow.
    ChannelClosed,
    /// It is gone.
    Exited(ExitReason),
    /// The owner wants it to stop.
    StopRequested {
        /// How long it may take to finish what it accepted.
        drain: Duration,
    },
    /// It has finished what it had accepted.
    Drained,
    /// The time of the last `WakeAt` has come.
    Deadline,
}

impl Input {
    /// What `message` means for the lifecycle; none when it does not concern it. `long_request` is the request that loads
    /// or reloads at the moment.
    #[must_use]
    pub fn from_message(message: &FromChild, long_request: Option<u64>) -> Option<Self> {
        Some(match message {
            FromChild::Hello { protocol, .. } if *protocol != PROTOCOL => Self::ProtocolViolation(
                format!("it speaks version {protocol} of the protocol, not {PROTOCOL}"),
            ),
            FromChild::Hello { .. } => Self::Hello,
            FromChild::Ready { description, .. } => Self::Ready {
                max_frame_time: description
                    .as_deref()
                    .map(|it| it.max_frame_time.min(MOST_FRAME_TIME.as_secs_f64()))
                    .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                    .filter(|limit| !limit.is_zero()),
            },
            FromChild::Reloading { .. } => Self::Reloading,
            FromChild::Heartbeat { busy, .. } => Self::Heartbeat {
                busy: busy.is_some(),
            },
            FromChild::Error(report) if report.fatal => Self::FatalError(fault(report)),
            FromChild::Error(report) if report.id.is_some() && report.id == long_request => {
                Self::LoadFailed(fault(report))
            }
            FromChild::Drained { .. } => Self::Drained,
            _ => return None,
        })
    }
}

fn fault(report: &ErrorReport) -> Fault {
    Fault {
        code: report.code.clone(),
        message: report.message.clone(),
    }
}
