//! How infer lives: started, watched, restarted within its budget, told to leave. A thread of its own, apart from the
//! event loop.

use std::{
    net::{Ipv4Addr, TcpListener},
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use framerill_supervisor::{Child, ChildId, Command, Event, ExitReason, KillReason, Notice};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::sync::{oneshot, watch};

use super::{
    diagnostics, invocation,
    restarts::Restarts,
    settings::{INTERNAL_PORT, Settings},
};
use crate::{
    deadlines,
    failure::Failure,
    log::{Level, log},
    terminal,
};

const WAITING: usize = 256;
/// The end of infer is known this long after its port and its connections are closed.
pub(super) const SETTLES_WITHIN: Duration = Duration::from_millis(300);

/// Infer as the rest of this process sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Infer {
    /// Which process, counted from 1.
    pub(super) incarnation: u32,
    /// Where it listens, or will soon; none while there is no process.
    pub(super) port: Option<u16>,
    /// It has answered since it was started.
    pub(super) has_answered: bool,
    /// Restarts so far.
    pub(super) restarts: u64,
}

impl Infer {
    /// Whether whoever asks about it has to wait: it starts, or is about to be started.
    pub(super) fn is_coming(self) -> bool {
        self.port.is_none() || !self.has_answered
    }
}

/// How it ended for good.
#[derive(Debug)]
pub(super) enum Ended {
    /// It was told to leave.
    Stopped,
    /// It cannot be had, or ended too often.
    Failed(Failure),
}

enum Incoming {
    Child(Notice),
    Answered(u32),
    /// It has not answered for too long.
    Silent(u32),
    /// Look whether infer is to leave.
    Stop,
}

impl From<Notice> for Incoming {
    fn from(notice: Notice) -> Self {
        Self::Child(notice)
    }
}

/// The thread that keeps infer.
pub(super) struct Keeper {
    inbox: SyncSender<Incoming>,
    is_to_stop: Arc<AtomicBool>,
}

/// What the keeper tells.
pub(super) struct News {
    pub(super) infer: watch::Receiver<Infer>,
    pub(super) ended: oneshot::Receiver<Ended>,
}

impl Keeper {
    /// Starts infer, and keeps it from now on. Infer dies with this process, however that ends.
    pub(super) fn start(settings: &Settings) -> Result<(Self, News), Failure> {
        let cannot = |error: std::io::Error| {
            Failure::cannot_start("thread", format!("cannot start a thread: {error}"))
        };
        check_port(settings.internal_port)?;
        let command = invocation::of_infer(settings)?;
        let (inbox, messages) = sync_channel(WAITING);
        let (tell, infer) = watch::channel(Infer {
            incarnation: 0,
            port: None,
            has_answered: false,
            restarts: 0,
        });
        let (tell_end, ended) = oneshot::channel();
        let is_to_stop = Arc::<AtomicBool>::default();
        let mut watch = Watch {
            command,
            internal_port: settings.internal_port,
            owner: inbox.clone(),
            is_to_stop: Arc::clone(&is_to_stop),
            messages,
            tell,
            restarts: Restarts::default(),
            began: now(),
            last_words: None,
        };
        thread::Builder::new()
            .name("keeper".into())
            .spawn(move || {
                let ended = watch.run();
                // Nobody waits for it any more.
                tell_end.send(ended).ok();
            })
            .map_err(cannot)?;
        Ok((Self { inbox, is_to_stop }, News { infer, ended }))
    }

    /// This process of infer has answered. Whether that was taken in.
    pub(super) fn answered(&self, incarnation: u32) -> bool {
        self.inbox.try_send(Incoming::Answered(incarnation)).is_ok()
    }

    /// This process of infer answers nothing any more: it is ended, and another one started as after any other end.
    pub(super) fn silent(&self, incarnation: u32) {
        // A keeper that has much to do is told again.
        self.inbox.try_send(Incoming::Silent(incarnation)).ok();
    }

    /// Has infer leave.
    pub(super) fn stop(&self) {
        self.is_to_stop.store(true, Ordering::Release);
        // The keeper looks as soon as something comes: when its inbox is full, that is what is there already.
        self.inbox.try_send(Incoming::Stop).ok();
    }
}

/// Somebody else's answers shall not be taken for infer's.
fn check_port(port: u16) -> Result<(), Failure> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) => {
            let text = format!("infer cannot listen on 127.0.0.1:{port}: {error}");
            Err(Failure::cannot_start("internal_port", text).hint(format!(
                "name another port with `{}`; 0 is any free one",
                INTERNAL_PORT.flag
            )))
        }
    }
}

/// The loop's own things.
struct Watch {
    /// Of infer, its port apart.
    command: Command,
    internal_port: u16,
    owner: SyncSender<Incoming>,
    is_to_stop: Arc<AtomicBool>,
    messages: Receiver<Incoming>,
    tell: watch::Sender<Infer>,
    restarts: Restarts,
    began: Instant,
    /// What infer gave last as the reason of its end.
    last_words: Option<String>,
}

/// How one process of infer ended.
enum End {
    Exited(ExitReason),
    Stopped,
}

impl Watch {
    fn run(&mut self) -> Ended {
        for incarnation in 1.. {
            let end = match self.spawn(incarnation) {
                Ok(child) => self.watch(&child, incarnation),
                Err(what) => End::Exited(ExitReason::SpawnFailed { what }),
            };
            let reason = match end {
                End::Stopped => return Ended::Stopped,
                End::Exited(reason) => reason,
            };
            self.tell.send_modify(|it| {
                it.port = None;
                it.has_answered = false;
            });
            if let Some(failure) = refused(&reason, incarnation, self.last_words.take()) {
                return Ended::Failed(failure);
            }
            diagnostics::tell("infer ended");
            let since = now().saturating_duration_since(self.began);
            let Some(pause) = self.restarts.ended(since) else {
                return Ended::Failed(gave_up(&reason, self.restarts.total()));
            };
            let total = self.restarts.total();
            log(
                Level::Error,
                format_args!(
                    "infer ended: {}; restart {total} in {} ms",
                    Told(&reason),
                    pause.as_millis()
                ),
            );
            self.tell.send_modify(|it| it.restarts = total);
            if self.is_stopped_within(pause) {
                return Ended::Stopped;
            }
        }
        Ended::Stopped
    }

    fn spawn(&mut self, incarnation: u32) -> Result<Child, String> {
        let port = match self.internal_port {
            0 => free_port().map_err(|error| format!("no port is free: {error}"))?,
            port => port,
        };
        let command = self.command.clone();
        let command = command.args(["--internal-port", &port.to_string()]);
        let child = Child::spawn(&command, ChildId(0), incarnation, &self.owner)
            .map_err(|error| error.to_string())?;
        self.tell.send_modify(|it| {
            it.incarnation = incarnation;
            it.port = Some(port);
            it.has_answered = false;
        });
        Ok(child)
    }

    /// Until it is gone.
    fn watch(&mut self, child: &Child, incarnation: u32) -> End {
        let mut handle = open(child);
        let mut kill_at: Option<Instant> = None;
        loop {
            if kill_at.is_none() && self.is_to_stop() {
                kill_at = Some(now() + deadlines::KEEPER);
                if !terminate(handle.take()) {
                    child.kill(KillReason::StopTime);
                }
            }
            let message = match kill_at {
                None => self.messages.recv().ok(),
                Some(at) => match self
                    .messages
                    .recv_timeout(at.saturating_duration_since(now()))
                {
                    Ok(message) => Some(message),
                    Err(RecvTimeoutError::Timeout) => {
                        child.kill(KillReason::StopTime);
                        // Its exit follows, or the kernel has hung.
                        kill_at = Some(now() + deadlines::KEEPER);
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => None,
                },
            };
            match message {
                None => return End::Stopped,
                Some(Incoming::Answered(which)) if which == incarnation => self.answered(),
                Some(Incoming::Silent(which)) if which == incarnation => {
                    child.kill(KillReason::NoHeartbeat);
                }
                Some(Incoming::Stop | Incoming::Answered(_) | Incoming::Silent(_)) => {}
                // A former one's last lines, too.
                Some(Incoming::Child(Notice {
                    event: Event::LogLine(line),
                    ..
                })) => {
                    self.last_words = line
                        .strip_prefix("framerill: ")
                        .map(str::to_owned)
                        .or(self.last_words.take());
                    terminal::tell(line);
                }
                Some(Incoming::Child(Notice {
                    event: Event::LogLeftOut(it),
                    ..
                })) => terminal::tell(it),
                Some(Incoming::Child(notice)) if notice.incarnation == incarnation => {
                    match notice.event {
                        Event::Exited(_) if kill_at.is_some() => return End::Stopped,
                        Event::Exited(reason) => return End::Exited(reason),
                        // It has no use for its channel but the channel's end.
                        _ => {}
                    }
                }
                Some(Incoming::Child(_)) => {}
            }
        }
    }

    fn answered(&mut self) {
        self.restarts
            .answered(now().saturating_duration_since(self.began));
        self.tell.send_modify(|it| it.has_answered = true);
    }

    fn is_to_stop(&self) -> bool {
        self.is_to_stop.load(Ordering::Acquire)
    }

    fn is_stopped_within(&self, pause: Duration) -> bool {
        let until = now() + pause;
        loop {
            if self.is_to_stop() {
                return true;
            }
            match self
                .messages
                .recv_timeout(until.saturating_duration_since(now()))
            {
                Err(RecvTimeoutError::Disconnected) => return true,
                Ok(Incoming::Child(Notice {
                    event: Event::LogLine(line),
                    ..
                })) => terminal::tell(line),
                Ok(Incoming::Child(Notice {
                    event: Event::LogLeftOut(it),
                    ..
                })) => terminal::tell(it),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }
}

/// How infer ended. It speaks no child protocol, so code 2 is the one of every command: it was told wrongly.
struct Told<'a>(&'a ExitReason);

impl std::fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            ExitReason::Protocol => f.write_str("it was told wrongly (code 2)"),
            reason => reason.fmt(f),
        }
    }
}

/// A first start that can only fail again: infer says by its exit code that it was told wrongly, or cannot start. It may
/// have answered before it knew, for instance that nobody knows the pipeline.
fn refused(reason: &ExitReason, incarnation: u32, said: Option<String>) -> Option<Failure> {
    if incarnation != 1 {
        return None;
    }
    let text = match said {
        Some(said) => format!("infer does not start: {said}"),
        None => format!("infer does not start: {}", Told(reason)),
    };
    match reason {
        ExitReason::Protocol => Some(Failure::usage("infer_refused", text)),
        ExitReason::Failed { code: 3 } => Some(Failure::cannot_start("infer_cannot_start", text)),
        ExitReason::SpawnFailed { .. } => Some(Failure::cannot_start("infer_missing", text)),
        _ => None,
    }
}

fn gave_up(reason: &ExitReason, restarts: u64) -> Failure {
    let text = format!(
        "infer ended again after {restarts} restarts: {}",
        Told(reason)
    );
    Failure::failed("infer_restarts", text).or_hint("no restart is left; its own lines say why")
}

/// The process, whatever becomes of its number.
fn open(child: &Child) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(child.pid()).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

fn terminate(handle: Option<OwnedFd>) -> bool {
    handle.is_some_and(|it| pidfd_send_signal(it, Signal::TERM).is_ok())
}

fn free_port() -> std::io::Result<u16> {
    let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(any.local_addr()?.port())
}

#[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
fn now() -> Instant {
    Instant::now()
}
