//! The child with the models, as the command sees it: one picture at a time.

use std::{
    fs::File,
    os::fd::AsFd,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use framerill_supervisor::{
    ChildId, Command, Config, Notice, Supervised, Update, lifecycle::Event,
};
use framerill_worker::{Channel, message::ToChild};

use super::{Look, Seen, process::Setup};
use crate::{exit::Exit, failure::Failure};

/// Its messages wait here.
const WAITING: usize = 64;
/// The longest wait before deadlines are looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
const SEND_WITHIN: Duration = Duration::from_secs(5);
/// A picture that takes longer is given up, and the process with it.
const PICTURE_WITHIN: Duration = Duration::from_secs(60);
const LOAD_WITHIN: Duration = Duration::from_secs(120);
/// Where memory runs out, it goes first.
const OOM_RAISE: u16 = 600;

/// What comes to the loop of a reader.
#[derive(Debug)]
pub(super) enum Incoming {
    Child(Notice),
    /// What the link of a process said.
    Seen(ChildId, Seen),
    /// It ended.
    Ended(ChildId),
    Signal(Exit),
}

impl From<Notice> for Incoming {
    fn from(notice: Notice) -> Self {
        Self::Child(notice)
    }
}

/// Why there are no plates.
#[derive(Debug)]
pub(super) enum NotRead {
    /// This picture could not be read. The next one may.
    Failed(String),
    /// Nothing can be read.
    CannotStart(Failure),
    /// Someone wants an end.
    Stopped(Exit),
}

/// A process with models, or none yet.
pub(super) struct Reader {
    models: PathBuf,
    owner: SyncSender<Incoming>,
    incoming: Receiver<Incoming>,
    process: Option<Process>,
    /// Processes so far: what an earlier one says is not heard.
    started: u32,
}

struct Process {
    id: ChildId,
    child: Supervised<Incoming>,
    link: Option<Arc<Channel>>,
}

impl Reader {
    /// Starts nothing yet. Whoever hears of signals tells the sender.
    pub(super) fn new(models: PathBuf) -> (Self, SyncSender<Incoming>) {
        let (owner, incoming) = sync_channel(WAITING);
        let reader = Self {
            models,
            owner: owner.clone(),
            incoming,
            process: None,
            started: 0,
        };
        (reader, owner)
    }

    /// Has the models loaded, unless they are.
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    pub(super) fn ready(&mut self) -> Result<(), NotRead> {
        let until = Instant::now() + LOAD_WITHIN;
        while self.process.as_ref().is_none_or(|it| it.link.is_none()) {
            if self.process.is_none() {
                self.start()?;
            }
            match self.next(until) {
                // Of a process before this one.
                Ok(_) => {}
                Err(NotRead::Failed(why)) => {
                    let failure = Failure::cannot_start("load_failed", why);
                    return Err(NotRead::CannotStart(failure));
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    /// The plates of a picture.
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    pub(super) fn read(&mut self, look: Look, pixels: &File) -> Result<Seen, NotRead> {
        self.ready()?;
        let link = self.process.as_ref().and_then(|it| it.link.clone());
        let sent = link.map(|it| it.send(&look, &[pixels.as_fd()], SEND_WITHIN));
        if !matches!(sent, Some(Ok(()))) {
            self.process = None;
            return Err(NotRead::Failed("the reading process takes nothing".into()));
        }
        let until = Instant::now() + PICTURE_WITHIN;
        loop {
            if let Some(seen) = self.next(until)? {
                return Ok(seen);
            }
        }
    }

    fn start(&mut self) -> Result<(), NotRead> {
        let program = crate::program::this().map_err(NotRead::CannotStart)?;
        let command = Command::new(program)
            .arg("plates-images")
            .oom_raise(OOM_RAISE);
        // A picture that killed it is not given to the next one.
        let config = Config {
            max_restarts: 0,
            ..Config::default()
        };
        self.started += 1;
        let id = ChildId(self.started);
        let child = Supervised::start(config, command, id, self.owner.clone());
        self.process = Some(Process {
            id,
            child,
            link: None,
        });
        self.updates()
    }

    /// The next word of the link, if what came is one. A process that is gone is an error, and forgotten.
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    fn next(&mut self, until: Instant) -> Result<Option<Seen>, NotRead> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.process = None;
            return Err(NotRead::Failed("it took too long".into()));
        }
        let incoming = self.incoming.recv_timeout(left.min(LOOK_AGAIN));
        let mut seen = None;
        match incoming {
            Ok(Incoming::Child(notice)) => {
                let process = self.process.as_mut();
                if let Some(process) = process.filter(|it| it.id == notice.child) {
                    process.child.handle(notice);
                }
            }
            Ok(Incoming::Seen(id, said)) => {
                let is_its_own = self.process.as_ref().is_some_and(|it| it.id == id);
                seen = is_its_own.then_some(said);
            }
            Ok(Incoming::Ended(id)) => {
                let process = self.process.as_mut();
                if let Some(process) = process.filter(|it| it.id == id) {
                    process.child.violated("its link ended".into());
                }
            }
            Ok(Incoming::Signal(exit)) => return Err(NotRead::Stopped(exit)),
            Err(RecvTimeoutError::Timeout) => {
                if let Some(process) = &mut self.process {
                    process.child.on_deadline();
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(NotRead::Failed("its channel closed".into()));
            }
        }
        self.updates()?;
        Ok(seen)
    }

    fn updates(&mut self) -> Result<(), NotRead> {
        while let Some(process) = &mut self.process
            && let Some(update) = process.child.next_update()
        {
            match update {
                Update::Load { id } => {
                    let setup = Setup {
                        models: self.models.clone(),
                    };
                    let params = match serde_json::to_value(setup) {
                        Ok(serde_json::Value::Object(params)) => params,
                        _ => serde_json::Map::new(),
                    };
                    let load = ToChild::Load {
                        id,
                        pipeline: None,
                        params,
                        base: None,
                        media: None,
                        fds: 0,
                    };
                    process.child.post(&load, &[]);
                }
                Update::Lifecycle(Event::Ready { incarnation, .. }) => {
                    if let Err(what) = process.attach(incarnation, &self.owner) {
                        process.child.violated(what);
                    }
                }
                Update::Lifecycle(Event::Failed { reason }) => {
                    self.process = None;
                    let missing = reason.fault.as_ref().filter(|it| it.is_of_load());
                    return Err(match missing {
                        Some(fault) => NotRead::CannotStart(Failure::cannot_start(
                            "models",
                            fault.message.clone(),
                        )),
                        None => NotRead::Failed(format!("the reading process is gone: {reason}")),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Process {
    fn attach(&mut self, incarnation: u32, owner: &SyncSender<Incoming>) -> Result<(), String> {
        let broken = |error: std::io::Error| error.to_string();
        let (ours, its) = Channel::pair().map_err(broken)?;
        let link = Arc::new(Channel::of_link(ours));
        let (hears, owner, id) = (Arc::clone(&link), owner.clone(), self.id);
        let hear = move || {
            while let Ok((seen, _)) = hears.recv::<Seen>(None) {
                if owner.send(Incoming::Seen(id, seen)).is_err() {
                    return;
                }
            }
            // Nobody may be there any more.
            drop(owner.send(Incoming::Ended(id)));
        };
        let thread = thread::Builder::new().name("pictures-link".into());
        thread.spawn(hear).map_err(broken)?;
        let attach = ToChild::attach(self.child.request_id(), "pictures", incarnation, 1);
        self.child.post(&attach, &[its.as_fd()]);
        self.link = Some(link);
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(link) = &self.link {
            link.shutdown();
        }
    }
}
