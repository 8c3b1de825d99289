//! What a run machine is told.

use serde::{Deserialize, Serialize};

use super::ids::{LeaseId, ReaderId, VideoNo, WorkerId};
use crate::{
    category::{Category, Class},
    flow::{SourceEnd, Taken},
    task::{self, Failure, TaskId},
};

/// What happened.
#[derive(Debug)]
pub enum Input<F> {
    /// The answer to [`Output::Prepare`](super::Output::Prepare).
    Prepared {
        /// Which.
        video: VideoNo,
        /// What is to be done with it.
        prepared: Prepared<F>,
    },
    /// A reader said something, or is gone.
    Reader {
        /// Which.
        reader: ReaderId,
        /// What.
        said: ReaderSaid,
    },
    /// A worker said something, or is gone.
    Worker {
        /// Which.
        worker: WorkerId,
        /// What.
        said: WorkerSaid,
    },
    /// The scheduler's process is gone, after [`Output::StopScheduler`](super::Output::StopScheduler).
    SchedulerGone,
    /// Someone asks for an end. The first one drains, the second cuts the drain, the third ends at once.
    Stop(Signal),
    /// The time of the last [`Output::WakeAt`](super::Output::WakeAt) has come. Harmless at any other time.
    Deadline,
}

/// What is to be done with a video.
#[derive(Debug)]
pub enum Prepared<F> {
    /// To be read.
    Read {
        /// Its decisions, new or from a checkpoint.
        flow: F,
        /// The first frame that the flow wants.
        from: u64,
    },
    /// Done before, and unchanged.
    Skip,
    /// It cannot be read at all: one sentence.
    Failed(String),
}

/// What became of a reader. In this order: `Opened`, any number of `Frame`, `Lost` and `Alive`, `Ended`, `Gone`; `Gone` at
/// any moment, and nothing after it.
#[derive(Clone, Debug, PartialEq)]
pub enum ReaderSaid {
    /// The file is open, and the pool was received (its number is the reader's).
    Opened {
        /// Slots in the pool.
        slots: u32,
        /// Bytes of one slot.
        slot_bytes: u64,
        /// Frames a second, as the container says it.
        fps: Option<f64>,
        /// Frames in the video, as the container says it: for progress alone.
        frames: Option<u64>,
        /// When and where it was taken.
        taken: Taken,
    },
    /// A frame lies in a slot.
    Frame {
        /// In decode order from 0.
        frame_idx: u64,
        /// Presentation time in ms.
        ts_ms: Option<f64>,
        /// Which slot; the reader's until now, the run's until [`Output::Free`](super::Output::Free).
        slot: u32,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// A frame that was due and will never come.
    Lost {
        /// In decode order from 0.
        frame_idx: u64,
    },
    /// It lives, and has decoded so many frames, sampled or not.
    Alive {
        /// Frames from the video's beginning.
        decoded: u64,
    },
    /// There is no memory for its pool: one sentence. It goes; the video is tried again after a while.
    NoStore(String),
    /// No frame comes any more.
    Ended(SourceEnd),
    /// The process is gone, and everything that it said was handed in: one sentence.
    Gone(String),
}

/// What became of a worker. `Joined` first; `Gone` at any moment; `Joined` again when a new process has its seat.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkerSaid {
    /// Its process runs, and its work link is there.
    Joined {
        /// For people.
        pid: u32,
    },
    /// It wants up to `max` tasks. Answered by [`Output::Give`](super::Output::Give), as soon as there is something. What it
    /// did of the last lease is handed in before.
    Takes {
        /// At least 1.
        max: u32,
    },
    /// It is done with a lease. A task of the lease without an outcome counts as failed for the moment.
    Did {
        /// Which.
        lease: LeaseId,
        /// In any order.
        outcomes: Vec<Outcome>,
        /// How long the stage took for all of them, in microseconds.
        stage_us: u64,
    },
    /// It lives.
    Alive {
        /// It loads something: a death now is no task's fault.
        is_loading: bool,
    },
    /// It could not load what its lease needs, and has begun none of the lease's tasks: one sentence.
    LoadFailed {
        /// Which.
        lease: LeaseId,
        /// Names the file and what was expected.
        reason: String,
    },
    /// The process is gone, and everything that it said was handed in: one sentence.
    Gone(String),
    /// No process will have this seat again: one sentence.
    Lost(String),
}

/// What came of one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which.
    pub task: TaskId,
    /// What.
    pub result: Result<task::Output, Failure>,
}

/// What a worker does, as shown to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Its process does not answer yet.
    Starting,
    /// It loads a model, or connects to a store. A death in this state is no task's fault.
    Loading,
    /// It has nothing to do.
    Idle,
    /// It has tasks in hand.
    Busy,
    /// It may not take tasks for a while: it could not load.
    Waiting,
    /// It was told to leave.
    Stopping,
    /// It has no process.
    Dead,
}

/// Which kinds of work a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Takes {
    /// Heavy inference.
    Gpu,
    /// Everything else.
    Cpu,
    /// Both, in a run without workers of the other class.
    Both,
    /// One category alone, with a stage of a user's own; nobody else does it then.
    #[serde(untagged)]
    Own(Category),
}

impl Takes {
    /// Whether work of `class` is done by it.
    #[must_use]
    pub fn has(self, class: Class) -> bool {
        match self {
            Self::Gpu => class == Class::Gpu,
            Self::Cpu => class == Class::Cpu,
            Self::Both => true,
            Self::Own(category) => class == category.class(),
        }
    }

    /// Whether tasks of `category` are done by it.
    #[must_use]
    pub fn does(self, category: Category) -> bool {
        match self {
            Self::Own(own) => own == category,
            _ => self.has(category.class()),
        }
    }

    /// The kinds of work, in the order in which ties are decided.
    pub fn categories(self) -> impl Iterator<Item = Category> + Clone {
        Category::ALL.into_iter().filter(move |it| self.does(*it))
    }
}

/// Who asked for an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Signal {
    /// Exit code 130.
    #[serde(rename = "SIGINT")]
    Interrupt,
    /// Exit code 143.
    #[serde(rename = "SIGTERM")]
    Terminate,
}
