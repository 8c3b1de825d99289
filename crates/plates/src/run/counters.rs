//! What is counted in a run.

use std::collections::BTreeMap;

use crate::{
    category::Category,
    flow::{Count, EventKind},
};

/// What happened so far; each only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Frames that readers delivered.
    pub(super) delivered: u64,
    /// Frames that a flow was told of.
    pub(super) begun: u64,
    /// Tasks that flows spawned.
    pub(super) spawned: u64,
    /// Tasks that are done, by category.
    pub(super) done: BTreeMap<Category, u64>,
    /// Outcomes that were failures.
    pub(super) failed: u64,
    /// Tasks that were tried again after a failure.
    pub(super) retried: u64,
    /// Tasks that came back from a dead worker.
    pub(super) returned: u64,
    /// Tasks and rows that were set aside.
    pub(super) dead_letters: u64,
    pub(super) worker_deaths: u64,
    pub(super) reader_deaths: u64,
    pub(super) load_failures: u64,
    pub(super) checkpoints: u64,
    /// What happened to vehicles.
    pub(super) vehicles: BTreeMap<EventKind, u64>,
    /// What flows counted.
    pub(super) flows: BTreeMap<Count, u64>,
}
