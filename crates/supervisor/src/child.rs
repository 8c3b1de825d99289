//! One running child: its process, its control channel, and three threads that turn it into events.

use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
    process::{ChildStderr, Command as Shim},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use framerill_worker::{
    Channel, ChannelError,
    message::{FromChild, ToChild},
};

use crate::{
    command::Command,
    exit::{ExitReason, KillReason},
    family::Family,
    flood::{Flood, LeftOut},
    lines::read_lines,
    process::Process,
    spawner,
    usage::{Limits, Overuse},
};

/// A child that has not made room for a message by then does not read.
const SEND_WITHIN: Duration = Duration::from_millis(250);
/// After the exit, what is left in its pipes arrives within this, unless somebody else holds them.
const REST_WITHIN: Duration = Duration::from_millis(75);
/// How often is looked at what a child takes whose limits somebody set.
const LOOKS_EVERY: Duration = Duration::from_millis(500);
/// And while it takes more than half of what it may.
const LOOKS_CLOSELY_EVERY: Duration = Duration::from_millis(100);

/// Which child of its owner; the owner chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChildId(pub u32);

/// What an owner receives.
#[derive(Debug)]
pub struct Notice {
    /// Whose.
    pub child: ChildId,
    /// Which process of that child, counted from 1.
    pub incarnation: u32,
    /// What happened.
    pub event: Event,
}

/// What happens to a running child. `Exited` comes last and once; what the child said before comes before it, but for a
/// log or a channel that a process outside its group still holds.
#[derive(Debug)]
pub enum Event {
    /// It said something.
    Message(FromChild, Vec<OwnedFd>),
    /// A line of its stderr, 16 KiB at most, without its end.
    LogLine(String),
    /// It says more for the log than anybody reads: so much of it was left out before what comes next.
    LogLeftOut(LeftOut),
    /// It took more than its limits allow. Told once.
    Overused(Overuse),
    /// Its end of the control channel is closed; with what it broke, if it broke the protocol.
    ChannelClosed(Option<String>),
    /// The process is gone.
    Exited(ExitReason),
}

/// Why a child could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// No socket pair.
    #[error("cannot make a control channel")]
    Channel(#[source] io::Error),
    /// No process.
    #[error("cannot start the launch shim for `{program}`")]
    Shim {
        /// What was to be started.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// No thread to watch it.
    #[error("cannot start a thread to watch `{program}`")]
    Thread {
        /// What was started, and killed again.
        program: String,
        /// Why not.
        source: io::Error,
    },
}

/// A running child. Dropping it kills the process and does not wait; its threads end with it.
#[derive(Debug)]
pub struct Child {
    channel: Arc<Channel>,
    process: Arc<Process>,
}

impl Child {
    /// Starts `command`. Its events go to `owner`, a bounded channel: while that is full, the child's own writes wait.
    ///
    /// Returns when the shim runs (about a millisecond). A program that cannot be started comes as
    /// [`ExitReason::SpawnFailed`].
    pub fn spawn<M>(
        command: &Command,
        id: ChildId,
        incarnation: u32,
        owner: &SyncSender<M>,
    ) -> Result<Self, SpawnError>
    where
        M: From<Notice> + Send + 'static,
    {
        let program = || command.program().display().to_string();
        let (ours, theirs) = Channel::pair().map_err(SpawnError::Channel)?;
        let shim = command.to_shim(theirs.into());
        let (process, mut started) = shim.and_then(start).map_err(|source| SpawnError::Shim {
            program: program(),
            source,
        })?;
        let stderr = started.stderr.take();
        let child = Self {
            channel: Arc::new(Channel::new(ours)),
            process: Arc::new(process),
        };
        let say = Say {
            id,
            incarnation,
            owner: owner.clone(),
        };
        let limits = command.its_limits();
        let (running, ended) = sync_channel::<()>(0);
        // Dropped by the threads that read when they end.
        let (reading, read) = sync_channel::<()>(0);

        let process = Arc::clone(&child.process);
        let last = say.clone();
        let wait = move || {
            let reason = process.wait(started);
            drop(running);
            // Nothing is ever sent: it ends when both readers have, or not at all.
            read.recv_timeout(REST_WITHIN).unwrap_or(());
            last.say(Event::Exited(reason));
        };
        let (channel, hear, hold) = (Arc::clone(&child.channel), say.clone(), reading.clone());
        let listen = move || {
            listen(&channel, &hear);
            drop(hold);
        };
        let (pid, overused) = (child.pid(), say.clone());
        let log = move || {
            read_log(stderr, &say);
            drop(reading);
        };
        let watch = move || watch(pid, limits, &ended, &overused);
        thread("wait", id, wait)
            .and_then(|()| thread("listen", id, listen))
            .and_then(|()| thread("log", id, log))
            .and_then(|()| match limits.is_any() {
                true => thread("watch", id, watch),
                false => Ok(()),
            })
            .map_err(|source| SpawnError::Thread {
                program: program(),
                source,
            })?;
        Ok(child)
    }

    /// The process that the parent waits for: the program, or the shim around its namespace. It leads the group.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Sends a request. A child that does not read costs a quarter of a second; after an error the channel is of no use.
    pub fn send(&self, message: &ToChild, fds: &[BorrowedFd<'_>]) -> Result<(), ChannelError> {
        if matches!(message, ToChild::Drain { .. } | ToChild::Bye) {
            self.process.ask();
        }
        self.channel.send(message, fds, SEND_WITHIN)
    }

    /// Kills it and everything it started (see [`crate::isolation`]). Does not wait; `Exited` follows.
    pub fn kill(&self, why: KillReason) {
        self.process.kill(why);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.process.kill(KillReason::Dropped);
        self.channel.shutdown();
    }
}

fn start(shim: Shim) -> io::Result<(Process, std::process::Child)> {
    let started = spawner::spawn(shim)?;
    let pid = spawner::pid_of(&started)
        .ok_or_else(|| io::Error::other("the kernel gave a process number out of range"))?;
    Ok((Process::new(pid), started))
}

fn thread(what: &str, id: ChildId, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name(format!("{what} {}", id.0))
        .spawn(run)
        .map(drop)
}

fn listen<M: From<Notice>>(channel: &Channel, say: &Say<M>) {
    let mut log = Log::new(say);
    let why = loop {
        let goes_on = match channel.recv::<FromChild>(None) {
            Ok((message, fds)) => {
                let said = match &message {
                    FromChild::Log { message, .. } => Some(message.len()),
                    _ => None,
                };
                let event = Event::Message(message, fds);
                match said {
                    Some(bytes) => log.line(bytes, event),
                    None => say.say(event),
                }
            }
            Err(ChannelError::Closed) => break None,
            Err(error) => break Some(error.to_string()),
        };
        if !goes_on {
            return;
        }
    };
    log.end();
    say.last(Event::ChannelClosed(why));
}

fn read_log<M: From<Notice>>(stderr: Option<ChildStderr>, say: &Say<M>) {
    if let Some(stderr) = stderr {
        let mut log = Log::new(say);
        read_lines(stderr, |line| log.line(line.len(), Event::LogLine(line)));
        log.end();
    }
}

/// Until it ends, or takes too much.
fn watch<M: From<Notice>>(pid: u32, limits: Limits, ended: &Receiver<()>, say: &Say<M>) {
    let (mut family, mut pause) = (Family::new(pid), LOOKS_EVERY);
    while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let usage = family.usage(&limits);
        if let Some(overuse) = limits.exceeded(&usage) {
            return say.last(Event::Overused(overuse));
        }
        let is_near = limits.is_near(&usage);
        pause = if is_near {
            LOOKS_CLOSELY_EVERY
        } else {
            LOOKS_EVERY
        };
    }
}

/// What is said for the log, as much of it as anybody may read.
struct Log<'a, M> {
    flood: Flood<Event>,
    began: Instant,
    say: &'a Say<M>,
}

impl<'a, M: From<Notice>> Log<'a, M> {
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    fn new(say: &'a Say<M>) -> Self {
        Self {
            flood: Flood::new(),
            began: Instant::now(),
            say,
        }
    }

    /// Whether the owner still listens.
    fn line(&mut self, bytes: usize, line: Event) -> bool {
        let (left_out, line) = self.flood.take(self.began.elapsed(), bytes, line);
        let told = left_out.is_none_or(|it| self.say.say(Event::LogLeftOut(it)));
        told && line.is_none_or(|it| self.say.say(it))
    }

    fn end(self) {
        let (left_out, newest) = self.flood.end();
        let left_out = left_out.map(Event::LogLeftOut);
        for event in left_out.into_iter().chain(newest) {
            self.say.last(event);
        }
    }
}

/// The way to the owner.
struct Say<M> {
    id: ChildId,
    incarnation: u32,
    owner: SyncSender<M>,
}

impl<M: From<Notice>> Say<M> {
    /// Whether the owner still listens.
    fn say(&self, event: Event) -> bool {
        let notice = Notice {
            child: self.id,
            incarnation: self.incarnation,
            event,
        };
        self.owner.send(notice.into()).is_ok()
    }

    fn last(&self, event: Event) {
        self.say(event);
    }
}

impl<M> Clone for Say<M> {
    fn clone(&self) -> Self {
        Self {
            owner: self.owner.clone(),
            ..*self
        }
    }
}
