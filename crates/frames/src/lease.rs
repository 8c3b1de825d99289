//! Who may touch a slot: one writer, or counted readers.
//!
//! ```text
//! free ──loan──> writing ──publish──> leased(1) ──acquire──> leased(n)
//!  ^                │                                          │
//!  └────abandon─────┴───────────────release (the last)─────────┘
//! ```
//!
//! Generic over the atomic so that the very same code runs under loom (`tests/lease_model.rs`).

use std::sync::atomic::{AtomicU32, Ordering};

/// The operations of an atomic counter that [`LeaseCount`] needs.
pub trait AtomicCount {
    /// A counter that holds `value`.
    fn new(value: u32) -> Self;
    /// See [`AtomicU32::load`].
    fn load(&self, order: Ordering) -> u32;
    /// See [`AtomicU32::store`].
    fn store(&self, value: u32, order: Ordering);
    /// See [`AtomicU32::compare_exchange`].
    fn compare_exchange(&self, from: u32, to: u32, ok: Ordering, no: Ordering) -> Result<u32, u32>;
    /// See [`AtomicU32::fetch_sub`].
    fn fetch_sub(&self, value: u32, order: Ordering) -> u32;
}

impl AtomicCount for AtomicU32 {
    fn new(value: u32) -> Self {
        Self::new(value)
    }
    fn load(&self, order: Ordering) -> u32 {
        self.load(order)
    }
    fn store(&self, value: u32, order: Ordering) {
        self.store(value, order);
    }
    fn compare_exchange(&self, from: u32, to: u32, ok: Ordering, no: Ordering) -> Result<u32, u32> {
        self.compare_exchange(from, to, ok, no)
    }
    fn fetch_sub(&self, value: u32, order: Ordering) -> u32 {
        self.fetch_sub(value, order)
    }
}

const FREE: u32 = 0;
const WRITING: u32 = u32::MAX;

/// The state of one slot.
#[derive(Debug)]
pub struct LeaseCount<A = AtomicU32>(A);

impl<A: AtomicCount> Default for LeaseCount<A> {
    fn default() -> Self {
        Self(A::new(FREE))
    }
}

impl<A: AtomicCount> LeaseCount<A> {
    /// Makes a free slot the caller's to write. False when it is not free.
    pub fn loan(&self) -> bool {
        // Acquire: what the last reader did with the slot happens before the new writer writes.
        self.0
            .compare_exchange(FREE, WRITING, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// The writer is done and holds the first lease. Only after [`LeaseCount::loan`].
    pub fn publish(&self) {
        self.0.store(1, Ordering::Release);
    }

    /// The writer gives the slot back unread. Only after [`LeaseCount::loan`].
    pub fn abandon(&self) {
        self.0.store(FREE, Ordering::Release);
    }

    /// One more lease. False when the slot is free or being written.
    pub fn acquire(&self) -> bool {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            if seen == FREE || seen >= WRITING - 1 {
                return false;
            }
            match self
                .0
                .compare_exchange(seen, seen + 1, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
    }

    /// One lease less. True when it was the last and the slot is free. Only by the holder of a lease.
    pub fn release(&self) -> bool {
        // Release: this reader's reads happen before the next writer's writes.
        self.0.fetch_sub(1, Ordering::Release) == 1
    }

    /// Whether nobody holds the slot.
    pub fn is_free(&self) -> bool {
        self.0.load(Ordering::Acquire) == FREE
    }
}
