//! What a flow says.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::VehicleEvent;
use crate::{
    category::Category,
    task::{FrameSlot, Payload, Task, TaskId},
};

/// A flow's own number of a task that it spawned; each used once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub u64);

/// A [`Task`] without its id and its attempt, which the run machine gives.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTask {
    /// See [`Task::category`].
    pub category: Category,
    /// See [`Task::priority`].
    pub priority: i32,
    /// See [`Task::video_id`].
    pub video_id: String,
    /// See [`Task::frame_idx`].
    pub frame_idx: Option<u64>,
    /// See [`Task::track_id`].
    pub track_id: Option<u32>,
    /// See [`Task::frame`]. The flow must hold that frame when it spawns the task; the task then holds it, too.
    pub frame: Option<FrameSlot>,
    /// See [`Task::payload`].
    pub payload: Payload,
    /// See [`Task::meta`].
    pub meta: Map<String, Value>,
}

impl NewTask {
    /// The task, begun never before.
    #[must_use]
    pub fn into_task(self, id: TaskId) -> Task {
        Task {
            id,
            category: self.category,
            priority: self.priority,
            video_id: self.video_id,
            frame_idx: self.frame_idx,
            track_id: self.track_id,
            frame: self.frame,
            attempt: 0,
            payload: self.payload,
            meta: self.meta,
        }
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum FlowOutput {
    /// This task is to be done; its outcome comes by [`done`](super::VideoFlow::done) under `key`.
    Spawn {
        /// The flow's number of it.
        key: Key,
        /// What to do.
        task: NewTask,
    },
    /// The flow needs this frame's pixels no longer. Tasks that were spawned with it keep it until they are done.
    Release {
        /// Which; each frame once.
        frame_idx: u64,
    },
    /// Everything up to this frame is settled and written: a later run can go on from here.
    Checkpoint {
        /// The last settled frame.
        frame_idx: u64,
        /// The flow's state.
        state: Value,
    },
    /// Something happened to a vehicle. It comes before the checkpoint that knows of it, and before the video's end.
    Vehicle(Box<VehicleEvent>),
    /// Something for the counters.
    Counted {
        /// What.
        what: Count,
        /// How many of them.
        by: u64,
    },
    /// The video is over: no task is open, and nothing else will be said.
    Finished(VideoEnd),
}

/// What a flow counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Count {
    /// Frames that are settled.
    Settled,
    /// Sampled frames that never came.
    Lost,
    /// Tasks that were not spawned because they could not change a record, by the kind of work and the reason's short name.
    Skipped(Category, &'static str),
    /// Branches that ended without a result, by the stage that found nothing and the reason's short name.
    Nothing(Category, &'static str),
    /// Confirmed tracks.
    Tracks,
    /// Vehicles with a final plate.
    Plates,
    /// Vehicles whose plate was seen and could not be read.
    Unreadable,
}

/// How a video came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoStatus {
    /// All of it.
    Complete,
    /// As far as it can be read.
    Partial,
    /// Nothing of it.
    Failed,
    /// Up to its last checkpoint: the run was stopped.
    Stopped,
    /// It was complete before, and has not changed.
    Skipped,
}

/// How a video came out, with counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VideoEnd {
    /// How.
    pub status: VideoStatus,
    /// One sentence where it is not complete.
    pub reason: Option<String>,
    /// Frames that were decoded, sampled or not, from the beginning of the video.
    pub frames: u64,
    /// Confirmed tracks.
    pub tracks: u64,
    /// Vehicles with a final plate.
    pub plates: u64,
}
