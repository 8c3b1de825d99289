//! What a run is told to do, and how much at once.

use std::{collections::BTreeMap, time::Duration};

use super::{ids::WorkerId, input::Takes};
use crate::{category::Category, queue};

/// Workers of stages of a user's own have ids from this one on.
const FIRST_OWN_WORKER: u32 = 200;

/// How much at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `NUM_GPU_WORKERS`: processes of the GPU class.
    pub gpu_workers: u32,
    /// `NUM_CPU_WORKERS`: processes of the CPU class.
    pub cpu_workers: u32,
    /// `NUM_VIDEO_READERS`: processes that read videos, at most; never more than there are videos.
    pub video_readers: u32,
    /// `MAX_GPU_BACKLOG`: no frame is begun while more tasks than this wait for the GPU class.
    pub max_gpu_backlog: usize,
    /// `MAX_CPU_BACKLOG`: no frame is begun while more tasks than this wait for the CPU class.
    pub max_cpu_backlog: usize,
    /// `QUEUE_SOFT_LIMIT` and `QUEUE_HARD_LIMIT`, and what follows from them.
    pub queue: queue::Limits,
    /// Workers of one class do the work of the other, too, where that has none.
    pub takes_over: bool,
    /// Categories that stages of a user's own do, and in how many processes each. Workers of the classes leave them alone.
    pub own_stages: BTreeMap<Category, u32>,
    /// Frames in the store for each reader.
    pub frame_slots: u32,
    /// Plates are made clean before they are read: the run has tasks of that kind.
    pub denoises: bool,
    /// `OCR_DEBUG_MAX`, where `OCR_DEBUG_RESULTS` is set: raw readings that are logged of each video and worker, at most.
    pub ocr_debug: u32,
    /// How long things may take.
    pub timing: Timing,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From a stop until what is begun is given up.
    pub drain: Duration,
    /// A worker that has a task for longer is killed; not counted while it loads.
    pub task: Duration,
    /// A worker that says nothing for longer is warned of.
    pub stale: Duration,
    /// A worker that says nothing for longer is killed.
    pub silent: Duration,
    /// A reader that may go on, has room, and decodes nothing for longer is killed.
    pub reader_stuck: Duration,
    /// What readers get to leave, once more after they are killed.
    pub readers_leave: Duration,
    /// What workers get to leave.
    pub workers_leave: Duration,
    /// What killed workers, then the scheduler, get.
    pub killed: Duration,
    /// A model that loads nowhere for longer ends the run; so does a frame store for which there is no memory.
    pub cannot_load: Duration,
    /// A checkpoint is wanted this long after the last one.
    pub checkpoint: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            drain: Duration::from_secs(60),
            task: Duration::from_secs(60),
            stale: Duration::from_secs(10),
            silent: Duration::from_secs(60),
            reader_stuck: Duration::from_secs(30),
            readers_leave: Duration::from_secs(2),
            workers_leave: Duration::from_secs(5),
            killed: Duration::from_secs(2),
            cannot_load: Duration::from_secs(90),
            checkpoint: Duration::from_secs(5),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            gpu_workers: 2,
            cpu_workers: 4,
            video_readers: 2,
            max_gpu_backlog: 8,
            max_cpu_backlog: 16,
            queue: queue::Limits::default(),
            takes_over: false,
            own_stages: BTreeMap::new(),
            frame_slots: 12,
            denoises: false,
            ocr_debug: 0,
            timing: Timing::default(),
        }
    }
}

/// A setting that cannot be: for exit code 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {reason}")]
pub struct SettingError {
    /// Its name.
    pub variable: &'static str,
    /// What is wrong with it, and what it may be.
    pub reason: String,
}

impl Settings {
    /// Itself, if its parts fit together.
    ///
    /// # Errors
    ///
    /// The first one that does not fit, by its name.
    pub fn checked(self) -> Result<Self, SettingError> {
        let wrong = |variable, reason: String| Err(SettingError { variable, reason });
        let (soft, hard) = (self.queue.soft, self.queue.hard);
        match (self.gpu_workers, self.cpu_workers) {
            (0, 0) => wrong(
                "NUM_GPU_WORKERS",
                "and NUM_CPU_WORKERS are 0: nobody would work".into(),
            ),
            (0, _) if !self.takes_over => wrong(
                "NUM_GPU_WORKERS",
                "is 0: nobody would look at frames".into(),
            ),
            (_, 0) if !self.takes_over => wrong(
                "NUM_CPU_WORKERS",
                "is 0: nobody would track and write".into(),
            ),
            _ if hard == 0 => wrong("QUEUE_HARD_LIMIT", "must be at least 1, is 0".into()),
            _ if soft > hard => wrong(
                "QUEUE_SOFT_LIMIT",
                format!("is {soft}, which is more than QUEUE_HARD_LIMIT, {hard}"),
            ),
            _ => Ok(self),
        }
    }

    /// The kinds of work of this run, in their order.
    pub fn categories(&self) -> impl Iterator<Item = Category> + Clone {
        let denoises = self.denoises;
        let all = Category::ALL.into_iter();
        all.filter(move |it| denoises || !it.is_optional())
    }

    /// The seats of stages of a user's own, which follow those of the classes: ids from 200 on.
    #[must_use]
    pub fn own_workers(&self) -> Vec<(WorkerId, Category)> {
        let all = self.own_stages.iter();
        let seats = all.flat_map(|(category, count)| (0..*count).map(|_| *category));
        (FIRST_OWN_WORKER..).map(WorkerId).zip(seats).collect()
    }

    /// What workers of the GPU class do.
    #[must_use]
    pub fn gpu_takes(&self) -> Takes {
        match self.cpu_workers {
            0 => Takes::Both,
            _ => Takes::Gpu,
        }
    }

    /// What workers of the CPU class do.
    #[must_use]
    pub fn cpu_takes(&self) -> Takes {
        match self.gpu_workers {
            0 => Takes::Both,
            _ => Takes::Cpu,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_has_the_defaults_of_the_contract() {
        let it = Settings::default().checked().unwrap();
        let workers = (it.gpu_workers, it.cpu_workers, it.video_readers);
        assert_eq!(workers, (2, 4, 2));
        let limits = (it.max_gpu_backlog, it.max_cpu_backlog);
        assert_eq!(limits, (8, 16));
        assert_eq!((it.queue.soft, it.queue.hard), (64, 128));
    }

    #[test]
    fn each_part_that_does_not_fit_has_one_line_that_names_its_variable() {
        let with = |gpu_workers, cpu_workers, soft, hard| Settings {
            gpu_workers,
            cpu_workers,
            queue: queue::Limits {
                soft,
                hard,
                ..queue::Limits::default()
            },
            ..Settings::default()
        };
        for (settings, variable) in [
            (with(2, 4, 65, 64), "QUEUE_SOFT_LIMIT"),
            (with(2, 4, 0, 0), "QUEUE_HARD_LIMIT"),
            (with(0, 4, 64, 128), "NUM_GPU_WORKERS"),
            (with(2, 0, 64, 128), "NUM_CPU_WORKERS"),
            (with(0, 0, 64, 128), "NUM_GPU_WORKERS"),
        ] {
            let wrong = settings.checked().unwrap_err();
            assert_eq!(wrong.variable, variable);
            let line = wrong.to_string();
            assert!(line.starts_with(variable) && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn no_worker_of_one_class_is_fine_where_the_other_takes_both() {
        let none = |takes_over| Settings {
            cpu_workers: 0,
            takes_over,
            ..Settings::default()
        };
        assert_eq!(none(true).checked().unwrap().gpu_takes(), Takes::Both);
        assert!(none(false).checked().is_err());
    }
}
