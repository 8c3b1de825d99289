//! How a child ended: what the kernel says together with what the parent did.

use std::{fmt, os::unix::process::ExitStatusExt, process::ExitStatus};

/// Exit code of a child after the protocol was broken.
const BROKEN: i32 = 2;
/// Exit code of a child whose descriptors its own code closed.
const DESCRIPTORS: i32 = 88;
const SIGKILL: i32 = 9;

/// How a child ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitReason {
    /// It was asked to leave and did.
    Asked,
    /// It left with code 0 though nobody had asked.
    Left,
    /// It exited with this code; 1 follows an error that it reported as fatal.
    Failed {
        /// Not 0 and not 2.
        code: i32,
    },
    /// It exited with code 2: one side broke the child protocol.
    Protocol,
    /// It exited with code 88: its descriptors were closed, or became something else, while it needed them.
    Descriptors,
    /// A signal ended it that this parent did not send.
    Signal {
        /// The signal's number.
        signal: i32,
        /// Whether a core was dumped.
        core: bool,
    },
    /// This parent killed it.
    Killed {
        /// Why.
        why: KillReason,
    },
    /// It never began.
    SpawnFailed {
        /// What failed, one sentence.
        what: String,
    },
}

/// Why a parent kills its child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KillReason {
    /// No `hello` in time.
    NoHello,
    /// Not ready in time, at the first load or at a reload.
    LoadTime,
    /// Frames waited and none was answered in time.
    Hung,
    /// Frames waited and the first after a load was not answered in time.
    FirstFrame,
    /// No heartbeat, and no long work was declared.
    NoHeartbeat,
    /// The declared long work did not end.
    LongWork,
    /// The child broke the protocol, or does not read.
    Protocol,
    /// It reported a fatal error, or was told to leave, and stayed.
    DidNotExit,
    /// It used more memory than it may.
    MemoryLimit,
    /// It had more processes than it may.
    ProcessLimit,
    /// It was still there when the time to stop was over.
    StopTime,
    /// Its owner let go of it.
    Dropped,
}

impl ExitReason {
    /// From the kernel's `status` and what the parent did: `asked` it to leave, or `killed` it.
    #[must_use]
    pub fn from_status(status: ExitStatus, asked: bool, killed: Option<KillReason>) -> Self {
        match (status.code(), status.signal(), killed) {
            (_, Some(SIGKILL), Some(why)) => Self::Killed { why },
            (_, Some(signal), _) => Self::Signal {
                signal,
                core: status.core_dumped(),
            },
            (Some(0), _, _) if asked => Self::Asked,
            (Some(0), _, _) => Self::Left,
            (Some(BROKEN), _, _) => Self::Protocol,
            (Some(DESCRIPTORS), _, _) => Self::Descriptors,
            (code, _, _) => Self::Failed {
                code: code.unwrap_or(1),
            },
        }
    }

    /// One word for it, for counting.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Left => "left",
            Self::Failed { .. } => "failed",
            Self::Protocol
            | Self::Killed {
                why: KillReason::Protocol,
            } => "protocol",
            Self::Descriptors => "descriptors",
            Self::Signal { .. } => "signal",
            Self::SpawnFailed { .. } => "spawn_failed",
            Self::Killed { why } => match why {
                KillReason::NoHello => "no_hello",
                KillReason::LoadTime => "load_time",
                KillReason::Hung => "hung",
                KillReason::FirstFrame => "first_frame",
                KillReason::NoHeartbeat => "no_heartbeat",
                KillReason::LongWork => "long_work",
                KillReason::MemoryLimit => "memory_limit",
                KillReason::ProcessLimit => "process_limit",
                _ => "stopped",
            },
        }
    }

    /// What a person may do about it; none when there is nothing to say.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Signal { signal: 9, .. } => Some(
                "someone killed it; the kernel does so when memory runs out (see `dmesg` and the memory limit)",
            ),
            Self::Signal {
                signal: 4 | 6 | 7 | 8 | 11,
                ..
            } => Some("native code crashed; the last lines of its log may say where"),
            Self::Signal { signal: 31, .. } => Some("it made a system call that it is not allowed"),
            Self::Killed {
                why: KillReason::Hung | KillReason::FirstFrame,
            } => Some("raise `max_frame_time` in the pipeline if one frame may take longer"),
            Self::Killed {
                why: KillReason::NoHeartbeat,
            } => {
                Some("declare long work as busy, or release the interpreter's lock in native code")
            }
            Self::Killed {
                why: KillReason::LoadTime,
            } => Some("prepare the pipeline's models first, or raise the load time"),
            Self::Killed {
                why: KillReason::NoHello,
            } => Some("start the program by hand to see what keeps it"),
            Self::Killed {
                why: KillReason::MemoryLimit,
            } => Some(
                "look for what it keeps from frame to frame, or allow more with --worker-memory",
            ),
            Self::Killed {
                why: KillReason::ProcessLimit,
            } => Some("look for what it starts with each frame and never waits for"),
            Self::Descriptors => Some("close only what the pipeline opened itself"),
            _ => None,
        }
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("exited as asked"),
            Self::Left => f.write_str("exited without being asked"),
            Self::Failed { code } => write!(f, "exited with code {code}"),
            Self::Protocol => f.write_str("exited with code 2: the child protocol was broken"),
            Self::Descriptors => {
                f.write_str("exited with code 88: something closed its descriptors")
            }
            Self::Signal { signal, core } => {
                write!(f, "killed by signal {signal}")?;
                if let Some(name) = signal_name(*signal) {
                    write!(f, " ({name})")?;
                }
                f.write_str(if *core { ", core dumped" } else { "" })
            }
            Self::Killed { why } => write!(f, "killed: {why}"),
            Self::SpawnFailed { what } => write!(f, "could not be started: {what}"),
        }
    }
}

impl fmt::Display for KillReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHello => "it did not say hello in time",
            Self::LoadTime => "it did not finish loading in time",
            Self::Hung => "frames waited and none was answered in time",
            Self::FirstFrame => "the first frame after loading was not answered in time",
            Self::NoHeartbeat => "its heartbeat stopped",
            Self::LongWork => "its declared long work did not end in time",
            Self::Protocol => "it broke the child protocol",
            Self::DidNotExit => "it had to exit and did not",
            Self::MemoryLimit => "it used more memory than it may",
            Self::ProcessLimit => "it had more processes than it may",
            Self::StopTime => "it did not stop in time",
            Self::Dropped => "its owner is gone",
        })
    }
}

/// The name of a signal on Linux; none for those that programs define themselves.
#[must_use]
pub fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exited(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    #[test]
    fn code_0_means_asked_only_if_somebody_asked() {
        assert_eq!(
            ExitReason::from_status(exited(0), true, None),
            ExitReason::Asked
        );
        assert_eq!(
            ExitReason::from_status(exited(0), false, None),
            ExitReason::Left
        );
    }

    #[test]
    fn a_sigkill_of_ours_names_its_reason_and_another_one_is_a_signal() {
        let status = ExitStatus::from_raw(9);
        let why = KillReason::Hung;
        assert_eq!(
            ExitReason::from_status(status, false, Some(why)),
            ExitReason::Killed { why }
        );
        let other = ExitReason::from_status(status, false, None);
        assert_eq!(other.to_string(), "killed by signal 9 (SIGKILL)");
        assert!(other.hint().unwrap().contains("memory"));
    }

    #[test]
    fn a_crash_that_came_before_our_kill_keeps_its_own_signal() {
        let status = ExitStatus::from_raw(11 | 0x80);
        let reason = ExitReason::from_status(status, false, Some(KillReason::Hung));
        assert_eq!(
            reason.to_string(),
            "killed by signal 11 (SIGSEGV), core dumped"
        );
    }

    #[test]
    fn codes_1_2_and_88_are_a_failure_a_broken_protocol_and_closed_descriptors() {
        assert_eq!(
            ExitReason::from_status(exited(1), true, None),
            ExitReason::Failed { code: 1 }
        );
        assert_eq!(
            ExitReason::from_status(exited(2), false, None),
            ExitReason::Protocol
        );
        assert_eq!(
            ExitReason::from_status(exited(88), false, None),
            ExitReason::Descriptors
        );
    }
}
