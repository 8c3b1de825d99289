//! What a run machine says.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    dead_letter::DeadLetter,
    end::RunEnd,
    event::Event,
    ids::{LeaseId, ReaderId, VideoNo, WorkerId},
};
use crate::{
    category::Category,
    flow::{VehicleEvent, VideoEnd},
    task::Task,
};

/// What to do next. What is asked of a process that is gone is to be dropped without a word.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Look at this video: hash it, read its checkpoint, make its flow. Answer with
    /// [`Input::Prepared`](super::Input::Prepared).
    Prepare {
        /// Which.
        video: VideoNo,
    },
    /// Start a process that reads this video.
    Read {
        /// Its name, and its pool's.
        reader: ReaderId,
        /// Which video.
        video: VideoNo,
        /// Deliver nothing before this frame.
        from: u64,
        /// Slots of its pool, at most.
        slots: u32,
    },
    /// Nobody needs the frame in this slot any more: the reader may write there.
    Free {
        /// Whose.
        reader: ReaderId,
        /// Which; once for each frame.
        slot: u32,
    },
    /// Ask this reader to leave, and say when it is gone. It is killed if it stays.
    StopReader {
        /// Which.
        reader: ReaderId,
    },
    /// Kill this reader, and say when it is gone.
    KillReader {
        /// Which.
        reader: ReaderId,
    },
    /// The pool of this reader is needed no more: close it.
    DropPool {
        /// Whose.
        reader: ReaderId,
    },
    /// Send this pool to this worker; comes before the first task that needs it.
    Pool {
        /// To whom.
        worker: WorkerId,
        /// Whose.
        reader: ReaderId,
    },
    /// Tell this worker that no task needs this pool any more.
    PoolGone {
        /// Whom.
        worker: WorkerId,
        /// Whose.
        reader: ReaderId,
    },
    /// The answer to [`WorkerSaid::Takes`](super::WorkerSaid::Takes).
    Give {
        /// To whom.
        worker: WorkerId,
        /// To be named in the answer.
        lease: LeaseId,
        /// Of all of the tasks.
        category: Category,
        /// At least one.
        tasks: Vec<Arc<Task>>,
    },
    /// Tell this worker to leave after what it has in hand, and start no process in its seat any more. Say when it is gone,
    /// of a seat without a process, too.
    Terminate {
        /// Whom.
        worker: WorkerId,
    },
    /// Kill this worker, and say when it is gone.
    KillWorker {
        /// Which.
        worker: WorkerId,
    },
    /// Write this down, in place of the video's last checkpoint.
    Checkpoint {
        /// Which video.
        video: VideoNo,
        /// Everything up to this frame is done.
        frame_idx: u64,
        /// The flow's state.
        state: Value,
    },
    /// Something happened to a vehicle: for whoever listens. It comes before the checkpoint that knows of it.
    Vehicle {
        /// In which video.
        video: VideoNo,
        /// What.
        event: Box<VehicleEvent>,
    },
    /// A video is over: its flow is dropped. A complete or partial one needs no checkpoint any more.
    VideoEnded {
        /// Which.
        video: VideoNo,
        /// How.
        end: VideoEnd,
    },
    /// Something that could not be done, and why: for the list of dead letters.
    DeadLetter(DeadLetter),
    /// For the log.
    Log(Event),
    /// End the scheduler's process, and say when it is gone.
    StopScheduler,
    /// The run is over. Comes once; nothing but `Idle` follows.
    Finished(RunEnd),
    /// Nothing more; hand in [`Input::Deadline`](super::Input::Deadline) at this time unless something happens before.
    WakeAt(Duration),
    /// Nothing more until something happens.
    Idle,
}
