//! Pixels of tasks, out of readers' memory.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use framerill_frames::PeerPool;

use crate::task::{Failure, FrameSlot, Task};

/// Copies that are kept, so that the tasks of one frame find it again.
const KEPT_BYTES: usize = 64 << 20;

/// A whole frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Pixels {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Rows without gaps, three bytes a pixel: red, green, blue.
    pub rgb: Vec<u8>,
}

/// Which frame a copy is of: a slot holds another one later.
type Key = (FrameSlot, String, Option<u64>);

/// The readers' memory as a worker sees it, and copies of its newest frames.
#[derive(Debug, Default)]
pub struct Frames {
    pools: HashMap<u32, PeerPool>,
    kept: VecDeque<(Key, Arc<Pixels>)>,
}

impl Frames {
    /// A reader lends its memory.
    pub fn lend(&mut self, pool: u32, memory: PeerPool) {
        self.pools.insert(pool, memory);
    }

    /// No task names this pool any more.
    pub fn gone(&mut self, pool: u32) {
        self.pools.remove(&pool);
        self.kept.retain(|((slot, ..), _)| slot.pool != pool);
    }

    /// Pools that are mapped.
    #[must_use]
    pub fn pools(&self) -> usize {
        self.pools.len()
    }

    /// The frame that a task is about. Another process may write the memory at any time, so that this is a copy; it is made
    /// once for tasks of the same frame.
    pub fn of(&mut self, task: &Task) -> Result<Arc<Pixels>, Failure> {
        self.read(task, KEPT_BYTES)
    }

    /// The frame that this task alone is about: its copy makes way for the next one, which has its memory while caches still
    /// hold it.
    pub fn of_one_look(&mut self, task: &Task) -> Result<Arc<Pixels>, Failure> {
        self.read(task, 0)
    }

    fn read(&mut self, task: &Task, most_kept: usize) -> Result<Arc<Pixels>, Failure> {
        let Some(slot) = task.frame else {
            return Err(failure("the task names no frame".into()));
        };
        let key = (slot, task.video_id.clone(), task.frame_idx);
        if let Some(at) = self.kept.iter().position(|(it, _)| *it == key) {
            let found = self.kept.remove(at);
            if let Some((key, pixels)) = found {
                self.kept.push_back((key, Arc::clone(&pixels)));
                return Ok(pixels);
            }
        }
        let bytes = u64::from(slot.width) * u64::from(slot.height) * 3;
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let memory = self.pools.get(&slot.pool);
        let Some(memory) = memory.and_then(|it| it.slot(slot.slot, bytes)) else {
            let (FrameSlot { pool, slot, .. }, known) = (slot, memory.is_some());
            let what = if known { "slot" } else { "pool" };
            return Err(failure(format!(
                "slot {slot} of pool {pool} cannot be read: there is no such {what}"
            )));
        };
        let mut rgb = room_for(&mut self.kept, bytes, most_kept);
        if rgb.capacity() < bytes {
            rgb = vec![0; bytes];
        }
        rgb.resize(bytes, 0);
        memory.copy_to(0, &mut rgb);
        let pixels = Arc::new(Pixels {
            width: slot.width,
            height: slot.height,
            rgb,
        });
        self.kept.push_back((key, Arc::clone(&pixels)));
        Ok(pixels)
    }
}

/// Lets go of the oldest copies until `bytes` fit into `most`, or none is left; memory of one that nobody has is used again.
fn room_for(kept: &mut VecDeque<(Key, Arc<Pixels>)>, bytes: usize, most: usize) -> Vec<u8> {
    let mut free = Vec::new();
    let mut sum: usize = kept.iter().map(|(_, it)| it.rgb.len()).sum();
    while sum.saturating_add(bytes) > most {
        let Some((_, oldest)) = kept.pop_front() else {
            break;
        };
        sum -= oldest.rgb.len();
        if let Some(pixels) = Arc::into_inner(oldest) {
            free = pixels.rgb;
        }
    }
    free
}

fn failure(reason: String) -> Failure {
    Failure {
        reason,
        is_transient: false,
    }
}

#[cfg(test)]
mod tests {
    use framerill_frames::{Geometry, Pool};

    use super::*;
    use crate::{
        category::Category,
        task::{Payload, TaskId},
    };

    fn task(slot: u32, width: u32, frame_idx: u64) -> Task {
        Task {
            id: TaskId(1),
            category: Category::VehicleDetect,
            priority: 0,
            video_id: "v".into(),
            frame_idx: Some(frame_idx),
            track_id: None,
            frame: Some(FrameSlot {
                pool: 1,
                slot,
                width,
                height: 2,
            }),
            attempt: 0,
            payload: Payload::VehicleDetect,
            meta: serde_json::Map::new(),
        }
    }

    fn lent(pool: &Pool) -> Frames {
        let mut frames = Frames::default();
        let memory = pool.fd().try_clone_to_owned().unwrap();
        frames.lend(1, PeerPool::open(&memory, pool.geometry()).unwrap());
        frames
    }

    #[test]
    fn a_slot_that_holds_another_frame_now_is_read_again() {
        let pool = Pool::create(Geometry::for_pictures(1, 12).unwrap()).unwrap();
        let mut frames = lent(&pool);
        let mut loan = pool.loan().unwrap();
        loan[..12].fill(7);
        let lease = loan.publish();
        let slot = lease.slot();
        let first = frames.of(&task(slot, 2, 0)).unwrap();
        assert_eq!(first.rgb, [7; 12]);
        drop(lease);
        let mut loan = pool.loan().unwrap();
        loan[..12].fill(9);
        let _lease = loan.publish();
        assert_eq!(frames.of(&task(slot, 2, 0)).unwrap().rgb, [7; 12]);
        assert_eq!(frames.of(&task(slot, 2, 1)).unwrap().rgb, [9; 12]);
    }

    #[test]
    fn slots_and_sizes_that_do_not_exist_are_failures() {
        let pool = Pool::create(Geometry::for_pictures(1, 12).unwrap()).unwrap();
        let mut frames = lent(&pool);
        assert!(frames.of(&task(1, 2, 0)).is_err());
        assert!(frames.of(&task(0, u32::MAX, 0)).is_err());
        assert!(frames.of(&task(0, 2, 0)).is_ok());
        frames.gone(1);
        let gone = frames.of(&task(0, 2, 0)).unwrap_err();
        assert!(gone.reason.contains("pool 1"), "{gone:?}");
    }

    #[test]
    fn a_copy_for_one_look_makes_way_for_the_next_one_in_its_memory() {
        let pool = Pool::create(Geometry::for_pictures(1, 12).unwrap()).unwrap();
        let mut frames = lent(&pool);
        let mut loan = pool.loan().unwrap();
        loan[..12].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        let slot = loan.publish();
        let larger = frames.of_one_look(&task(slot.slot(), 2, 0)).unwrap();
        assert_eq!(larger.rgb.len(), 12);
        let memory = larger.rgb.as_ptr();
        drop(larger);
        let smaller = frames.of_one_look(&task(slot.slot(), 1, 1)).unwrap();
        assert_eq!(smaller.rgb, [1, 2, 3, 4, 5, 6]);
        assert_eq!(smaller.rgb.as_ptr(), memory);
        assert_eq!(frames.kept.len(), 1);
    }

    #[test]
    fn copies_take_no_more_memory_than_they_may() {
        let bytes = (KEPT_BYTES / 3) + 1;
        let pool = Pool::create(Geometry::for_pictures(1, bytes).unwrap()).unwrap();
        let mut frames = lent(&pool);
        let width = u32::try_from(bytes / 6).unwrap();
        for frame in 0..5 {
            frames.of(&task(0, width, frame)).unwrap();
        }
        let kept: usize = frames.kept.iter().map(|(_, it)| it.rgb.len()).sum();
        assert!((1..=KEPT_BYTES).contains(&kept), "{kept}");
    }
}
