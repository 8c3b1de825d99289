//! The child's side of the control socket: hello, heartbeats, requests in, answers out.
//!
//! A driver: [`Session`] decides which request is in order, a [`Handler`] does it.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU8, AtomicU64, Ordering},
        mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use crate::{
    channel::{Channel, ChannelError},
    message::{ErrorReport, FromChild, Level, PROTOCOL, Role, ToChild},
    session::{Session, Verdict},
};

const HEARTBEAT: Duration = Duration::from_secs(1);
/// A parent that reads nothing for this long is as good as gone.
const SEND_WITHIN: Duration = Duration::from_secs(5);
/// Exit code after an error that was reported as fatal.
const FAILED: u8 = 1;
/// Exit code after the protocol was broken.
const BROKEN: u8 = 2;

/// What a role does with requests that are in order.
pub trait Handler {
    /// Does `request` and answers it over `parent`. Errors of the request are answers, too.
    fn handle(&mut self, request: ToChild, fds: Vec<OwnedFd>, parent: &Parent) -> Handled;
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// It is answered, or will be.
    Done,
    /// The `load` failed and was answered so.
    LoadFailed,
    /// The child has nothing left to do.
    Leave,
}

/// The parent, as a child's threads see it.
#[derive(Clone, Debug)]
pub struct Parent(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    channel: Channel,
    exit: AtomicU8,
    busy: Mutex<Option<String>>,
    /// Heartbeats so far.
    beats: AtomicU64,
}

impl Parent {
    /// Sends a message. A parent that does not take it is gone; the child leaves then.
    pub fn say(&self, message: &FromChild) {
        if self.0.channel.send(message, &[], SEND_WITHIN).is_err() {
            self.0.channel.shutdown();
        }
    }

    /// Answers a `load` that described nothing.
    pub fn ready(&self, id: u64) {
        self.say(&FromChild::Ready {
            id,
            description: None,
            source: None,
        });
    }

    /// Answers an `attach`: the stream is attached, or why it is not.
    pub fn attached(
        &self,
        id: u64,
        stream: String,
        incarnation: u32,
        outcome: Result<(), impl Into<String>>,
    ) {
        self.say(&match outcome {
            Ok(()) => FromChild::Attached {
                id,
                stream,
                incarnation,
            },
            Err(what) => FromChild::Error(ErrorReport::of_request(id, "link", what)),
        });
    }

    /// A line for the log.
    pub fn log(&self, level: Level, message: impl Into<String>) {
        self.say(&FromChild::Log {
            level,
            message: message.into(),
        });
    }

    /// Reports a failure. When it is fatal the child ends with exit code 1.
    pub fn fail(&self, report: ErrorReport) {
        let fatal = report.fatal;
        self.say(&FromChild::Error(report));
        if fatal {
            self.leave(FAILED);
        }
    }

    /// Ends the child with this exit code: the request loop stops.
    pub fn leave(&self, code: u8) {
        self.0.exit.store(code, Ordering::SeqCst);
        self.0.channel.shutdown();
    }

    /// Declares long work, or that it is over: a heartbeat says so at once.
    pub fn set_busy(&self, what: Option<&str>) {
        *self.busy() = what.map(str::to_owned);
        self.heartbeat();
    }

    fn busy(&self) -> MutexGuard<'_, Option<String>> {
        let busy = self.0.busy.lock();
        busy.unwrap_or_else(|poison| poison.into_inner())
    }

    fn heartbeat(&self) {
        // Held while it is said: of two heartbeats the later one is how things are.
        let busy = self.busy();
        self.say(&FromChild::Heartbeat {
            seq: self.0.beats.fetch_add(1, Ordering::Relaxed),
            busy: busy.clone(),
        });
    }
}

/// Takes the control socket from descriptor 0 and leaves `/dev/null` there; stdout joins stderr.
pub fn take_control_socket() -> io::Result<UnixStream> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(null.as_fd())?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    Ok(UnixStream::from(socket))
}

/// Speaks the protocol over `socket` until the parent or the handler ends it. Returns the exit code.
///
/// `handler` gets the way to the parent before the first request.
pub fn run<H: Handler>(
    socket: UnixStream,
    role: Role,
    name: &str,
    handler: impl FnOnce(&Parent) -> H,
) -> u8 {
    let parent = Parent(Arc::new(Shared {
        channel: Channel::of_child(socket),
        exit: AtomicU8::new(0),
        busy: Mutex::new(None),
        beats: AtomicU64::new(0),
    }));
    parent.say(&FromChild::Hello {
        protocol: PROTOCOL,
        role,
        name: name.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        language: "rust".into(),
        pid: std::process::id(),
    });
    let (stop, stopped) = sync_channel::<()>(1);
    let beating = beat(parent.clone(), stopped);
    let mut handler = handler(&parent);
    serve(&parent, &mut handler);
    stop_beating(stop, beating);
    parent.0.exit.load(Ordering::SeqCst)
}

fn serve(parent: &Parent, handler: &mut impl Handler) {
    let mut session = Session::default();
    loop {
        let (value, fds) = match parent.0.channel.recv_value(None) {
            Ok(received) => received,
            Err(ChannelError::Protocol(what)) => {
                parent.say(&FromChild::Error(ErrorReport::fatal("protocol", what)));
                return parent.leave(BROKEN);
            }
            Err(_) => return,
        };
        match session.accept(value) {
            Verdict::Say(answer) => parent.say(&answer),
            Verdict::Leave => return,
            Verdict::Do(request) => match handler.handle(request, fds, parent) {
                Handled::Done => {}
                Handled::LoadFailed => session.load_failed(),
                Handled::Leave => return,
            },
        }
    }
}

fn beat(parent: Parent, stopped: std::sync::mpsc::Receiver<()>) -> Option<thread::JoinHandle<()>> {
    let beats = move || {
        loop {
            parent.heartbeat();
            if stopped.recv_timeout(HEARTBEAT) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    };
    // Without this thread the parent ends the child after its heartbeat deadline, which says what happened.
    thread::Builder::new()
        .name("heartbeat".into())
        .spawn(beats)
        .ok()
}

fn stop_beating(stop: SyncSender<()>, beating: Option<thread::JoinHandle<()>>) {
    drop(stop);
    if let Some(beating) = beating {
        // A heartbeat thread that panicked has nothing left to tell.
        drop(beating.join());
    }
}

impl ErrorReport {
    /// A failure that ends the child.
    #[must_use]
    pub fn fatal(code: &str, message: impl Into<String>) -> Self {
        Self {
            id: None,
            code: code.into(),
            message: message.into(),
            hint: None,
            problems: Vec::new(),
            traceback: None,
            fatal: true,
        }
    }

    /// A request that failed; the child goes on.
    #[must_use]
    pub fn of_request(id: u64, code: &str, message: impl Into<String>) -> Self {
        Self {
            id: Some(id),
            fatal: false,
            ..Self::fatal(code, message)
        }
    }

    /// The same, with what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_work_and_its_end_are_told_at_once() {
        let (ours, its) = Channel::pair().unwrap();
        let parent = Parent(Arc::new(Shared {
            channel: Channel::of_child(its),
            exit: AtomicU8::new(0),
            busy: Mutex::new(None),
            beats: AtomicU64::new(0),
        }));
        let ours = Channel::new(ours);
        for (seq, what) in [(0, Some("load")), (1, None)] {
            parent.set_busy(what);
            let (said, _) = ours.recv::<FromChild>(Some(HEARTBEAT)).unwrap();
            let busy = what.map(str::to_owned);
            assert_eq!(said, FromChild::Heartbeat { seq, busy });
        }
    }
}
