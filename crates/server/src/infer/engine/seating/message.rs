//! What the machine is told, and what it wants done.

use std::time::Duration;

use framerill_supervisor::ChildId;

use super::key::Key;
use crate::{
    infer::{asked::Binding, engine::Number, refusal::Refusal},
    run::Pipeline,
};

/// Names a start until it is answered.
pub(in crate::infer::engine) type StartId = u64;

/// A stream that is asked for, as far as seats and workers are concerned.
#[derive(Clone, Debug)]
pub(in crate::infer::engine) struct Wanted {
    pub(in crate::infer::engine) start: StartId,
    pub(in crate::infer::engine) pipeline: Pipeline,
    pub(in crate::infer::engine) binding: Binding,
    /// Hash of what a worker of its own would be loaded with.
    pub(in crate::infer::engine) params: String,
    /// A worker that is ready is asked whether it would take the parameters.
    pub(in crate::infer::engine) is_checked: bool,
    /// Where there is one seat, it takes the place of what runs there.
    pub(in crate::infer::engine) replaces: bool,
}

/// What happened.
#[derive(Clone, Debug)]
pub(in crate::infer::engine) enum Input {
    /// A stream is asked for. Why a seat takes no stream at all, by seat, is the guardians' word.
    Start {
        wanted: Wanted,
        refusals: Vec<Option<String>>,
    },
    /// An `AddWorker` was obeyed, or why it could not be.
    WorkerAdded {
        worker: ChildId,
        outcome: Result<(), String>,
    },
    /// A `Check` was answered, or cannot be; what is wrong with the parameters, if anything.
    Checked {
        start: StartId,
        problem: Option<String>,
    },
    /// A `Begin` was obeyed, or why it could not be.
    Begun {
        start: StartId,
        outcome: Result<Number, Refusal>,
    },
    /// A worker takes streams, and says whether several may share it.
    WorkerReady { worker: ChildId, shareable: bool },
    /// It takes none now: it is lost and comes again, or reloads.
    WorkerBusy { worker: ChildId },
    /// It is lost, and no restart is left.
    WorkerFailed { worker: ChildId, failure: Failure },
    /// It left, as it was told.
    WorkerGone { worker: ChildId },
    /// A worker died, and this is what a stream may have had to do with it.
    Suspected { stream: Number, of: Suspect },
    /// Nothing more comes in for a stream.
    SourceEnded { stream: Number },
    /// A stream is to end.
    End { stream: Number, why: String },
    /// Its channels are closed.
    Closed { stream: Number },
    /// Everything is to end.
    Leave,
    /// The time of the last `WakeAt` has come.
    Deadline,
}

/// How a worker failed.
#[derive(Clone, Debug)]
pub(in crate::infer::engine) struct Failure {
    pub(in crate::infer::engine) why: String,
    /// It had loaded once.
    pub(in crate::infer::engine) was_ready: bool,
    /// Of the parameters that it was to be loaded with.
    pub(in crate::infer::engine) of_params: bool,
}

/// What a stream is suspected of.
#[derive(Clone, Copy, Debug)]
pub(in crate::infer::engine) enum Suspect {
    /// Its parameters.
    Params,
    /// A frame of it, which was at work.
    Frame,
    /// The same, where somebody's parameters are suspected first.
    FrameOrParams,
}

/// What a worker is loaded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::infer::engine) enum Load {
    /// What the settings say of its pipeline.
    Initial,
    /// What a start brings; without parameters of its own the initial ones.
    Start(StartId),
    /// What a stream has.
    Stream(Number),
    /// The pipeline's own.
    Defaults,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::infer::engine) enum Output {
    /// There is a further seat, behind the others.
    AddSeat,
    /// Start a worker. Answer `WorkerAdded`.
    AddWorker {
        worker: ChildId,
        key: Key,
        load: Load,
    },
    /// Tell a worker to leave.
    StopWorker { worker: ChildId },
    /// A worker that is over is nobody's.
    ForgetWorker { worker: ChildId },
    /// Ask a worker about a start's parameters. Answer `Checked`.
    Check { start: StartId, worker: ChildId },
    /// Begin a stream; what runs on the seat ends, and if the seat had failed for good, it begins anew. Answer `Begun`.
    Begin {
        start: StartId,
        stream: Number,
        seat: usize,
        worker: ChildId,
    },
    /// A start is a stream now.
    Accept { start: StartId, stream: Number },
    /// A start is none.
    Refuse { start: StartId, why: Refusal },
    /// A seat has another worker, or none; an error to tell its stream.
    Move {
        seat: usize,
        worker: Option<ChildId>,
        error: Option<String>,
    },
    /// End a stream. A fault: not in order.
    End {
        seat: usize,
        stream: Number,
        why: String,
        fault: Option<String>,
    },
    /// Nothing to do before this time.
    WakeAt(Duration),
    /// Nothing to do, and no deadline.
    Idle,
}
