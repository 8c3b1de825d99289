//! How far apart a child is kept from its parent: which pid namespace this kernel and this user allow.
//!
//! With a pid namespace, everything that a child starts dies with it, whatever it does (`setsid`, double fork). Without
//! one, a kill reaches the child's process group, and what left that group outlives it; such a process is adopted by the
//! nearest init. A child itself never outlives its parent, with or without.

use std::{
    fmt,
    path::Path,
    sync::{
        OnceLock,
        mpsc::{RecvTimeoutError, sync_channel},
    },
    time::{Duration, Instant},
};

use crate::{
    Child, ChildId, Command, Event, ExitReason, KillReason, Notice,
    launch::{self, PROBE},
};

/// A namespace that cannot be had is not worth a longer wait.
const TRY_WITHIN: Duration = Duration::from_secs(2);

/// Which namespaces a child gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// A pid namespace with a `/proc` of its own.
    PidProc,
    /// The same inside a user namespace, for those who are not root.
    UserPidProc,
    /// A pid namespace that sees its parent's `/proc`.
    Pid,
    /// The same inside a user namespace.
    UserPid,
    /// None: a process group only.
    None,
}

impl Namespace {
    /// From the best to the least.
    pub const ALL: [Self; 5] = [
        Self::PidProc,
        Self::UserPidProc,
        Self::Pid,
        Self::UserPid,
        Self::None,
    ];

    /// As the launch shim takes it and `doctor` prints it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PidProc => "pid+proc",
            Self::UserPidProc => "user+pid+proc",
            Self::Pid => "pid",
            Self::UserPid => "user+pid",
            Self::None => "none",
        }
    }

    /// Whether grandchildren die with the child whatever they do.
    #[must_use]
    pub fn holds_grandchildren(self) -> bool {
        self != Self::None
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }

    /// What `unshare` is told.
    pub(crate) fn unshare_flags(self) -> &'static [&'static str] {
        match self {
            Self::PidProc => &["--mount-proc"],
            Self::UserPidProc => &["--mount-proc", "--user", "--map-current-user"],
            Self::UserPid => &["--user", "--map-current-user"],
            Self::Pid | Self::None => &[],
        }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What this machine allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isolation {
    /// The best that works.
    pub namespace: Namespace,
    /// The better ones, each with why it does not.
    pub refused: Vec<(Namespace, String)>,
}

/// What this machine allows; tried out once per process (some ten milliseconds), then remembered.
pub fn probe() -> &'static Isolation {
    static FOUND: OnceLock<Isolation> = OnceLock::new();
    FOUND.get_or_init(|| match launch::own_executable() {
        Ok(launcher) => probe_with(&launcher),
        Err(error) => Isolation {
            namespace: Namespace::None,
            refused: vec![(
                Namespace::PidProc,
                format!("this program's own file is unknown: {error}"),
            )],
        },
    })
}

/// The same with another executable that has the `launch` subcommand, and not remembered.
#[must_use]
pub fn probe_with(launcher: &Path) -> Isolation {
    let mut refused = Vec::new();
    for namespace in Namespace::ALL {
        if namespace == Namespace::None {
            break;
        }
        match attempt(launcher, namespace) {
            Ok(()) => return Isolation { namespace, refused },
            Err(why) => refused.push((namespace, why)),
        }
    }
    Isolation {
        namespace: Namespace::None,
        refused,
    }
}

#[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
fn attempt(launcher: &Path, namespace: Namespace) -> Result<(), String> {
    let command = Command::new(launcher)
        .args(["launch", PROBE, namespace.as_str()])
        .namespace(namespace)
        .launcher(launcher);
    let (owner, events) = sync_channel::<Notice>(16);
    let child = Child::spawn(&command, ChildId(0), 1, &owner).map_err(|error| error.to_string())?;
    let deadline = Instant::now() + TRY_WITHIN;
    let mut said = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match events.recv_timeout(left).map(|notice| notice.event) {
            Ok(Event::Exited(ExitReason::Left | ExitReason::Asked)) => return Ok(()),
            Ok(Event::Exited(reason)) if said.is_empty() => return Err(reason.to_string()),
            Ok(Event::Exited(_)) => return Err(said.join("; ")),
            Ok(Event::LogLine(line)) => said.push(line),
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => {
                child.kill(KillReason::NoHello);
                return Err("it did not come up in time".into());
            }
            Err(RecvTimeoutError::Disconnected) => return Err("it left no word".into()),
        }
    }
}
