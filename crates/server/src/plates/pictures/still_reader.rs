//! A worker that reads all plates of pictures, as whoever has an [`Album`] sees it: one picture at a time.

use std::{
    os::fd::AsFd,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use framerill_plates::{
    category::{Category, Class},
    detection::{Plate, Reading},
    link::{Done, FromWorker, ToWorker, WorkLink, WorkLinkError},
    models::Choice,
    task::{FrameSlot, Output, Payload, Task, TaskId},
    worker::{STILL, Setup},
};
use framerill_supervisor::{
    ChildId, Command, Config, Notice, Supervised, Update,
    lifecycle::{Event, Reason},
};
use framerill_worker::message::ToChild;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::album::{Album, Picture};
use crate::{exit::Exit, failure::Failure, plates::work_link};

/// Its messages wait here.
const WAITING: usize = 64;
/// The longest wait before deadlines are looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// A look that waits for nothing.
const AT_ONCE: Duration = Duration::from_millis(5);
/// A picture that takes longer is given up, and the process with it.
const PICTURE_WITHIN: Duration = Duration::from_secs(60);
const LOAD_WITHIN: Duration = Duration::from_secs(120);
const LEAVE_WITHIN: Duration = Duration::from_secs(5);
/// Where memory runs out, it goes first.
const OOM_RAISE: u16 = 600;
/// Bytes of models and of what they work with.
const MEMORY: u64 = 4 << 30;

/// What comes to the loop of a reader.
#[derive(Debug)]
pub(in crate::plates) enum Incoming {
    Child(Notice),
    /// What the work link of a process said; none: it ended.
    Said(ChildId, Option<FromWorker>),
    Signal(Exit),
}

impl From<Notice> for Incoming {
    fn from(notice: Notice) -> Self {
        Self::Child(notice)
    }
}

/// Why there are no plates.
#[derive(Debug)]
pub(in crate::plates) enum NotRead {
    /// This picture could not be read. The next one may.
    Failed(Failure),
    /// Nothing can be read.
    CannotStart(Failure),
    /// Someone wants an end.
    Stopped(Exit),
}

impl From<NotRead> for Failure {
    fn from(it: NotRead) -> Self {
        match it {
            NotRead::Failed(failure) | NotRead::CannotStart(failure) => failure,
            NotRead::Stopped(exit) => Self {
                exit,
                ..Self::failed("interrupted", "stopped before the last picture")
            },
        }
    }
}

/// What is on a picture.
#[derive(Debug, Deserialize)]
pub(in crate::plates) struct Seen {
    pub(in crate::plates) plates: Vec<SeenPlate>,
    /// With a measurement: CPU time of the picture, and of the same inferences by themselves.
    #[serde(default)]
    pub(in crate::plates) stage_ns: u64,
    #[serde(default)]
    pub(in crate::plates) bare_ns: u64,
    #[serde(default)]
    pub(in crate::plates) inferences: u64,
}

/// A plate and what is on it.
#[derive(Debug, Deserialize)]
pub(in crate::plates) struct SeenPlate {
    pub(in crate::plates) plate: Plate,
    pub(in crate::plates) reading: Reading,
}

/// A process with models, or none yet.
pub(in crate::plates) struct StillReader {
    models: PathBuf,
    choice: Choice,
    owner: SyncSender<Incoming>,
    incoming: Receiver<Incoming>,
    process: Option<Process>,
    /// Processes so far: what an earlier one says is not heard.
    started: u32,
}

struct Process {
    id: ChildId,
    child: Supervised<Incoming>,
    link: Option<Arc<WorkLink>>,
    /// It has its models and asked for work.
    is_idle: bool,
    /// The pool that it was lent.
    lent: Option<u32>,
}

impl StillReader {
    /// Starts nothing yet. Whoever hears of signals tells the sender.
    pub(in crate::plates) fn new(models: PathBuf, choice: Choice) -> (Self, SyncSender<Incoming>) {
        let (owner, incoming) = sync_channel(WAITING);
        let reader = Self {
            models,
            choice,
            owner: owner.clone(),
            incoming,
            process: None,
            started: 0,
        };
        (reader, owner)
    }

    /// Has the models loaded, unless they are.
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    pub(in crate::plates) fn ready(&mut self) -> Result<(), NotRead> {
        let until = Instant::now() + LOAD_WITHIN;
        while self.process.as_ref().is_none_or(|it| !it.is_idle) {
            if self.process.is_none() {
                self.start()?;
            }
            match self.next(until) {
                Ok(_) => {}
                Err(NotRead::Failed(failure)) => {
                    let failure = Failure::cannot_start("load_failed", failure.message);
                    return Err(NotRead::CannotStart(failure));
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    /// The process that reads, while there is one.
    pub(in crate::plates) fn pid(&self) -> Option<u32> {
        self.process.as_ref()?.child.pid()
    }

    /// Takes in what came while nothing was read; how to end, if someone wants an end.
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    pub(in crate::plates) fn look(&mut self) -> Option<Exit> {
        match self.next(Instant::now() + AT_ONCE) {
            Err(NotRead::Stopped(exit)) => Some(exit),
            // Another process takes the place of one that died.
            _ => None,
        }
    }

    /// The plates of a picture of the album. With `measures` also what it took.
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    pub(in crate::plates) fn read(
        &mut self,
        album: &Album,
        picture: Picture,
        measures: bool,
    ) -> Result<Seen, NotRead> {
        self.ready()?;
        let process = self.process.as_mut();
        if let Err(what) = process.map_or(Ok(()), |it| it.give(album, picture, measures)) {
            self.process = None;
            return Err(lost(format!("the reading process takes nothing: {what}")));
        }
        let until = Instant::now() + PICTURE_WITHIN;
        loop {
            if let Some(done) = self.next(until)? {
                return seen(done);
            }
        }
    }

    /// Has the process leave, and waits for it.
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    pub(in crate::plates) fn close(mut self) {
        if let Some(process) = &mut self.process {
            process.child.stop(LEAVE_WITHIN);
        }
        let until = Instant::now() + 2 * LEAVE_WITHIN;
        let is_there = |it: &Process| !it.child.state().is_terminal();
        while self.process.as_ref().is_some_and(is_there) && self.next(until).is_ok() {}
    }

    fn start(&mut self) -> Result<(), NotRead> {
        let program = crate::program::this().map_err(NotRead::CannotStart)?;
        let command = Command::new(program)
            .args(["plates-worker", "gpu", "0"])
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
            is_idle: false,
            lent: None,
        });
        self.updates()
    }

    /// What came of work, if that is what comes next. A process that is gone is an error, and forgotten.
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    fn next(&mut self, until: Instant) -> Result<Option<Done>, NotRead> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.process = None;
            return Err(lost("it took too long".into()));
        }
        let mut came = None;
        match self.incoming.recv_timeout(left.min(LOOK_AGAIN)) {
            Ok(Incoming::Child(notice)) => {
                let process = self.process.as_mut();
                if let Some(process) = process.filter(|it| it.id == notice.child) {
                    process.child.handle(notice);
                }
            }
            Ok(Incoming::Said(id, said)) => {
                let process = self.process.as_mut();
                if let Some(process) = process.filter(|it| it.id == id) {
                    came = process.said(said)?;
                }
            }
            Ok(Incoming::Signal(exit)) => return Err(NotRead::Stopped(exit)),
            Err(RecvTimeoutError::Timeout) => {
                if let Some(process) = &mut self.process {
                    process.child.on_deadline();
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(lost("its channel closed".into()));
            }
        }
        self.updates()?;
        Ok(came)
    }

    fn updates(&mut self) -> Result<(), NotRead> {
        while let Some(process) = &mut self.process
            && let Some(update) = process.child.next_update()
        {
            match update {
                Update::Load { id } => process.load(id, self.models.clone(), self.choice.clone()),
                Update::Lifecycle(Event::Ready { incarnation, .. }) => {
                    if let Err(what) = process.attach(incarnation, &self.owner) {
                        process.child.violated(what);
                    }
                }
                Update::Lifecycle(Event::Failed { reason }) => {
                    self.process = None;
                    return Err(gone(&reason));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Process {
    fn load(&mut self, id: u64, models: PathBuf, choice: Choice) {
        let setup = Setup {
            class: Class::Gpu,
            load_first: vec![STILL.to_owned()],
            batch: 1,
            memory: MEMORY,
            models: Some(models),
            choice,
            database: String::new(),
            plate_key: None,
            plate_list: None,
            denoise_save: None,
            work_dir: std::env::temp_dir(),
            stages: Map::new(),
        };
        let params = match serde_json::to_value(setup) {
            Ok(Value::Object(params)) => params,
            _ => Map::new(),
        };
        let load = ToChild::Load {
            id,
            pipeline: None,
            params,
            base: None,
            media: None,
            fds: 0,
        };
        self.child.post(&load, &[]);
    }

    fn attach(&mut self, incarnation: u32, owner: &SyncSender<Incoming>) -> Result<(), String> {
        let (owner, id) = (owner.clone(), self.id);
        let tell = move |said: Result<FromWorker, WorkLinkError>| {
            owner.send(Incoming::Said(id, said.ok())).is_ok()
        };
        let link = work_link::attach(&mut self.child, incarnation, tell)?;
        self.link = Some(link);
        Ok(())
    }

    fn said(&mut self, said: Option<FromWorker>) -> Result<Option<Done>, NotRead> {
        match said {
            Some(FromWorker::Take { done, max }) => {
                self.is_idle = max > 0;
                Ok(done)
            }
            Some(FromWorker::LoadFailed { reason, .. }) => Err(NotRead::CannotStart(
                Failure::cannot_start("models", reason),
            )),
            Some(FromWorker::Loading { .. } | FromWorker::Loaded { .. }) => Ok(None),
            None => {
                // How it ended comes with its own end.
                self.link = None;
                Ok(None)
            }
        }
    }

    fn give(&mut self, album: &Album, picture: Picture, measures: bool) -> Result<(), String> {
        let link = self.link.as_ref().ok_or("its link ended")?;
        let pool = album.pool;
        if self.lent != Some(pool) {
            if let Some(pool) = self.lent.take() {
                let gone = ToWorker::PoolGone { pool };
                link.tell(&gone).map_err(|it| it.to_string())?;
            }
            let lent = link.lend(pool, album.geometry, album.memory.as_fd());
            lent.map_err(|it| it.to_string())?;
            self.lent = Some(pool);
        }
        let task = task(pool, picture, measures);
        let tasks = ToWorker::Tasks {
            lease: 1,
            category: task.category,
            tasks: vec![task],
        };
        self.is_idle = false;
        link.tell(&tasks).map_err(|it| it.to_string())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(link) = &self.link {
            link.shutdown();
        }
    }
}

fn task(pool: u32, picture: Picture, measures: bool) -> Task {
    Task {
        id: TaskId(1),
        // A stage that is no category's goes by its own name.
        category: Category::Ocr,
        priority: 0,
        video_id: format!("album-{pool}"),
        frame_idx: Some(picture.slot.into()),
        track_id: None,
        frame: Some(FrameSlot {
            pool,
            slot: picture.slot,
            width: picture.width,
            height: picture.height,
        }),
        attempt: 0,
        payload: Payload::Custom {
            name: STILL.to_owned(),
            input: json!({"measure": measures}),
        },
        meta: Map::new(),
    }
}

fn seen(done: Done) -> Result<Seen, NotRead> {
    let outcome = done.outcomes.into_iter().next();
    let why = match outcome.map(|it| it.result) {
        Some(Ok(Output::Custom { output })) => match serde_json::from_value(output) {
            Ok(seen) => return Ok(seen),
            Err(error) => error.to_string(),
        },
        Some(Err(failure)) => failure.reason,
        _ => "the reading process said nothing of it".to_owned(),
    };
    Err(NotRead::Failed(Failure::failed("read", why)))
}

fn lost(why: String) -> NotRead {
    NotRead::Failed(Failure::failed("worker_lost", why))
}

fn gone(reason: &Reason) -> NotRead {
    match reason.fault.as_ref().filter(|it| it.is_of_load()) {
        Some(fault) => NotRead::CannotStart(Failure::cannot_start("models", fault.message.clone())),
        None => lost(format!("the reading process is gone: {reason}")),
    }
}
