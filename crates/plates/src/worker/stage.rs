//! What a stage is.

use crate::{
    category::Class,
    task::{Failure, Output, Payload, Task},
};

use super::{Frames, Setup};

/// A kind of work that a worker can do: its name, and how it comes to life.
///
/// A stage of one's own is a type with this trait, one with [`Stage`], and a line in the table that the worker is run with
/// ([`super::run_with`]); its tasks are [`Payload::Custom`] with its name.
pub trait StageKind: Sync {
    /// The category's name on the wire, or the name in [`Payload::Custom`].
    fn name(&self) -> &'static str;

    /// Which workers do it.
    fn class(&self) -> Class;

    /// Opens what it needs: models, connections. Once a worker, when it is first needed.
    fn load(&self, setup: &Setup) -> Result<Box<dyn Stage>, LoadError>;

    /// About how many bytes it takes once it is loaded.
    fn memory(&self) -> u64 {
        1 << 20
    }
}

/// A stage that is loaded. It keeps nothing between calls that an output depends on.
pub trait Stage {
    /// Does these tasks, all of this stage. One outcome a task, in their order; an outcome depends on its task alone.
    fn process(&mut self, tasks: &[Task], frames: &mut Frames) -> Vec<Result<Output, Failure>>;
}

/// Why a stage cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct LoadError {
    /// One sentence that names the file or address, and what was expected.
    pub reason: String,
    /// Another try would fail again: a model that is missing or wrong, not a database that is away.
    pub is_permanent: bool,
}

impl LoadError {
    /// Another try would fail again.
    pub fn permanent(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            is_permanent: true,
        }
    }

    /// It may do another time.
    pub fn transient(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            is_permanent: false,
        }
    }
}

/// The name of the stage that a task is for.
pub(super) fn stage_of(task: &Task) -> &str {
    match &task.payload {
        Payload::Custom { name, .. } => name,
        _ => task.category.name(),
    }
}

/// An outcome for each of `tasks`: the same failure.
pub(super) fn all_failed(tasks: &[Task], failure: &Failure) -> Vec<Result<Output, Failure>> {
    tasks.iter().map(|_| Err(failure.clone())).collect()
}
