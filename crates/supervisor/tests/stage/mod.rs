//! What the tests with real processes share.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

pub(crate) mod tree;

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::mpsc::{Receiver, sync_channel},
    time::{Duration, Instant},
};

use framerill_supervisor::{
    Child, ChildId, Command, Event, ExitReason, Notice, isolation::Namespace,
};
use framerill_worker::message::FromChild;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
};

pub(crate) const CHILD: &str = env!("CARGO_BIN_EXE_framerill-test-child");
/// Far beyond what anything here takes; a test that waits this long has failed.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The test program in this role.
pub(crate) fn command(role: &[&str]) -> Command {
    Command::new(CHILD).args(role).launcher(CHILD)
}

/// The namespaces that this machine allows, `None` among them.
pub(crate) fn namespaces() -> Vec<Namespace> {
    let allowed: Vec<_> = Namespace::ALL
        .into_iter()
        .filter(|namespace| {
            let probe = command(&["launch", "--probe", namespace.as_str()]);
            Running::start(&probe.namespace(*namespace)).exit() == ExitReason::Left
        })
        .collect();
    eprintln!("namespaces here: {allowed:?}");
    assert!(allowed.contains(&Namespace::None));
    allowed
}

pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) notices: Receiver<Notice>,
}

impl Running {
    pub(crate) fn start(command: &Command) -> Self {
        let (owner, notices) = sync_channel(64);
        let child = Child::spawn(command, ChildId(1), 1, &owner).unwrap();
        Self { child, notices }
    }

    /// Everything that happens up to the exit, and the exit.
    pub(crate) fn to_end(&self) -> (Vec<Event>, ExitReason) {
        let mut events = Vec::new();
        loop {
            match self.notices.recv_timeout(SOON).unwrap().event {
                Event::Exited(reason) => return (events, reason),
                event => events.push(event),
            }
        }
    }

    pub(crate) fn exit(&self) -> ExitReason {
        self.to_end().1
    }

    pub(crate) fn until_message(&self, wanted: impl Fn(&FromChild) -> bool) {
        loop {
            match self.notices.recv_timeout(SOON).unwrap().event {
                Event::Message(message, _) if wanted(&message) => return,
                Event::Exited(reason) => panic!("it {reason}"),
                _ => {}
            }
        }
    }

    /// The `tree` role, when all of it runs.
    pub(crate) fn tree(namespace: Namespace) -> Self {
        let this = Self::start(&command(&["tree"]).namespace(namespace));
        this.until_message(|message| matches!(message, FromChild::Log { .. }));
        this
    }
}

/// Processes that are to end.
pub(crate) struct Doomed(Vec<(u32, OwnedFd)>);

impl Doomed {
    /// `root` and all that descend from it.
    pub(crate) fn below(root: u32) -> Self {
        Self::of([root].into_iter().chain(tree::descendants(root)))
    }

    /// A process that has ended already is left out.
    pub(crate) fn of(pids: impl IntoIterator<Item = u32>) -> Self {
        let open = |pid| Some((pid, pidfd_open(pid_of(pid), PidfdFlags::empty()).ok()?));
        Self(pids.into_iter().filter_map(open).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those that are still there after `within`.
    #[expect(clippy::disallowed_methods, reason = "real processes, real time")]
    pub(crate) fn survivors(&self, within: Duration) -> Vec<u32> {
        let deadline = Instant::now() + within;
        let is_there = |fd: &OwnedFd| {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).unwrap();
            poll(
                &mut [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)],
                Some(&left),
            )
            .unwrap()
                == 0
        };
        let there = self.0.iter().filter(|(_, fd)| is_there(fd));
        there.map(|(pid, _)| *pid).collect()
    }
}

pub(crate) fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}

pub(crate) fn kill(pid: u32) {
    kill_process(pid_of(pid), Signal::KILL).unwrap();
}
