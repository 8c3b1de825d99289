//! What came in, went out and was lost.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of a transport.
#[derive(Debug, Default)]
pub(in crate::infer) struct Counters {
    /// Bytes that came in.
    pub(in crate::infer) bytes_in: AtomicU64,
    /// Segments that could not be had.
    pub(in crate::infer) segments_missing: AtomicU64,
    /// Segments that the channel took whole.
    pub(in crate::infer) segments_out: AtomicU64,
    /// Segments that were lost on the way out.
    pub(in crate::infer) segments_lost: AtomicU64,
    /// Bytes that went out.
    pub(in crate::infer) bytes_out: AtomicU64,
    /// Events that nobody took.
    pub(in crate::infer) events_dropped: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}
