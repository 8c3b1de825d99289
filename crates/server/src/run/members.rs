//! The two children of a run: what is started, and by which rules it is watched.

use std::{
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
    process,
    sync::mpsc::SyncSender,
    time::{Duration, Instant},
};

use framerill_supervisor::{
    ChildId, Command, Config, Limits, Notice, Supervised, Update, isolation,
};
use framerill_worker::message::ToChild;

use super::{
    foreground::Foreground,
    inbox::Incoming,
    plan::{Pipeline, Plan},
};
use crate::{contained, environments, failure::Failure, program};

/// Media's id among the children of a run.
pub(super) const MEDIA: ChildId = ChildId(0);
/// The first worker's id. One with new code has the next one.
pub(super) const WORKER: ChildId = ChildId(1);

/// Where memory runs out, workers go first, then media: models are what fills it, and either is started anew without it.
const WORKER_OOM_RAISE: u16 = 600;
const MEDIA_OOM_RAISE: u16 = 300;
/// Tells a worker the frame time that it is held to.
const MAX_FRAME_TIME: &str = "FRAMERILL_MAX_FRAME_TIME";

/// Processes of a worker, with all that it starts, and the three around it: far more than any needs, and fewer than a machine
/// has room for.
const MAX_PROCESSES: usize = 256;

/// What bounds a worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Without an output for so long it is hung; none takes the pipeline's word.
    pub(crate) max_frame_time: Option<Duration>,
    /// Bytes that it may use, with all that it starts.
    pub(crate) memory: Option<u64>,
}

/// Starts media. It decodes and encodes for this run alone: without it there is nothing to go on with.
pub(super) fn start_media(owner: SyncSender<Incoming>) -> Result<Supervised<Incoming>, Failure> {
    let config = Config {
        max_restarts: 0,
        ..Config::default()
    };
    Ok(Supervised::start(
        config,
        media_command(&program::media()?),
        MEDIA,
        owner,
    ))
}

/// How media is started.
pub(crate) fn media_command(program: &Path) -> Command {
    Command::new(program).oom_raise(MEDIA_OOM_RAISE)
}

/// A worker under supervision, or in the foreground for a debugger.
pub(super) enum Worker {
    Supervised(Box<Supervised<Incoming>>),
    Foreground(Foreground),
}

/// Starts the worker of a plan's pipeline.
pub(super) fn start_worker(
    plan: &Plan,
    id: ChildId,
    owner: SyncSender<Incoming>,
) -> Result<Worker, Failure> {
    let (program, args) = invocation(&plan.pipeline, plan.python.as_deref())?;
    if plan.in_process {
        if matches!(plan.pipeline, Pipeline::BuiltIn(_)) {
            let target = plan.pipeline.target();
            return Err(Failure::usage(
                "usage",
                format!("--in-process is for Python pipelines, and `{target}` is built in"),
            )
            .hint("leave --in-process out"));
        }
        return Foreground::start(id, &program, &args, owner).map(Worker::Foreground);
    }
    let config = Config {
        max_restarts: plan.max_restarts,
        max_frame_time_override: plan.max_frame_time,
        ..Config::default()
    };
    let bounds = Bounds {
        max_frame_time: plan.max_frame_time,
        memory: plan.worker_memory,
    };
    let mut command = worker_command(&plan.pipeline, plan.python.as_deref(), bounds)?;
    if plan.reload {
        // Of two saves within a second, compiled files tell the second one by its length only.
        command = command.env("PYTHONDONTWRITEBYTECODE", "1");
    }
    Ok(Worker::Supervised(Box::new(Supervised::start(
        config, command, id, owner,
    ))))
}

fn invocation<'a>(
    pipeline: &'a Pipeline,
    python: Option<&Path>,
) -> Result<(PathBuf, Vec<&'a str>), Failure> {
    let target = pipeline.target();
    Ok(match pipeline {
        Pipeline::BuiltIn(_) => (program::this()?, vec!["worker", target]),
        Pipeline::Python(_) | Pipeline::Installed { .. } => (
            interpreter(pipeline, python)?,
            vec!["-m", "framerill.worker", target],
        ),
        Pipeline::Spec(spec) => (
            interpreter(pipeline, python)?,
            vec!["-m", "framerill.worker", &spec.name],
        ),
    })
}

/// The Python that a pipeline runs in: its environment's, or the one that is used where nothing else is said.
pub(crate) fn interpreter(pipeline: &Pipeline, python: Option<&Path>) -> Result<PathBuf, Failure> {
    match pipeline {
        Pipeline::Installed { environment, .. } => environments::interpreter(environment),
        _ => Ok(program::python(python)),
    }
}

/// `python -m framerill.pipelines VERB` about a pipeline, in the interpreter that it runs in.
pub(crate) fn question(pipeline: &Pipeline, interpreter: &Path, verb: &str) -> process::Command {
    let mut command = contained::command(interpreter);
    command.args(["-m", "framerill.pipelines", verb, pipeline.target()]);
    if matches!(pipeline, Pipeline::Installed { .. }) {
        environments::alone(&mut command);
    }
    command
}

/// How the worker of a pipeline is started.
pub(crate) fn worker_command(
    pipeline: &Pipeline,
    python: Option<&Path>,
    bounds: Bounds,
) -> Result<Command, Failure> {
    let (program, args) = invocation(pipeline, python)?;
    let limits = Limits {
        memory: bounds.memory,
        processes: Some(MAX_PROCESSES),
    };
    let mut command = Command::new(program)
        .args(args)
        // What lies in the current folder is no part of Python's library.
        .env("PYTHONSAFEPATH", "1")
        .oom_raise(WORKER_OOM_RAISE)
        .limits(limits);
    // It tells where its pipeline is before its time is over.
    command = match bounds.max_frame_time {
        Some(time) => command.env(MAX_FRAME_TIME, time.as_secs_f64().to_string()),
        None => command.env_remove(MAX_FRAME_TIME),
    };
    if matches!(pipeline, Pipeline::Installed { .. }) {
        // Another Python's packages are no part of it either.
        for name in environments::PYTHON_VARIABLES {
            command = command.env_remove(name);
        }
    }
    Ok(command.namespace(isolation::probe().namespace))
}

impl Worker {
    pub(super) fn handle(&mut self, notice: Notice) {
        match self {
            Self::Supervised(it) => it.handle(notice),
            Self::Foreground(it) => it.handle(notice),
        }
    }

    pub(super) fn next_update(&mut self) -> Option<Update> {
        match self {
            Self::Supervised(it) => it.next_update(),
            Self::Foreground(it) => it.next_update(),
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self {
            Self::Supervised(it) => it.next_deadline(),
            Self::Foreground(_) => None,
        }
    }

    pub(super) fn on_deadline(&mut self) {
        if let Self::Supervised(it) = self {
            it.on_deadline();
        }
    }

    pub(super) fn progress(&mut self, answered: u64, failed: u64, waiting: u64) {
        if let Self::Supervised(it) = self {
            it.progress(answered, failed, waiting);
        }
    }

    pub(super) fn violated(&mut self, what: String) {
        match self {
            Self::Supervised(it) => it.violated(what),
            Self::Foreground(it) => it.stop(),
        }
    }

    pub(super) fn request_id(&mut self) -> u64 {
        match self {
            Self::Supervised(it) => it.request_id(),
            Self::Foreground(it) => it.request_id(),
        }
    }

    /// Sends a request whose failure needs nothing done.
    pub(super) fn post(&mut self, message: &ToChild, fds: &[BorrowedFd<'_>]) {
        match self {
            Self::Supervised(it) => it.post(message, fds),
            // One that takes nothing has ended, which is told, or stands still in a debugger.
            Self::Foreground(it) => drop(it.send(message, fds)),
        }
    }

    pub(super) fn stop(&mut self, drain: Duration) {
        match self {
            Self::Supervised(it) => it.stop(drain),
            Self::Foreground(it) => it.stop(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Supervised(it) => it.state().is_terminal(),
            Self::Foreground(it) => it.is_over(),
        }
    }
}

/// How long a stream may take to finish what it accepted and to complete its sink.
pub(super) const DRAIN_WITHIN: Duration = Duration::from_secs(60);
/// How long a worker may take to leave.
pub(super) const LEAVE_WITHIN: Duration = Duration::from_secs(2);
