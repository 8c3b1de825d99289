//! Tasks that a full bucket refused.

use std::{cmp::Reverse, collections::BTreeSet};

use crate::{category::Category, task::TaskId};

/// Tasks that wait for room in their bucket. Those of settled frames go in first, then those of the frame that arrived first:
/// so frames leave the store in the order in which they came.
///
/// What bounds it: no frame is begun while a task waits here, so it holds what the frames in the store spawn, and no more.
#[derive(Debug, Default)]
pub(super) struct Overflow {
    waits: [BTreeSet<Rank>; Category::ALL.len()],
}

/// By falling priority, then by age.
type Rank = (Reverse<i32>, u64, TaskId);

impl Overflow {
    /// `age` is 0 for a task that needs no frame; else it grows with each frame.
    pub(super) fn insert(&mut self, category: Category, priority: i32, age: u64, task: TaskId) {
        self.waits[category as usize].insert((Reverse(priority), age, task));
    }

    pub(super) fn first(&self, category: Category) -> Option<TaskId> {
        self.waits[category as usize].first().map(|it| it.2)
    }

    pub(super) fn remove_first(&mut self, category: Category) {
        self.waits[category as usize].pop_first();
    }

    pub(super) fn len(&self, category: Category) -> usize {
        self.waits[category as usize].len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waits.iter().all(BTreeSet::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_no_frame_goes_in_first_and_then_what_came_first() {
        let mut overflow = Overflow::default();
        for (priority, age, task) in [(0, 3, 1), (0, 2, 2), (0, 0, 3), (0, 2, 4), (1, 9, 5)] {
            overflow.insert(Category::Ocr, priority, age, TaskId(task));
        }
        let mut order = Vec::new();
        while let Some(TaskId(task)) = overflow.first(Category::Ocr) {
            overflow.remove_first(Category::Ocr);
            order.push(task);
        }
        assert_eq!(order, [5, 3, 2, 4, 1]);
        assert!(overflow.is_empty());
    }
}
