//! Readers, the frames that they delivered, and their pools.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::ids::{ReaderId, VideoNo};
use crate::{ledger::Ledger, task::FrameSlot};

/// Frames in pools are fewer; lost ones come without a slot.
const MOST_HELD: usize = 100_000;

/// A frame that its flow was not told of yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Arrived {
    pub(super) video: VideoNo,
    pub(super) frame_idx: u64,
    pub(super) ts_ms: Option<f64>,
    /// Held in the ledger; none for a frame that is lost.
    pub(super) slot: Option<FrameSlot>,
}

/// A process that reads a video.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) video: VideoNo,
    /// The last frame that it delivered.
    pub(super) last_frame: Option<u64>,
    pub(super) delivered: u64,
    pub(super) decoded: u64,
    /// When it last got on, or could not.
    pub(super) moved: Duration,
    /// It said that no frame comes any more, or was told to leave: its end is no surprise.
    pub(super) is_done: bool,
    /// It is killed then, or forgotten if it was killed.
    pub(super) leave_by: Option<Duration>,
    pub(super) is_killed: bool,
    /// How long frames waited for workers to catch up in its life.
    pub(super) paused: Duration,
}

/// The frames of one reader; outlives it as long as a task needs one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pool {
    pub(super) slots: u32,
    pub(super) slot_bytes: u64,
}

/// All readers that have a process, and all pools.
#[derive(Debug, Default)]
pub(super) struct Readers {
    pub(super) live: BTreeMap<ReaderId, Reader>,
    /// None before a reader's pool was received.
    pub(super) pools: BTreeMap<ReaderId, Option<Pool>>,
    /// Frames that no flow was told of yet, in the order in which they came.
    pub(super) held: VecDeque<Arrived>,
    started: u32,
}

impl Readers {
    pub(super) fn start(&mut self, now: Duration, video: VideoNo) -> ReaderId {
        let id = ReaderId(self.started);
        self.started += 1;
        let reader = Reader {
            video,
            last_frame: None,
            delivered: 0,
            decoded: 0,
            moved: now,
            is_done: false,
            leave_by: None,
            is_killed: false,
            paused: Duration::ZERO,
        };
        self.live.insert(id, reader);
        self.pools.insert(id, None);
        id
    }

    /// Takes a frame in. Why not, if that cannot be.
    pub(super) fn arrived(
        &mut self,
        now: Duration,
        ledger: &mut Ledger,
        id: ReaderId,
        frame: Arrived,
    ) -> Result<(), String> {
        let Some(reader) = self.live.get_mut(&id) else {
            return Err("it delivered a frame after its end".into());
        };
        let Some(slot) = frame.slot else {
            if self.held.len() >= MOST_HELD {
                return Err("it loses more frames than anybody can count".into());
            }
            self.held.push_back(frame);
            return Ok(());
        };
        let Some(pool) = self.pools.get(&id).copied().flatten() else {
            return Err("it delivered a frame before its pool".into());
        };
        let bytes = u64::from(slot.width) * u64::from(slot.height) * 3;
        if slot.slot >= pool.slots || bytes > pool.slot_bytes || bytes == 0 {
            return Err(format!(
                "it delivered {}×{} pixels in slot {} of a pool with {} slots of {} bytes",
                slot.width, slot.height, slot.slot, pool.slots, pool.slot_bytes
            ));
        }
        if !ledger.open(slot) {
            return Err(format!("it wrote to slot {}, which is in use", slot.slot));
        }
        reader.last_frame = Some(frame.frame_idx);
        reader.delivered += 1;
        reader.moved = now;
        self.held.push_back(frame);
        Ok(())
    }

    /// Whether it has a slot to write to.
    pub(super) fn has_room(&self, id: ReaderId, ledger: &Ledger) -> bool {
        let pool = self.pools.get(&id).copied().flatten();
        pool.is_none_or(|it| ledger.in_pool(id.0) < it.slots as usize)
    }

    /// Pools that nobody needs: their reader is gone, and so are their frames. They are forgotten.
    pub(super) fn take_unneeded_pools(&mut self, ledger: &Ledger) -> Vec<ReaderId> {
        let is_unneeded = |id: &ReaderId| !self.live.contains_key(id) && ledger.in_pool(id.0) == 0;
        let all = self.pools.keys().copied();
        let unneeded: Vec<_> = all.filter(is_unneeded).collect();
        for id in &unneeded {
            self.pools.remove(id);
        }
        unneeded
    }
}
