//! The messages of the work link.

use serde::{Deserialize, Serialize};

use crate::{
    category::Category,
    task::{Failure, Output, Task, TaskId},
};

/// The most tasks of one lease.
pub const MAX_BATCH: u32 = 64;

/// From the orchestrator to a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToWorker {
    /// Memory of a reader comes with this message: tasks name its slots from now on.
    Pool {
        /// Which; never used again for another one.
        pool: u32,
        /// How many slots it has.
        slots: u32,
        /// Bytes a slot.
        slot_bytes: u32,
        /// Descriptors that come with this message: 1.
        fds: u32,
    },
    /// No task names this pool any more.
    PoolGone {
        /// Which.
        pool: u32,
    },
    /// Answers `take`: tasks of one category, at most as many as were asked for.
    Tasks {
        /// Named by the `take` that says what came of them.
        lease: u64,
        /// What kind they are.
        category: Category,
        /// At least one.
        tasks: Vec<Task>,
    },
}

/// From a worker to the orchestrator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromWorker {
    /// The worker is idle.
    Take {
        /// How many tasks it takes at once; 0: none any more, it leaves.
        max: u32,
        /// What came of the tasks before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        done: Option<Done>,
    },
    /// It loads what a stage needs; that may take long.
    Loading {
        /// The stage's name.
        stage: String,
    },
    /// A stage is loaded.
    Loaded {
        /// The stage's name.
        stage: String,
        /// How long it took.
        ms: u64,
    },
    /// What a lease needs could not be loaded, and none of its tasks was begun. The next `take` follows.
    LoadFailed {
        /// Which lease.
        lease: u64,
        /// One sentence.
        reason: String,
    },
}

/// What came of one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which.
    pub task: TaskId,
    /// What.
    pub result: Result<Output, Failure>,
}

/// What came of a lease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Which.
    pub lease: u64,
    /// One a task.
    pub outcomes: Vec<Outcome>,
    /// How long the stage took for all of them, in microseconds.
    pub stage_us: u64,
}
