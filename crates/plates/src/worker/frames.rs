//! Pixels of tasks, out of readers' memory.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use framerill_frames::{Foreign, PeerPool};

use crate::{
    base64,
    bbox::BBox,
    detection::Cleaned,
    picture::{MOST_CLEANED, Region},
    task::{Failure, FrameSlot, Payload, Task},
};

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

    /// What a task looks at: its frame, with the plate made clean in it where the task brings one.
    pub fn of(&mut self, task: &Task) -> Result<Arc<Pixels>, Failure> {
        let recorded = self.recorded(task)?;
        match &task.payload {
            Payload::Ocr {
                cleaned: Some(cleaned),
                ..
            } => Ok(Arc::new(recorded.with(cleaned)?)),
            _ => Ok(recorded),
        }
    }

    /// The frame that a task is about. Another process may write the memory at any time, so that this is a copy; it is made
    /// once for tasks of the same frame.
    pub fn recorded(&mut self, task: &Task) -> Result<Arc<Pixels>, Failure> {
        self.copied(task, KEPT_BYTES)
    }

    /// The frame that this task alone is about: its copy makes way for the next one, which has its memory while caches still
    /// hold it.
    pub fn of_one_look(&mut self, task: &Task) -> Result<Arc<Pixels>, Failure> {
        self.copied(task, 0)
    }

    fn copied(&mut self, task: &Task, most_kept: usize) -> Result<Arc<Pixels>, Failure> {
        let slot = slot_of(task)?;
        let key = (slot, task.video_id.clone(), task.frame_idx);
        if let Some(at) = self.kept.iter().position(|(it, _)| *it == key) {
            let found = self.kept.remove(at);
            if let Some((key, pixels)) = found {
                self.kept.push_back((key, Arc::clone(&pixels)));
                return Ok(pixels);
            }
        }
        let bytes = bytes_of(slot.width, slot.height);
        let memory = memory(&self.pools, slot)?;
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

    /// The part of a task's frame that lies in a box, copied without the rest; none if no pixel does, or more than
    /// [`MOST_CLEANED`].
    pub(super) fn part(
        &self,
        task: &Task,
        bbox: &BBox,
    ) -> Result<Option<(Region, Pixels)>, Failure> {
        let slot = slot_of(task)?;
        let memory = memory(&self.pools, slot)?;
        let Some(region) = Region::within(bbox, slot.width, slot.height) else {
            return Ok(None);
        };
        let Region { width, height, .. } = region;
        if u64::from(width) * u64::from(height) > u64::from(MOST_CLEANED) {
            return Ok(None);
        }
        let mut rgb = vec![0; bytes_of(width, height)];
        for (row, to) in (region.y..).zip(rgb.chunks_exact_mut(bytes_of(width, 1))) {
            memory.copy_to(bytes_of(slot.width, row) + bytes_of(region.x, 1), to);
        }
        let pixels = Pixels { width, height, rgb };
        Ok(Some((region, pixels)))
    }

    /// How many of such frames may lie in memory besides those that are kept.
    pub(super) fn most_at_once(task: &Task) -> usize {
        let bytes = task.frame.map_or(0, |it| bytes_of(it.width, it.height));
        (KEPT_BYTES / bytes.max(1)).max(1)
    }
}

impl Pixels {
    /// The same frame with a part made clean.
    fn with(&self, cleaned: &Cleaned) -> Result<Self, Failure> {
        let wrong = || failure("what was made clean does not fit its frame".into());
        let Region {
            x,
            y,
            width,
            height,
        } = cleaned.region;
        let is_inside = |at: u32, length: u32, all: u32| {
            length > 0 && at.checked_add(length).is_some_and(|end| end <= all)
        };
        let is_sound = is_inside(x, width, self.width) && is_inside(y, height, self.height);
        let part = base64::decoded(&cleaned.rgb)
            .filter(|it| is_sound && it.len() == bytes_of(width, height))
            .ok_or_else(wrong)?;
        let mut rgb = self.rgb.clone();
        let rows = rgb.chunks_exact_mut(bytes_of(self.width, 1));
        let (first, row_bytes) = (bytes_of(x, 1), bytes_of(width, 1));
        for (row, part) in rows.skip(y as usize).zip(part.chunks_exact(row_bytes)) {
            row[first..first + row_bytes].copy_from_slice(part);
        }
        Ok(Self { rgb, ..*self })
    }
}

fn bytes_of(width: u32, height: u32) -> usize {
    let bytes = u64::from(width) * u64::from(height) * 3;
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn slot_of(task: &Task) -> Result<FrameSlot, Failure> {
    let none = || failure("the task names no frame".into());
    task.frame.ok_or_else(none)
}

fn memory(pools: &HashMap<u32, PeerPool>, at: FrameSlot) -> Result<Foreign<'_>, Failure> {
    let memory = pools.get(&at.pool);
    let bytes = bytes_of(at.width, at.height);
    memory
        .and_then(|it| it.slot(at.slot, bytes))
        .ok_or_else(|| {
            let (FrameSlot { pool, slot, .. }, known) = (at, memory.is_some());
            let what = if known { "slot" } else { "pool" };
            failure(format!(
                "slot {slot} of pool {pool} cannot be read: there is no such {what}"
            ))
        })
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

    /// A picture of 4 × 2 pixels, of which each byte is another one.
    fn numbered(pool: &Pool) -> (Frames, Task, framerill_frames::Lease) {
        let mut loan = pool.loan().unwrap();
        for (at, byte) in (0..24).zip(&mut loan[..24]) {
            *byte = at;
        }
        let lease = loan.publish();
        (lent(pool), task(lease.slot(), 4, 0), lease)
    }

    fn ocr(task: &Task, region: Region, rgb: &[u8]) -> Task {
        Task {
            payload: Payload::Ocr {
                car_bbox: BBox::whole(4, 2),
                plate: crate::detection::Plate {
                    bbox: BBox::whole(4, 2),
                    conf: 0.9,
                    corners: None,
                    lines: 1,
                },
                keep_crop: false,
                cleaned: Some(Cleaned {
                    region,
                    rgb: base64::encoded(rgb),
                }),
            },
            ..task.clone()
        }
    }

    #[test]
    fn what_was_made_clean_takes_the_place_of_its_part_and_of_nothing_else() {
        let pool = Pool::create(Geometry::for_pictures(1, 24).unwrap()).unwrap();
        let (mut frames, task, _lease) = numbered(&pool);
        let bbox = BBox::from([1.0, 0.0, 3.0, 9.0]);
        let (region, part) = frames.part(&task, &bbox).unwrap().unwrap();
        let expected = [3, 4, 5, 6, 7, 8, 15, 16, 17, 18, 19, 20];
        assert_eq!(part.rgb, expected);
        let ocr = ocr(&task, region, &[99; 12]);
        let seen = frames.of(&ocr).unwrap();
        let mut expected: Vec<u8> = (0..24).collect();
        expected[3..9].fill(99);
        expected[15..21].fill(99);
        assert_eq!(seen.rgb, expected);
        let recorded = frames.recorded(&ocr).unwrap();
        assert!(recorded.rgb.iter().copied().eq(0..24), "it is not written");
    }

    #[test]
    fn parts_that_are_not_of_the_frame_are_failures() {
        let pool = Pool::create(Geometry::for_pictures(1, 24).unwrap()).unwrap();
        let (mut frames, task, _lease) = numbered(&pool);
        let region = |x, y, width, height| Region {
            x,
            y,
            width,
            height,
        };
        for (wrong, bytes) in [
            (region(3, 0, 2, 2), 12),
            (region(0, 1, 2, 2), 12),
            (region(u32::MAX, 0, 2, 2), 12),
            (region(0, 0, 0, 2), 0),
            (region(0, 0, 2, 2), 11),
        ] {
            let failed = frames.of(&ocr(&task, wrong, &vec![0; bytes]));
            assert!(!failed.unwrap_err().is_transient, "{wrong:?}");
        }
        let outside = BBox::from([9.0, 0.0, 12.0, 2.0]);
        assert_eq!(frames.part(&task, &outside).unwrap(), None);
        frames.gone(1);
        assert!(frames.part(&task, &BBox::whole(4, 2)).is_err());
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
