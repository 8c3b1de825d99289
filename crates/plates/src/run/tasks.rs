//! Open tasks: from the moment a flow spawns one until its outcome is known.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use super::{ids::VideoNo, overflow::Overflow};
use crate::{
    category::{Category, Class},
    flow::{Key, NewTask},
    ledger::Ledger,
    queue::{CentralTaskQueue, Limits, Ticket},
    task::{FrameSlot, Task, TaskId},
};

/// A task that has no outcome yet.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) task: Arc<Task>,
    pub(super) video: VideoNo,
    pub(super) key: Key,
    /// Workers that died with it in hand.
    pub(super) deaths: u32,
    /// How often it failed for the moment.
    pub(super) failures: u32,
    /// 0, or the arrival of its frame, from 1.
    age: u64,
    /// Its place in the queue, once it had one.
    ticket: Option<Ticket>,
}

/// What changed in the overflow, for the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pressure {
    /// A bucket refused a task, the first one since it had room.
    Refused(Category),
    /// No task of this category waits outside any more.
    Recovered(Category),
}

/// All open tasks, where they wait, and the frames that they hold.
///
/// A task is at one place: in the queue, in the overflow, delayed, or taken.
#[derive(Debug)]
pub(super) struct Tasks {
    pub(super) queue: CentralTaskQueue<TaskId>,
    pub(super) ledger: Ledger,
    overflow: Overflow,
    /// Until when each pauses before it is tried again.
    delayed: BTreeSet<(Duration, TaskId)>,
    delayed_of: [usize; Category::ALL.len()],
    open: HashMap<TaskId, Open>,
    last_id: u64,
    pub(super) pressures: Vec<Pressure>,
    pub(super) freed: Vec<FrameSlot>,
    /// How many pushes were refused, for the counters.
    pub(super) refused: u64,
}

impl Tasks {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            queue: CentralTaskQueue::new(limits),
            ledger: Ledger::default(),
            overflow: Overflow::default(),
            delayed: BTreeSet::new(),
            delayed_of: [0; Category::ALL.len()],
            open: HashMap::new(),
            last_id: 0,
            pressures: Vec::new(),
            freed: Vec::new(),
            refused: 0,
        }
    }

    /// A new task waits, and holds its frame. False, and nothing changed, if nobody holds that frame any more.
    pub(super) fn spawn(&mut self, now: Duration, video: VideoNo, key: Key, task: NewTask) -> bool {
        let age = match task.frame {
            None => 0,
            Some(slot) => match self.ledger.order(slot) {
                Some(order) if self.ledger.add(slot) => order + 1,
                _ => return false,
            },
        };
        self.last_id += 1;
        let id = TaskId(self.last_id);
        let open = Open {
            task: Arc::new(task.into_task(id)),
            video,
            key,
            deaths: 0,
            failures: 0,
            age,
            ticket: None,
        };
        self.open.insert(id, open);
        self.enqueue(now, id);
        true
    }

    /// Up to `max` tasks of one of these categories; none if nothing waits. `workers` is how many there are of each class. A task with
    /// which a worker died is taken alone: if it kills again, nothing else is to blame.
    pub(super) fn take(
        &mut self,
        now: Duration,
        categories: impl Iterator<Item = Category> + Clone,
        max: usize,
        workers: [usize; 2],
    ) -> Option<(Category, Vec<TaskId>)> {
        let category = self.queue.choose(now, categories)?;
        // What waits is shared out among the workers that may take it.
        let workers = workers[category.class() as usize].max(1);
        let share = self.queue.backlog(category).div_ceil(workers);
        let max = max.min(share).max(1);
        let mut taken = Vec::new();
        while let Some(next) = self.queue.peek(category) {
            let is_suspect = self.open.get(next).is_some_and(|it| it.deaths > 0);
            if taken.len() >= max || (is_suspect && !taken.is_empty()) {
                break;
            }
            let Some(popped) = self.queue.pop(category) else {
                break;
            };
            if let Some(open) = self.open.get_mut(&popped.item) {
                open.ticket = Some(popped.ticket);
            }
            taken.push(popped.item);
            if is_suspect {
                break;
            }
        }
        self.refill(now, category);
        Some((category, taken))
    }

    /// The task as it is to be handed out.
    pub(super) fn begun(&self, id: TaskId) -> Option<Arc<Task>> {
        self.open.get(&id).map(|it| it.task.clone())
    }

    pub(super) fn get_mut(&mut self, id: TaskId) -> Option<&mut Open> {
        self.open.get_mut(&id)
    }

    /// A taken task goes back to its place, or to the overflow if that is full. `was_begun`: it is handed out as the next
    /// attempt.
    pub(super) fn give_back(&mut self, now: Duration, id: TaskId, was_begun: bool) {
        if let Some(open) = self.open.get_mut(&id) {
            self.queue.finished(open.task.category);
            if was_begun {
                Arc::make_mut(&mut open.task).attempt += 1;
            }
            self.enqueue(now, id);
        }
    }

    /// A taken task goes back at `until`, as the next attempt.
    pub(super) fn delay(&mut self, id: TaskId, until: Duration) {
        if let Some(open) = self.open.get_mut(&id) {
            self.queue.finished(open.task.category);
            Arc::make_mut(&mut open.task).attempt += 1;
            self.delayed_of[open.task.category as usize] += 1;
            self.delayed.insert((until, id));
        }
    }

    /// Tasks whose pause is over wait again.
    pub(super) fn resume_delayed(&mut self, now: Duration) {
        while let Some((_, id)) = self.delayed.first().copied().filter(|(at, _)| *at <= now) {
            self.delayed.pop_first();
            if let Some(open) = self.open.get(&id) {
                self.delayed_of[open.task.category as usize] -= 1;
            }
            self.enqueue(now, id);
        }
    }

    /// When the next pause is over.
    pub(super) fn next_delayed(&self) -> Option<Duration> {
        self.delayed.first().map(|(at, _)| *at)
    }

    /// A taken task has its outcome, and is open no longer. It holds its frame until that is [released](Self::release):
    /// after what follows from its outcome was spawned.
    pub(super) fn finish(&mut self, id: TaskId) -> Option<Open> {
        let open = self.open.remove(&id)?;
        self.queue.finished(open.task.category);
        Some(open)
    }

    /// One holder of this frame less.
    pub(super) fn release(&mut self, slot: FrameSlot) {
        if self.ledger.release(slot) {
            self.freed.push(slot);
        }
    }

    /// Tasks of a category that wait: in the queue, outside it, or for their next attempt.
    pub(super) fn waiting(&self, category: Category) -> usize {
        self.queue.backlog(category) + self.outside(category) + self.delayed_of(category)
    }

    /// Tasks of a class that wait.
    pub(super) fn waiting_of(&self, class: Class) -> usize {
        let categories = Category::ALL.into_iter().filter(|it| it.class() == class);
        categories.map(|it| self.waiting(it)).sum()
    }

    /// Tasks of a category that a full bucket refused.
    pub(super) fn outside(&self, category: Category) -> usize {
        self.overflow.len(category)
    }

    /// Tasks of a category that pause before their next attempt.
    pub(super) fn delayed_of(&self, category: Category) -> usize {
        self.delayed_of[category as usize]
    }

    pub(super) fn has_overflow(&self) -> bool {
        !self.overflow.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Tasks that have no outcome yet.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Gives every open task up, and lets go of its frame. By id.
    pub(super) fn abandon(&mut self) -> Vec<Arc<Task>> {
        let mut all: Vec<_> = self.open.drain().map(|(_, it)| it.task).collect();
        all.sort_unstable_by_key(|it| it.id);
        for slot in all.iter().filter_map(|it| it.frame) {
            self.release(slot);
        }
        self.queue = CentralTaskQueue::new(*self.queue.limits());
        self.overflow = Overflow::default();
        self.delayed.clear();
        self.delayed_of = Default::default();
        all
    }

    /// Into the queue, or into the overflow where others wait, or the bucket is full.
    fn enqueue(&mut self, now: Duration, id: TaskId) {
        let Some(open) = self.open.get(&id) else {
            return;
        };
        let (category, priority) = (open.task.category, open.task.priority);
        let age = open.age;
        let is_first = self.overflow.len(category) == 0;
        if is_first && self.push(now, id) {
            return;
        }
        self.overflow.insert(category, priority, age, id);
        self.refused += 1;
        if is_first {
            self.pressures.push(Pressure::Refused(category));
        }
    }

    fn push(&mut self, now: Duration, id: TaskId) -> bool {
        let Some(open) = self.open.get(&id) else {
            return true;
        };
        let pushed = match open.ticket {
            Some(ticket) => self.queue.put_back(ticket, id),
            None => {
                let (category, priority) = (open.task.category, open.task.priority);
                self.queue.push(now, category, priority, id)
            }
        };
        pushed.is_ok()
    }

    /// What waits outside goes in as far as there is room.
    fn refill(&mut self, now: Duration, category: Category) {
        if self.overflow.len(category) == 0 {
            return;
        }
        while let Some(id) = self.overflow.first(category) {
            if !self.push(now, id) {
                return;
            }
            self.overflow.remove_first(category);
        }
        self.pressures.push(Pressure::Recovered(category));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::task::Payload;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn a_task_that_a_worker_died_with_is_taken_alone_wherever_it_stands() {
        let mut tasks = Tasks::new(Limits::default());
        for key in 1..4 {
            let task = NewTask {
                category: Category::Ocr,
                priority: 0,
                video_id: String::new(),
                frame_idx: None,
                track_id: None,
                frame: None,
                payload: Payload::VehicleDetect,
                meta: Map::new(),
            };
            assert!(tasks.spawn(NOW, VideoNo(0), Key(key), task));
        }
        let take = |tasks: &mut Tasks, max| {
            let taken = tasks.take(NOW, Category::ALL.into_iter(), max, [1, 1]);
            let ids = taken.map(|(_, ids)| ids).unwrap_or_default();
            ids.into_iter().map(|it| it.0).collect::<Vec<_>>()
        };
        assert_eq!(
            (take(&mut tasks, 1), take(&mut tasks, 1)),
            (vec![1], vec![2])
        );
        tasks.get_mut(TaskId(2)).unwrap().deaths = 1;
        tasks.give_back(NOW, TaskId(2), true);
        tasks.give_back(NOW, TaskId(1), false);
        assert_eq!(take(&mut tasks, 8), [1], "nothing stands beside it");
        assert_eq!(take(&mut tasks, 8), [2]);
        assert_eq!(take(&mut tasks, 8), [3]);
    }
}
