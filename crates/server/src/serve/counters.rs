//! Counting answers.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Answers by route and status. Both are bounded: a route is one of the table's.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<BTreeMap<(&'static str, u16), u64>>);

impl Counters {
    pub(super) fn count(&self, route: &'static str, status: u16) {
        *self.lock().entry((route, status)).or_default() += 1;
    }

    pub(super) fn all(&self) -> BTreeMap<(&'static str, u16), u64> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(&'static str, u16), u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
