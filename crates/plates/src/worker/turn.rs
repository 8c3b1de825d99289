//! The loop of a worker: take, do, say.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    Frames, Setup, StageKind,
    kept::Kept,
    stage::{LoadError, all_failed, stage_of},
};
use crate::{
    link::{Done, FromWorker, Outcome, ToWorker, Told, WorkLink, WorkLinkError},
    task::{Failure, Output, Task},
};

/// Tells a worker's loop to end after what it does.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From now on.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A worker's loop over one link.
pub struct Turn<'a> {
    link: &'a WorkLink,
    setup: &'a Setup,
    stages: &'a [&'static dyn StageKind],
    stop: Stop,
    frames: Frames,
    kept: Kept,
}

impl<'a> Turn<'a> {
    /// A worker that does `stages` and has loaded none of them.
    #[must_use]
    pub fn new(
        link: &'a WorkLink,
        setup: &'a Setup,
        stages: &'a [&'static dyn StageKind],
        stop: Stop,
    ) -> Self {
        Self {
            link,
            setup,
            stages,
            stop,
            frames: Frames::default(),
            kept: Kept::default(),
        }
    }

    /// Loads a stage before anybody needs it.
    pub fn load(&mut self, name: &str) -> Result<(), LoadError> {
        if self.kept.get(name).is_some() {
            return Ok(());
        }
        let Some(kind) = self.stages.iter().find(|it| it.name() == name) else {
            return Err(LoadError::permanent(format!(
                "this worker has no stage `{name}`"
            )));
        };
        self.kept.make_room(kind.memory(), self.setup.memory);
        let stage = catch_unwind(AssertUnwindSafe(|| kind.load(self.setup)));
        let stage = stage.unwrap_or_else(|panic| {
            let what = panicked(panic.as_ref());
            Err(LoadError::transient(format!("`{name}` panicked: {what}")))
        })?;
        self.kept.put(kind.name(), kind.memory(), stage);
        Ok(())
    }

    /// Until the link ends or the stop is set; what it has begun is said before.
    pub fn run(mut self) -> Result<(), WorkLinkError> {
        let mut done = None;
        loop {
            let max = if self.stop.is_set() {
                0
            } else {
                self.setup.batch.max(1)
            };
            let said = self.link.say(&FromWorker::Take {
                max,
                done: done.take(),
            });
            match said {
                Err(error) if error.is_closed() => return Ok(()),
                said => said?,
            }
            if max == 0 {
                return Ok(());
            }
            let (lease, tasks) = match self.wait() {
                Ok(given) => given,
                Err(error) if error.is_closed() => return Ok(()),
                Err(error) => return Err(error),
            };
            done = self.work(lease, &tasks)?;
        }
    }

    fn wait(&mut self) -> Result<(u64, Vec<Task>), WorkLinkError> {
        loop {
            match self.link.listen()? {
                Told::Pool(pool, memory) => self.frames.lend(pool, memory),
                Told::Message(ToWorker::PoolGone { pool }) => self.frames.gone(pool),
                Told::Message(ToWorker::Tasks { lease, tasks, .. }) => return Ok((lease, tasks)),
                Told::Message(ToWorker::Pool { .. }) => {
                    return Err(WorkLinkError::Rule("`pool` carries memory"));
                }
            }
        }
    }

    /// What came of them; none if what they need could not be loaded, which is said.
    #[expect(clippy::disallowed_methods, reason = "driver: measures stages")]
    fn work(&mut self, lease: u64, tasks: &[Task]) -> Result<Option<Done>, WorkLinkError> {
        let (mut outcomes, mut took) = (Vec::with_capacity(tasks.len()), Duration::ZERO);
        // Tasks of one category are of one stage, but for stages of users' own.
        for tasks in tasks.chunk_by(|a, b| stage_of(a) == stage_of(b)) {
            let name = tasks.first().map_or("", stage_of);
            let results = match self.loaded(name)? {
                Ok(()) => {
                    let began = Instant::now();
                    let results = self.process(name, tasks);
                    took += began.elapsed();
                    results
                }
                Err(error) if outcomes.is_empty() => {
                    let reason = error.reason;
                    self.link.say(&FromWorker::LoadFailed { lease, reason })?;
                    return Ok(None);
                }
                Err(error) => all_failed(tasks, &not_loaded(error)),
            };
            let results = tasks.iter().zip(results);
            outcomes.extend(results.map(|(task, result)| Outcome {
                task: task.id,
                result,
            }));
        }
        Ok(Some(Done {
            lease,
            outcomes,
            stage_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        }))
    }

    /// Loads a stage unless it is loaded, and says how that goes.
    #[expect(clippy::disallowed_methods, reason = "driver: measures loads")]
    fn loaded(&mut self, name: &str) -> Result<Result<(), LoadError>, WorkLinkError> {
        if self.kept.get(name).is_some() {
            return Ok(Ok(()));
        }
        let stage = name.to_owned();
        self.link.say(&FromWorker::Loading { stage })?;
        let began = Instant::now();
        let loaded = self.load(name);
        if loaded.is_ok() {
            let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let stage = name.to_owned();
            self.link.say(&FromWorker::Loaded { stage, ms })?;
        }
        Ok(loaded)
    }

    /// A stage that panics, or does not answer for each task, fails with them and is loaded anew.
    fn process(&mut self, name: &str, tasks: &[Task]) -> Vec<Result<Output, Failure>> {
        let Some(stage) = self.kept.get(name) else {
            return vec![];
        };
        let frames = &mut self.frames;
        let outcomes = catch_unwind(AssertUnwindSafe(|| stage.process(tasks, frames)));
        let reason = match outcomes {
            Ok(outcomes) if outcomes.len() == tasks.len() => return outcomes,
            Ok(outcomes) => format!(
                "`{name}` answered {} of {} tasks",
                outcomes.len(),
                tasks.len()
            ),
            Err(panic) => format!("`{name}` panicked: {}", panicked(panic.as_ref())),
        };
        self.kept.drop_one(name);
        let failure = Failure {
            reason,
            is_transient: false,
        };
        match tasks {
            [_] => all_failed(tasks, &failure),
            // One of them is at fault: each is tried alone.
            _ => tasks.iter().flat_map(|it| self.alone(name, it)).collect(),
        }
    }

    fn alone(&mut self, name: &str, task: &Task) -> Vec<Result<Output, Failure>> {
        match self.load(name) {
            Ok(()) => self.process(name, std::slice::from_ref(task)),
            Err(error) => vec![Err(not_loaded(error))],
        }
    }
}

fn not_loaded(error: LoadError) -> Failure {
    Failure {
        reason: error.reason,
        is_transient: true,
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests;
