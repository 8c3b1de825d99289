//! Who still needs which frame.

use std::collections::HashMap;

use crate::task::FrameSlot;

/// Counts the holders of every frame in the store: its flow, and each open task with it. A frame is freed exactly once: with
/// its last holder.
#[derive(Debug, Default)]
pub struct Ledger {
    held: HashMap<(u32, u32), Held>,
    /// Frames held in each pool; none is 0.
    pools: HashMap<u32, usize>,
    bytes: u64,
    opened: u64,
    freed: u64,
}

#[derive(Debug)]
struct Held {
    holders: u64,
    order: u64,
    bytes: u64,
}

impl Ledger {
    /// A frame arrived, and has one holder. False, and nothing changed, if its slot is held already.
    pub fn open(&mut self, slot: FrameSlot) -> bool {
        let key = (slot.pool, slot.slot);
        if self.held.contains_key(&key) {
            return false;
        }
        let bytes = u64::from(slot.width) * u64::from(slot.height) * 3;
        let held = Held {
            holders: 1,
            order: self.opened,
            bytes,
        };
        self.held.insert(key, held);
        *self.pools.entry(slot.pool).or_default() += 1;
        self.bytes += bytes;
        self.opened += 1;
        true
    }

    /// One holder more. False, and nothing changed, if nobody holds the frame: it is gone.
    pub fn add(&mut self, slot: FrameSlot) -> bool {
        let held = self.held.get_mut(&(slot.pool, slot.slot));
        held.map(|it| it.holders += 1).is_some()
    }

    /// One holder less. True if it was the last one: the frame is freed. What nobody holds is left alone.
    pub fn release(&mut self, slot: FrameSlot) -> bool {
        let key = (slot.pool, slot.slot);
        let Some(held) = self.held.get_mut(&key) else {
            return false;
        };
        held.holders -= 1;
        if held.holders > 0 {
            return false;
        }
        self.bytes -= held.bytes;
        self.held.remove(&key);
        if let Some(count) = self.pools.get_mut(&slot.pool) {
            *count -= 1;
            if *count == 0 {
                self.pools.remove(&slot.pool);
            }
        }
        self.freed += 1;
        true
    }

    /// The how manieth frame of all that arrived it is, from 0; none if nobody holds it.
    #[must_use]
    pub fn order(&self, slot: FrameSlot) -> Option<u64> {
        self.held.get(&(slot.pool, slot.slot)).map(|it| it.order)
    }

    /// Frames that are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Nobody holds anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Frames that are held in one pool.
    #[must_use]
    pub fn in_pool(&self, pool: u32) -> usize {
        self.pools.get(&pool).copied().unwrap_or_default()
    }

    /// Pixels of all frames that are held, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Frames that were freed so far.
    #[must_use]
    pub fn freed(&self) -> u64 {
        self.freed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn slot(pool: u32, slot: u32) -> FrameSlot {
        FrameSlot {
            pool,
            slot,
            width: 4,
            height: 2,
        }
    }

    proptest! {
        #[test]
        fn whatever_is_called_a_frame_is_freed_exactly_once_and_with_its_last_holder(
            calls in prop::collection::vec((0..3u8, 0..2u32, 0..3u32), 0..200),
        ) {
            let mut ledger = Ledger::default();
            let mut model: HashMap<(u32, u32), u64> = HashMap::new();
            let mut freed = 0;
            for (call, pool, number) in calls {
                let it = slot(pool, number);
                let holders = model.get(&(pool, number)).copied().unwrap_or_default();
                match call {
                    0 => {
                        prop_assert_eq!(ledger.open(it), holders == 0);
                        model.entry((pool, number)).or_insert(1);
                    }
                    1 => {
                        prop_assert_eq!(ledger.add(it), holders > 0);
                        model.entry((pool, number)).and_modify(|it| *it += 1);
                    }
                    _ => {
                        prop_assert_eq!(ledger.release(it), holders == 1);
                        freed += u64::from(holders == 1);
                        model.entry((pool, number)).and_modify(|it| *it -= 1);
                        model.retain(|_, it| *it > 0);
                    }
                }
                prop_assert_eq!(ledger.len(), model.len());
                prop_assert_eq!(ledger.is_empty(), model.is_empty());
                prop_assert_eq!(ledger.bytes(), 24 * model.len() as u64);
                prop_assert_eq!(ledger.freed(), freed);
                for pool in 0..2 {
                    let there = model.keys().filter(|it| it.0 == pool).count();
                    prop_assert_eq!(ledger.in_pool(pool), there);
                }
            }
        }
    }

    #[test]
    fn to_release_what_nobody_holds_is_no_error() {
        let mut ledger = Ledger::default();
        assert!(!ledger.release(slot(0, 0)));
        assert!(!ledger.add(slot(0, 0)));
        assert!(ledger.open(slot(0, 0)));
        assert!(ledger.release(slot(0, 0)));
        assert!(!ledger.release(slot(0, 0)));
        assert!(ledger.open(slot(0, 0)), "a freed slot takes another frame");
    }
}
