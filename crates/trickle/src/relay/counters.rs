//! What is counted, and a picture of it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the classes of [`Stats::waits`]. One class more holds what is above.
pub const WAIT_BOUNDS: [Duration; 8] = [
    Duration::from_millis(1),
    Duration::from_millis(10),
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

/// Counters of a hub, as they were at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Channels now.
    pub channels: u64,
    /// Readers now.
    pub readers: u64,
    /// POSTs now, also those that wait for their first byte.
    pub writers: u64,
    /// Readers so far.
    pub reads: u64,
    /// POSTs of segments so far, without those that were refused.
    pub posts: u64,
    /// Bytes of segments that are held now.
    pub held_bytes: u64,
    /// Bytes that were published.
    pub bytes_in: u64,
    /// Bytes that were handed to readers.
    pub bytes_out: u64,
    /// Segments that began.
    pub segments: u64,
    /// Segments that left their window for a newer one.
    pub evictions: u64,
    /// Requests for segments that do not exist, answered with 470.
    pub missing: u64,
    /// POSTs that broke off after their first byte.
    pub broken_posts: u64,
    /// How long readers waited for their first byte, in classes up to [`WAIT_BOUNDS`] and one above.
    pub waits: [u64; WAIT_BOUNDS.len() + 1],
    /// How long they waited, all together.
    pub wait_time: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) channels: AtomicU64,
    pub(crate) readers: AtomicU64,
    pub(crate) writers: AtomicU64,
    pub(crate) reads: AtomicU64,
    pub(crate) posts: AtomicU64,
    pub(crate) held_bytes: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) segments: AtomicU64,
    pub(crate) evictions: AtomicU64,
    pub(crate) missing: AtomicU64,
    pub(crate) broken_posts: AtomicU64,
    waits: [AtomicU64; WAIT_BOUNDS.len() + 1],
    wait_micros: AtomicU64,
}

impl Counters {
    pub(crate) fn waited(&self, wait: Duration) {
        let class = WAIT_BOUNDS.partition_point(|bound| *bound < wait);
        add(&self.waits[class], 1);
        let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        add(&self.wait_micros, micros);
    }

    pub(crate) fn snapshot(&self) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        Stats {
            channels: get(&self.channels),
            readers: get(&self.readers),
            writers: get(&self.writers),
            reads: get(&self.reads),
            posts: get(&self.posts),
            held_bytes: get(&self.held_bytes),
            bytes_in: get(&self.bytes_in),
            bytes_out: get(&self.bytes_out),
            segments: get(&self.segments),
            evictions: get(&self.evictions),
            missing: get(&self.missing),
            broken_posts: get(&self.broken_posts),
            waits: std::array::from_fn(|class| get(&self.waits[class])),
            wait_time: Duration::from_micros(get(&self.wait_micros)),
        }
    }
}

pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Relaxed);
}

pub(crate) fn take(counter: &AtomicU64, count: u64) {
    counter.fetch_sub(count, Relaxed);
}
