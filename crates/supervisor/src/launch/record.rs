//! What the shim tells its parent, one line on its stdout.

use std::{
    fmt,
    os::unix::process::ExitStatusExt,
    process::{ExitCode, ExitStatus},
};

use super::NOT_STARTED;

const CORE: i32 = 0x80;

/// How the program ended, or why it did not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Exited(u8),
    Signal { signal: i32, core: bool },
    SpawnFailed(String),
}

impl Record {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (verb, rest) = text.trim_end().split_once(' ')?;
        Some(match verb {
            "exited" => Self::Exited(rest.parse().ok()?),
            "signal" => {
                let (number, core) = match rest.strip_suffix(" core") {
                    Some(number) => (number, true),
                    None => (rest, false),
                };
                let signal = number.parse().ok().filter(|it| (1..=64).contains(it))?;
                Self::Signal { signal, core }
            }
            "spawn-failed" => Self::SpawnFailed(rest.into()),
            _ => return None,
        })
    }

    /// The code of a process that ends as the program did.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Exited(code) => ExitCode::from(*code),
            Self::Signal { signal, .. } => {
                ExitCode::from(u8::try_from(128 + signal).unwrap_or(255))
            }
            Self::SpawnFailed(_) => ExitCode::from(NOT_STARTED),
        }
    }

    /// The program's own status, or why it has none.
    pub(crate) fn into_status(self) -> Result<ExitStatus, String> {
        match self {
            Self::Exited(code) => Ok(ExitStatus::from_raw(i32::from(code) << 8)),
            Self::Signal { signal, core } => {
                Ok(ExitStatus::from_raw(signal | if core { CORE } else { 0 }))
            }
            Self::SpawnFailed(why) => Err(why),
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => writeln!(f, "exited {code}"),
            Self::Signal { signal, core: true } => writeln!(f, "signal {signal} core"),
            Self::Signal { signal, .. } => writeln!(f, "signal {signal}"),
            Self::SpawnFailed(why) => writeln!(f, "spawn-failed {}", why.replace('\n', " ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for record in [
            Record::Exited(0),
            Record::Exited(137),
            Record::Signal {
                signal: 9,
                core: false,
            },
            Record::Signal {
                signal: 11,
                core: true,
            },
            Record::SpawnFailed("cannot start `x`: no such file".into()),
        ] {
            assert_eq!(Record::parse(&record.to_string()), Some(record));
        }
    }

    #[test]
    fn a_record_that_makes_no_sense_is_none() {
        for text in [
            "",
            "exited",
            "exited 256",
            "signal 0",
            "signal 99 core",
            "x 1",
        ] {
            assert_eq!(Record::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_exit_with_137_is_not_a_signal() {
        assert_eq!(Record::Exited(137).into_status().unwrap().code(), Some(137));
        let signal = Record::Signal {
            signal: 9,
            core: false,
        };
        assert_eq!(signal.into_status().unwrap().signal(), Some(9));
    }
}
