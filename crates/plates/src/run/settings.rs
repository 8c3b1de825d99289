//! What a run is told to do, and how much at once.

use std::time::Duration;

use super::input::Takes;
use crate::queue;

/// How much at once. Read by [`Settings::read`].
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
    /// `QUEUE_SOFT_LIMIT`, `QUEUE_HARD_LIMIT`, `QUEUE_RECOVER_RATIO`, `QUEUE_MAX_WAIT`.
    pub queue: queue::Limits,
    /// Workers of one class do the work of the other, too, where that has none.
    pub takes_over: bool,
    /// `FRAME_SLOTS`: frames in the store for each reader.
    pub frame_slots: u32,
    /// How long things may take.
    pub timing: Timing,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// `DRAIN_TIMEOUT`: from a stop until what is begun is given up.
    pub drain: Duration,
    /// `TASK_TIMEOUT`: a worker that has a task for longer is killed; not counted while it loads.
    pub task: Duration,
    /// A worker that says nothing for longer is warned of.
    pub stale: Duration,
    /// `WORKER_TIMEOUT`: a worker that says nothing for longer is killed.
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
            frame_slots: 12,
            timing: Timing::default(),
        }
    }
}

/// A setting that cannot be: for exit code 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {reason}")]
pub struct SettingError {
    /// Its name.
    pub variable: &'static str,
    /// What is wrong with it, and what it may be.
    pub reason: String,
}

/// Variables of the original that have no meaning any more: each is worth one warning.
pub const HISTORICAL: [&str; 2] = ["NUM_DISPATCHERS", "DISPATCH_FETCH_LIMIT"];

/// Workers of the GPU class have ids below that of the first of the CPU class.
const MOST_GPU_WORKERS: u32 = 100;
/// More processes than that are a slip of the finger.
const MOST: u32 = 1000;

impl Settings {
    /// Reads the settings that `get` has, by their names in the environment; the rest have their defaults.
    ///
    /// # Errors
    ///
    /// The first one that is bad, by its name.
    pub fn read(
        takes_over: bool,
        get: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, SettingError> {
        let reader = Reader(get);
        let old = Self::default();
        let it = Self {
            gpu_workers: reader.count("NUM_GPU_WORKERS", old.gpu_workers, 0, MOST_GPU_WORKERS)?,
            cpu_workers: reader.count("NUM_CPU_WORKERS", old.cpu_workers, 0, MOST)?,
            video_readers: reader.count("NUM_VIDEO_READERS", old.video_readers, 1, MOST)?,
            max_gpu_backlog: reader.tasks("MAX_GPU_BACKLOG", old.max_gpu_backlog, 0)?,
            max_cpu_backlog: reader.tasks("MAX_CPU_BACKLOG", old.max_cpu_backlog, 0)?,
            queue: reader.queue(&old.queue)?,
            takes_over,
            frame_slots: reader.count("FRAME_SLOTS", old.frame_slots, 1, MOST)?,
            timing: Timing {
                drain: reader.secs("DRAIN_TIMEOUT", old.timing.drain)?,
                task: reader.secs("TASK_TIMEOUT", old.timing.task)?,
                silent: reader.secs("WORKER_TIMEOUT", old.timing.silent)?,
                ..old.timing
            },
        };
        it.checked()
    }

    /// Itself, if its parts fit together.
    ///
    /// # Errors
    ///
    /// The first one that does not fit, by its name.
    pub fn checked(self) -> Result<Self, SettingError> {
        let wrong = |variable, reason: String| Err(SettingError { variable, reason });
        let (soft, hard) = (self.queue.soft, self.queue.hard);
        let one = "needs at least 1 worker, unless the other class is told to do its work, too";
        match (self.gpu_workers, self.cpu_workers) {
            (0, 0) => wrong(
                "NUM_GPU_WORKERS",
                "is 0, and so is NUM_CPU_WORKERS: nobody would do the work".into(),
            ),
            (0, _) if !self.takes_over => wrong("NUM_GPU_WORKERS", one.into()),
            (_, 0) if !self.takes_over => wrong("NUM_CPU_WORKERS", one.into()),
            _ if hard == 0 => wrong("QUEUE_HARD_LIMIT", "must be at least 1, is 0".into()),
            _ if soft > hard => wrong(
                "QUEUE_SOFT_LIMIT",
                format!("must be at most QUEUE_HARD_LIMIT ({hard}), is {soft}"),
            ),
            _ => Ok(self),
        }
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

struct Reader<G>(G);

impl<G: Fn(&'static str) -> Option<String>> Reader<G> {
    fn whole(
        &self,
        variable: &'static str,
        default: u64,
        least: u64,
        most: u64,
    ) -> Result<u64, SettingError> {
        let Some(text) = (self.0)(variable) else {
            return Ok(default);
        };
        let number = text.trim().parse::<u64>().ok();
        number
            .filter(|it| (least..=most).contains(it))
            .ok_or_else(|| SettingError {
                variable,
                reason: format!("must be a whole number from {least} to {most}, is `{text}`"),
            })
    }

    fn count(
        &self,
        variable: &'static str,
        default: u32,
        least: u32,
        most: u32,
    ) -> Result<u32, SettingError> {
        let count = self.whole(variable, default.into(), least.into(), most.into())?;
        Ok(u32::try_from(count).unwrap_or(most))
    }

    fn tasks(
        &self,
        variable: &'static str,
        default: usize,
        least: u64,
    ) -> Result<usize, SettingError> {
        let most = 1_000_000;
        let count = self.whole(variable, default as u64, least, most)?;
        Ok(usize::try_from(count).unwrap_or(default))
    }

    /// A number that is no whole one, within bounds.
    fn real(
        &self,
        variable: &'static str,
        default: f64,
        least: f64,
        most: f64,
        unit: &str,
    ) -> Result<f64, SettingError> {
        let Some(text) = (self.0)(variable) else {
            return Ok(default);
        };
        let number = text.trim().parse::<f64>().ok();
        number
            .filter(|it| (least..=most).contains(it))
            .ok_or_else(|| SettingError {
                variable,
                reason: format!("must be a number{unit} from {least} to {most}, is `{text}`"),
            })
    }

    fn secs(&self, variable: &'static str, default: Duration) -> Result<Duration, SettingError> {
        let secs = self.real(
            variable,
            default.as_secs_f64(),
            0.1,
            86_400.0,
            " of seconds",
        )?;
        Ok(Duration::from_secs_f64(secs))
    }

    fn queue(&self, old: &queue::Limits) -> Result<queue::Limits, SettingError> {
        let hard = self.tasks("QUEUE_HARD_LIMIT", old.hard, 1)?;
        // A hard limit that is lowered alone lowers the soft one with it.
        let soft = self.tasks("QUEUE_SOFT_LIMIT", old.soft.min(hard), 1)?;
        Ok(queue::Limits {
            soft,
            hard,
            recover_ratio: self.real("QUEUE_RECOVER_RATIO", old.recover_ratio, 0.0, 1.0, "")?,
            starved_after: self.secs("QUEUE_MAX_WAIT", old.starved_after)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Settings, SettingError> {
        let set: Vec<_> = set
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Settings::read(false, move |name| {
            let found = set.iter().find(|(it, _)| it == name);
            found.map(|(_, value)| value.clone())
        })
    }

    #[test]
    fn what_is_not_set_has_the_defaults_of_the_contract() {
        let it = read(&[]).unwrap();
        assert_eq!(it, Settings::default());
        let workers = (it.gpu_workers, it.cpu_workers, it.video_readers);
        assert_eq!(workers, (2, 4, 2));
        let limits = (it.max_gpu_backlog, it.max_cpu_backlog);
        assert_eq!(limits, (8, 16));
        assert_eq!((it.queue.soft, it.queue.hard), (64, 128));
    }

    #[test]
    fn what_is_set_counts() {
        let it = read(&[
            ("NUM_GPU_WORKERS", " 3 "),
            ("MAX_CPU_BACKLOG", "0"),
            ("QUEUE_HARD_LIMIT", "1"),
            ("DRAIN_TIMEOUT", "0.5"),
        ])
        .unwrap();
        assert_eq!((it.gpu_workers, it.max_cpu_backlog), (3, 0));
        assert_eq!((it.queue.soft, it.queue.hard), (1, 1));
        assert_eq!(it.timing.drain, Duration::from_millis(500));
    }

    #[test]
    fn each_bad_value_has_one_line_that_names_its_variable() {
        let all: [&[(&str, &str)]; 14] = [
            &[("NUM_GPU_WORKERS", "two")],
            &[("NUM_GPU_WORKERS", "101")],
            &[("NUM_CPU_WORKERS", "-1")],
            &[("NUM_VIDEO_READERS", "0")],
            &[("MAX_GPU_BACKLOG", "-8")],
            &[("MAX_CPU_BACKLOG", "")],
            &[("QUEUE_SOFT_LIMIT", "65"), ("QUEUE_HARD_LIMIT", "64")],
            &[("QUEUE_HARD_LIMIT", "0")],
            &[("QUEUE_RECOVER_RATIO", "NaN")],
            &[("QUEUE_MAX_WAIT", "-2")],
            &[("DRAIN_TIMEOUT", "inf")],
            &[("NUM_GPU_WORKERS", "0")],
            &[("NUM_CPU_WORKERS", "0")],
            &[("NUM_GPU_WORKERS", "0"), ("NUM_CPU_WORKERS", "0")],
        ];
        for set in all {
            let wrong = read(set).unwrap_err();
            assert_eq!(wrong.variable, set[0].0);
            let line = wrong.to_string();
            assert!(line.starts_with(set[0].0) && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn no_worker_of_one_class_is_fine_where_the_other_takes_both() {
        let none = |name| (name == "NUM_CPU_WORKERS").then(|| "0".to_owned());
        let it = Settings::read(true, none).unwrap();
        assert_eq!(it.gpu_takes(), Takes::Both);
        assert!(Settings::read(false, none).is_err());
    }
}
