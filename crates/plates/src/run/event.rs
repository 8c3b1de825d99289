//! What is worth a line in the log.

use std::{fmt, time::Duration};

use framerill_media::counted;
use framerill_worker::message::Level;

use super::{
    ids::{ReaderId, WorkerId},
    input::Signal,
};
use crate::{
    category::{Category, Class},
    detection::Reading,
    flow::VideoStatus,
    task::TaskId,
};

/// What is worth a line in the log. `Display` is the line.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A video is being read from this frame on.
    VideoBegun {
        /// Which.
        video: String,
        /// By whom.
        reader: ReaderId,
        /// Later than 0 after a checkpoint, or after a reader's death.
        from: u64,
    },
    /// A video is over.
    VideoEnded {
        /// Which.
        video: String,
        /// How.
        status: VideoStatus,
        /// Why it is not complete.
        reason: Option<String>,
    },
    /// Readers wait: so much work of this class is queued.
    BackpressureEntered {
        /// Which.
        class: Class,
        /// Queued tasks.
        count: usize,
        /// More than this is too many.
        limit: usize,
    },
    /// Readers go on.
    BackpressureRecovered,
    /// One class recovered, and the other one still makes readers wait.
    BackpressureShifted {
        /// No longer over its limit.
        recovered: Class,
        /// Still over its limit.
        blocking: Class,
    },
    /// A full bucket refuses tasks: they wait until there is room.
    PushRefused {
        /// Which bucket.
        category: Category,
        /// Its hard limit.
        limit: usize,
    },
    /// All refused tasks of this category found room.
    PushRecovered {
        /// Which bucket.
        category: Category,
    },
    /// A worker's process runs.
    WorkerJoined {
        /// Which.
        worker: WorkerId,
        /// Its process.
        pid: u32,
        /// How often its seat had to be filled again.
        restarts: u64,
    },
    /// A worker is gone without having been asked.
    WorkerDied {
        /// Which.
        worker: WorkerId,
        /// One sentence.
        reason: String,
        /// Tasks that it had in hand.
        tasks: usize,
    },
    /// A worker has not been heard of for long. Once in an episode.
    WorkerStale {
        /// Which.
        worker: WorkerId,
        /// Since it was heard of.
        silent: Duration,
    },
    /// A worker is killed.
    WorkerKilled {
        /// Which.
        worker: WorkerId,
        /// One sentence.
        reason: String,
    },
    /// A worker could not load what a category needs.
    LoadFailed {
        /// Which.
        worker: WorkerId,
        /// For what.
        category: Category,
        /// One sentence.
        reason: String,
        /// Until it tries again.
        pause: Duration,
    },
    /// A reader is gone before its video's end.
    ReaderDied {
        /// Which.
        reader: ReaderId,
        /// Of which video, as shown to people.
        video: String,
        /// One sentence.
        reason: String,
    },
    /// A reader is killed.
    ReaderKilled {
        /// Which.
        reader: ReaderId,
        /// One sentence.
        reason: String,
    },
    /// There is no memory for a reader's frames.
    NoStore {
        /// One sentence.
        reason: String,
    },
    /// A task failed for the moment and is tried again.
    TaskRetried {
        /// Which.
        task: TaskId,
        /// Its kind of work.
        category: Category,
        /// Its video, as shown to people.
        video: String,
        /// Its frame.
        frame_idx: Option<u64>,
        /// One sentence.
        reason: String,
        /// Until then.
        pause: Duration,
    },
    /// A task, or a row of one, is set aside.
    SetAside {
        /// Which.
        task: TaskId,
        /// Its kind of work.
        category: Category,
        /// Its video, as shown to people.
        video: String,
        /// Its frame.
        frame_idx: Option<u64>,
        /// One sentence.
        reason: String,
    },
    /// What OCR said, as it said it.
    Read {
        /// Who.
        worker: WorkerId,
        /// Of which video, as shown to people.
        video: String,
        /// Of which frame.
        frame_idx: Option<u64>,
        /// What; without a picture.
        reading: Reading,
    },
    /// No new frames any more; work that is begun is done.
    Stopping {
        /// Who asked for it; none at the end of all videos.
        signal: Option<Signal>,
        /// What is queued.
        backlog: Vec<(Category, usize)>,
    },
    /// What is begun is not done to its end.
    DrainCut {
        /// One sentence.
        reason: String,
        /// Tasks that stay undone.
        unfinished: usize,
    },
    /// Something was said that cannot be, and is left alone.
    Odd {
        /// One sentence.
        what: String,
    },
    /// Everything is over.
    ShutdownComplete,
}

/// What [`Event::Odd`] begins with when it is told.
pub const ODD: &str = "odd: ";

impl Event {
    /// How much it matters.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::VideoBegun { .. }
            | Self::BackpressureEntered { .. }
            | Self::BackpressureRecovered
            | Self::BackpressureShifted { .. }
            | Self::PushRefused { .. }
            | Self::PushRecovered { .. }
            | Self::WorkerJoined { .. }
            | Self::Read { .. }
            | Self::Stopping { .. }
            | Self::ShutdownComplete => Level::Info,
            Self::VideoEnded { status, .. } => match status {
                VideoStatus::Complete | VideoStatus::Skipped => Level::Info,
                VideoStatus::Partial | VideoStatus::Stopped => Level::Warn,
                VideoStatus::Failed => Level::Error,
            },
            Self::WorkerDied { .. }
            | Self::WorkerStale { .. }
            | Self::WorkerKilled { .. }
            | Self::LoadFailed { .. }
            | Self::ReaderDied { .. }
            | Self::ReaderKilled { .. }
            | Self::NoStore { .. }
            | Self::TaskRetried { .. }
            | Self::DrainCut { .. }
            | Self::Odd { .. } => Level::Warn,
            Self::SetAside { .. } => Level::Error,
        }
    }
}

fn name(class: Class) -> &'static str {
    match class {
        Class::Gpu => "GPU",
        Class::Cpu => "CPU",
    }
}

fn tasks_are(count: usize) -> String {
    counted(count as u64, "task is", "tasks are")
}

fn frame(frame_idx: Option<u64>) -> String {
    frame_idx.map_or_else(String::new, |it| format!(", frame {it}"))
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VideoBegun {
                video,
                reader,
                from,
            } => write!(f, "{reader} reads {video} from frame {from} on"),
            Self::VideoEnded {
                video,
                status,
                reason,
            } => {
                write!(f, "{video} is over: {status:?}")?;
                reason.iter().try_for_each(|it| write!(f, ": {it}"))
            }
            Self::BackpressureEntered {
                class,
                count,
                limit,
            } => write!(
                f,
                "readers wait: {} queued for {} workers, more than {limit}",
                tasks_are(*count),
                name(*class)
            ),
            Self::BackpressureRecovered => f.write_str("readers go on"),
            Self::BackpressureShifted {
                recovered,
                blocking,
            } => write!(
                f,
                "readers still wait: {} workers caught up, {} workers did not",
                name(*recovered),
                name(*blocking)
            ),
            Self::PushRefused { category, limit } => write!(
                f,
                "{category} is full ({}): more of them wait outside the queue",
                counted(*limit as u64, "task", "tasks")
            ),
            Self::PushRecovered { category } => {
                write!(f, "{category} has room again: no task waits outside")
            }
            Self::WorkerJoined {
                worker,
                pid,
                restarts,
            } => write!(f, "{worker} is process {pid} (restarts: {restarts})"),
            Self::WorkerDied {
                worker,
                reason,
                tasks,
            } => {
                let tasks = counted(*tasks as u64, "task", "tasks");
                write!(f, "{worker} is gone with {tasks} in hand: {reason}")
            }
            Self::WorkerStale { worker, silent } => write!(
                f,
                "stale worker: {worker} has said nothing for {:.1} s",
                silent.as_secs_f64()
            ),
            Self::WorkerKilled { worker, reason } => write!(f, "{worker} is killed: {reason}"),
            Self::LoadFailed {
                worker,
                category,
                reason,
                pause,
            } => write!(
                f,
                "{worker} cannot load what {category} needs, and tries again in {} s: {reason}",
                pause.as_secs()
            ),
            Self::ReaderDied {
                reader,
                video,
                reason,
            } => write!(f, "{reader} of {video} is gone: {reason}"),
            Self::ReaderKilled { reader, reason } => write!(f, "{reader} is killed: {reason}"),
            Self::NoStore { reason } => {
                write!(f, "no memory for frames, readers wait: {reason}")
            }
            Self::TaskRetried {
                task,
                category,
                video,
                frame_idx,
                reason,
                pause,
            } => write!(
                f,
                "{category} failed and is tried again in {:.1} s (task {}, {}{}): {reason}",
                pause.as_secs_f64(),
                task.0,
                video,
                frame(*frame_idx)
            ),
            Self::SetAside {
                task,
                category,
                video,
                frame_idx,
                reason,
            } => write!(
                f,
                "{category} is set aside (task {}, {}{}): {reason}",
                task.0,
                video,
                frame(*frame_idx)
            ),
            Self::Read {
                worker,
                video,
                frame_idx,
                reading,
            } => {
                write!(f, "{worker} read {:?} of {video}", reading.text)?;
                write!(f, "{}: {:.3}", frame(*frame_idx), reading.conf)?;
                let chars = reading.chars.iter();
                let chars: Vec<_> = chars.map(|it| format!("{it:.3}")).collect();
                write!(
                    f,
                    " [{}], sharpness {:.1}",
                    chars.join(" "),
                    reading.sharpness
                )
            }
            Self::Stopping { signal, backlog } => {
                let total: usize = backlog.iter().map(|(_, count)| count).sum();
                match signal {
                    Some(signal) => {
                        write!(f, "stopping on {signal:?}: {} queued", tasks_are(total))?
                    }
                    None => write!(f, "every video is done: {} queued", tasks_are(total))?,
                }
                backlog
                    .iter()
                    .filter(|(_, count)| *count > 0)
                    .try_for_each(|(category, count)| write!(f, ", {category} {count}"))
            }
            Self::DrainCut { reason, unfinished } => {
                let tasks = counted(*unfinished as u64, "task stays", "tasks stay");
                write!(f, "{tasks} undone: {reason}")
            }
            Self::Odd { what } => write!(f, "{ODD}{what}"),
            Self::ShutdownComplete => f.write_str("Shutdown complete"),
        }
    }
}
