//! The workers: their processes, their links, and what the run machine hears of them.

use std::{
    collections::{BTreeMap, VecDeque},
    os::{fd::AsFd, unix::net::UnixStream},
    path::PathBuf,
    sync::{Arc, mpsc::SyncSender},
    thread,
    time::{Duration, Instant},
};

use framerill_frames::Geometry;
use framerill_plates::{
    category::{Category, Class},
    link::{Done, FromWorker, ToWorker, WorkLink},
    run::{LeaseId, Outcome, WorkerId, WorkerSaid, WorkerState},
    task::Task,
    worker::Setup,
};
use framerill_supervisor::{
    ChildId, Command, Config, Notice, Supervised, Update, isolation,
    lifecycle::{Event, Reason},
};
use framerill_worker::message::{FromChild, Level as Grade, ToChild};
use serde_json::{Map, Value};

use super::inbox::Incoming;
use crate::{failure::Failure, plates::log::Level};

/// Workers' ids among all children of a run.
const FIRST_CHILD: u32 = 1000;
/// Deaths are counted by task; a process that cannot even begin ends the run after so many.
const MAX_RESTARTS: u32 = 200;
/// A stage of a user's own is given up after so many ends in a row before it was ready.
const MOST_FALSE_STARTS: u32 = 3;
/// A dead worker is replaced within two seconds.
const BACKOFF_CAP: Duration = Duration::from_millis(1500);
/// Where memory runs out, workers go first.
const OOM_RAISE: u16 = 600;
/// The one link of a worker.
const STREAM: &str = "work";

/// What came of a worker.
#[derive(Debug)]
pub(in crate::plates) enum CrewEvent {
    Said(WorkerId, WorkerSaid),
    Log(WorkerId, Level, String),
    /// It cannot be started with what was asked for.
    CannotStart(String),
}

/// What a worker is for.
#[derive(Clone, Debug)]
pub(in crate::plates) enum Job {
    /// The built-in stages.
    Stages(Setup),
    /// A stage of a user's own, in a program of theirs that speaks as our workers do.
    Program { program: PathBuf, setup: Setup },
    /// A stage of a user's own, in a Python.
    Python {
        python: PathBuf,
        category: Category,
        /// FILE.py:CLASS or module:CLASS.
        target: String,
    },
}

/// What it starts dies with it.
fn alone(command: Command) -> Command {
    command.namespace(isolation::probe().namespace)
}

impl Job {
    fn command(&self, id: WorkerId) -> Result<Command, Failure> {
        let command = match self {
            // It starts nothing.
            Self::Stages(setup) => {
                let class = match setup.class {
                    Class::Gpu => "gpu",
                    Class::Cpu => "cpu",
                };
                let command = Command::new(crate::program::this()?).args(["plates-worker", class]);
                command.arg(id.0.to_string())
            }
            Self::Program { program, .. } => alone(Command::new(program.clone())),
            Self::Python { python, target, .. } => alone(
                Command::new(python.clone())
                    .args(["-m", "framerill._plates_worker", target])
                    // What lies in the current folder is no part of Python's library.
                    .env("PYTHONSAFEPATH", "1"),
            ),
        };
        Ok(command.oom_raise(OOM_RAISE))
    }

    /// For people; none of the built-in stages.
    fn own_target(&self) -> Option<String> {
        match self {
            Self::Stages(_) => None,
            Self::Program { program, .. } => Some(program.display().to_string()),
            Self::Python { target, .. } => Some(target.clone()),
        }
    }

    /// What its `load` says: a target, and parameters.
    fn load(&self) -> (Option<String>, Map<String, Value>) {
        match self {
            Self::Stages(setup) | Self::Program { setup, .. } => {
                match serde_json::to_value(setup) {
                    Ok(Value::Object(params)) => (None, params),
                    _ => (None, Map::new()),
                }
            }
            Self::Python {
                category, target, ..
            } => {
                let category = Value::from(category.name());
                let params = Map::from_iter([("category".to_owned(), category)]);
                (Some(target.clone()), params)
            }
        }
    }
}

/// All workers.
#[derive(Debug)]
pub(in crate::plates) struct Crew {
    workers: BTreeMap<WorkerId, Worker>,
    events: VecDeque<CrewEvent>,
    owner: SyncSender<Incoming>,
}

#[derive(Debug)]
struct Worker {
    child: Supervised<Incoming>,
    job: Job,
    link: Option<Arc<WorkLink>>,
    /// Of the process that has the link.
    incarnation: u32,
    /// Its process is gone; told when its link has said everything.
    gone: Option<String>,
    state: WorkerState,
    /// Ends in a row before it was ready.
    false_starts: u32,
    /// It was told to leave.
    is_leaving: bool,
    is_over: bool,
}

impl Crew {
    pub(in crate::plates) fn new(owner: SyncSender<Incoming>) -> Self {
        Self {
            workers: BTreeMap::new(),
            events: VecDeque::new(),
            owner,
        }
    }

    /// Starts one.
    pub(in crate::plates) fn start(&mut self, id: WorkerId, job: Job) -> Result<(), Failure> {
        let command = job.command(id)?;
        let config = Config {
            max_restarts: MAX_RESTARTS,
            backoff_cap: BACKOFF_CAP,
            ..Config::default()
        };
        let child = ChildId(FIRST_CHILD + id.0);
        let child = Supervised::start(config, command, child, self.owner.clone());
        let worker = Worker {
            child,
            job,
            link: None,
            incarnation: 0,
            gone: None,
            state: WorkerState::Starting,
            false_starts: 0,
            is_leaving: false,
            is_over: false,
        };
        self.workers.insert(id, worker);
        self.updates(id);
        Ok(())
    }

    /// Whether a notice was for one of them.
    pub(in crate::plates) fn handle(&mut self, notice: Notice) -> Option<Notice> {
        let id = WorkerId(notice.child.0.wrapping_sub(FIRST_CHILD));
        let Some(worker) = self.workers.get_mut(&id) else {
            return Some(notice);
        };
        worker.child.handle(notice);
        self.updates(id);
        None
    }

    /// Takes in what a link said.
    pub(in crate::plates) fn said(
        &mut self,
        id: WorkerId,
        incarnation: u32,
        said: Result<FromWorker, Option<String>>,
    ) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        if worker.incarnation != incarnation {
            return;
        }
        let mut tell = |said| self.events.push_back(CrewEvent::Said(id, said));
        match said {
            Ok(FromWorker::Take { max, done }) => {
                if let Some(done) = done {
                    tell(did(done));
                }
                worker.state = WorkerState::Idle;
                if max > 0 {
                    tell(WorkerSaid::Takes { max });
                }
            }
            Ok(FromWorker::Loading { stage }) => {
                worker.state = WorkerState::Loading;
                tell(WorkerSaid::Alive(WorkerState::Loading));
                self.log(id, Level::Info, format!("loads {stage}"));
            }
            Ok(FromWorker::Loaded { stage, ms }) => {
                worker.state = WorkerState::Busy;
                tell(WorkerSaid::Alive(WorkerState::Busy));
                self.log(id, Level::Info, format!("loaded {stage} in {ms} ms"));
            }
            Ok(FromWorker::LoadFailed { lease, reason }) => {
                worker.state = WorkerState::Waiting;
                let lease = LeaseId(lease);
                tell(WorkerSaid::LoadFailed { lease, reason });
            }
            Err(broken) => {
                worker.link = None;
                if let Some(why) = worker.gone.take() {
                    tell(WorkerSaid::Gone(why));
                } else if let Some(what) = broken {
                    worker.child.violated(what);
                }
            }
        }
        self.updates(id);
    }

    /// Tasks for one that asked.
    pub(in crate::plates) fn give(&mut self, id: WorkerId, message: &ToWorker) {
        self.tell(id, |link| link.tell(message).map_err(|it| it.to_string()));
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.state = WorkerState::Busy;
        }
    }

    /// A reader's memory.
    pub(in crate::plates) fn lend(
        &mut self,
        id: WorkerId,
        pool: u32,
        geometry: Geometry,
        memory: &impl AsFd,
    ) {
        self.tell(id, |link| {
            let lent = link.lend(pool, geometry, memory.as_fd());
            lent.map_err(|it| it.to_string())
        });
    }

    /// Something that needs no answer.
    pub(in crate::plates) fn tell_plain(&mut self, id: WorkerId, message: &ToWorker) {
        self.tell(id, |link| link.tell(message).map_err(|it| it.to_string()));
    }

    fn tell(&mut self, id: WorkerId, say: impl FnOnce(&WorkLink) -> Result<(), String>) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        let Some(Err(what)) = worker.link.as_deref().map(say) else {
            return;
        };
        // One that is told to leave takes in nothing more.
        if !worker.is_leaving && worker.gone.is_none() {
            worker.child.violated(what);
            self.updates(id);
        }
    }

    /// Has one leave after what it does.
    pub(in crate::plates) fn terminate(&mut self, id: WorkerId, within: Duration) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.is_leaving = true;
            worker.state = WorkerState::Stopping;
            if worker.is_over {
                // Nobody sits there.
                let gone = WorkerSaid::Gone("it was gone before".into());
                return self.events.push_back(CrewEvent::Said(id, gone));
            }
            worker.child.stop(within);
            self.updates(id);
        }
    }

    /// Kills one; another takes its place unless it was told to leave.
    pub(in crate::plates) fn kill(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.child.violated("it took too long".into());
            self.updates(id);
        }
    }

    pub(in crate::plates) fn next_event(&mut self) -> Option<CrewEvent> {
        self.events.pop_front()
    }

    pub(in crate::plates) fn next_deadline(&self) -> Option<Instant> {
        let all = self.workers.values();
        all.filter_map(|it| it.child.next_deadline()).min()
    }

    pub(in crate::plates) fn on_deadline(&mut self) {
        let ids: Vec<_> = self.workers.keys().copied().collect();
        for id in ids {
            if let Some(worker) = self.workers.get_mut(&id) {
                worker.child.on_deadline();
            }
            self.updates(id);
        }
    }

    fn log(&mut self, id: WorkerId, level: Level, line: String) {
        self.events.push_back(CrewEvent::Log(id, level, line));
    }

    fn updates(&mut self, id: WorkerId) {
        while let Some(update) = self
            .workers
            .get_mut(&id)
            .and_then(|it| it.child.next_update())
        {
            match update {
                Update::Load { id: request } => self.load(id, request),
                Update::Lifecycle(event) => self.lifecycle(id, event),
                Update::Message(message, _) => self.message(id, message),
                Update::LogLine(line) => self.log(id, Level::Warning, line),
                Update::LogLeftOut(left_out) => {
                    self.log(id, Level::Warning, left_out.to_string());
                }
            }
        }
    }

    fn load(&mut self, id: WorkerId, request: u64) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        let (pipeline, params) = worker.job.load();
        let load = ToChild::Load {
            id: request,
            pipeline,
            params,
            base: None,
            media: None,
            fds: 0,
        };
        worker.child.post(&load, &[]);
    }

    fn lifecycle(&mut self, id: WorkerId, event: Event) {
        match event {
            Event::Ready { incarnation, .. } => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.false_starts = 0;
                }
                self.join(id, incarnation);
            }
            Event::Restarting { reason, .. } => {
                self.false_start(id, &reason);
                self.lost(id, &reason);
            }
            Event::Failed { reason } => {
                self.lost(id, &reason);
                let why = reason.to_string();
                self.over(id);
                self.events
                    .push_back(CrewEvent::Said(id, WorkerSaid::Lost(why)));
            }
            Event::Stopped { exit } => {
                self.gone(id, exit.to_string());
                self.over(id);
            }
            Event::Started { .. } | Event::Late { .. } | Event::Recovered { .. } => {}
        }
    }

    /// A stage of a user's own that ends again and again before it is ready has nothing to wait for: a package is missing, or
    /// a library.
    fn false_start(&mut self, id: WorkerId, reason: &Reason) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        worker.false_starts += 1;
        if let Some(target) = worker.job.own_target()
            && worker.false_starts == MOST_FALSE_STARTS
        {
            let why = format!("the stage `{target}` does not start: {reason}");
            self.events.push_back(CrewEvent::CannotStart(why));
        }
    }

    fn over(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.is_over = true;
        }
    }

    fn lost(&mut self, id: WorkerId, reason: &Reason) {
        // What a first load misses, another try would miss again.
        let missing = reason.fault.as_ref().filter(|it| it.is_of_load());
        if let Some(fault) = missing {
            let why = fault.message.clone();
            self.events.push_back(CrewEvent::CannotStart(why));
        }
        self.gone(id, reason.to_string());
    }

    /// Its process is gone. What its link has still to say comes first.
    fn gone(&mut self, id: WorkerId, why: String) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        worker.state = WorkerState::Dead;
        if worker.link.is_some() {
            worker.gone = Some(why);
        } else {
            self.events
                .push_back(CrewEvent::Said(id, WorkerSaid::Gone(why)));
        }
    }

    /// Makes the work link and gives its other end away.
    fn join(&mut self, id: WorkerId, incarnation: u32) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        if let Some(why) = worker.gone.take() {
            let said = WorkerSaid::Gone(why);
            self.events.push_back(CrewEvent::Said(id, said));
        }
        let made = WorkLink::pair().map_err(|error| error.to_string());
        let made = made.and_then(|(ours, its)| {
            let link = Arc::new(WorkLink::new(ours));
            hear(id, incarnation, &link, &self.owner)?;
            Ok((link, its))
        });
        let (link, its): (_, UnixStream) = match made {
            Ok(made) => made,
            Err(what) => return worker.child.violated(what),
        };
        let attach = ToChild::attach(worker.child.request_id(), STREAM, incarnation, 1);
        worker.link = Some(link);
        worker.incarnation = incarnation;
        worker.state = WorkerState::Loading;
        worker.child.post(&attach, &[its.as_fd()]);
        let pid = worker.child.pid().unwrap_or(0);
        let joined = WorkerSaid::Joined { pid };
        self.events.push_back(CrewEvent::Said(id, joined));
        let loads = WorkerSaid::Alive(WorkerState::Loading);
        self.events.push_back(CrewEvent::Said(id, loads));
    }

    fn message(&mut self, id: WorkerId, message: FromChild) {
        match message {
            FromChild::Heartbeat { .. } => {
                let state = self.workers.get(&id).map(|it| it.state);
                if let Some(state) = state {
                    let alive = WorkerSaid::Alive(state);
                    self.events.push_back(CrewEvent::Said(id, alive));
                }
            }
            FromChild::Log { level, message } => {
                let level = match level {
                    Grade::Error => Level::Error,
                    Grade::Warn => Level::Warning,
                    Grade::Info | Grade::Debug => Level::Info,
                };
                self.log(id, level, message);
            }
            FromChild::Error(report) => self.log(id, Level::Error, report.message),
            _ => {}
        }
    }
}

fn did(done: Done) -> WorkerSaid {
    let outcomes = done.outcomes.into_iter().map(|it| Outcome {
        task: it.task,
        result: it.result,
    });
    WorkerSaid::Did {
        lease: LeaseId(done.lease),
        outcomes: outcomes.collect(),
        stage_us: done.stage_us,
    }
}

/// The words for a lease.
pub(in crate::plates) fn tasks(
    lease: LeaseId,
    category: Category,
    tasks: &[Arc<Task>],
) -> ToWorker {
    ToWorker::Tasks {
        lease: lease.0,
        category,
        tasks: tasks.iter().map(|it| Task::clone(it)).collect(),
    }
}

/// Passes on what a link says until it ends.
fn hear(
    worker: WorkerId,
    incarnation: u32,
    link: &Arc<WorkLink>,
    owner: &SyncSender<Incoming>,
) -> Result<(), String> {
    let (link, owner) = (Arc::clone(link), owner.clone());
    let hear = move || {
        loop {
            let said = link.hear().map_err(|error| {
                let is_closed = error.is_closed();
                (!is_closed).then(|| error.to_string())
            });
            let is_over = said.is_err();
            let told = owner.send(Incoming::Work {
                worker,
                incarnation,
                said,
            });
            if is_over || told.is_err() {
                return;
            }
        }
    };
    let thread = thread::Builder::new().name(format!("work {}", worker.0));
    let started = thread.spawn(hear);
    started
        .map(drop)
        .map_err(|error| format!("cannot start a thread: {error}"))
}
