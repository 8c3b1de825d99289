//! How much a hub takes on.

/// Bounds of memory and of numbers. What is beyond is refused with 413, 414 or 503.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Channels at the same time. Default 10 000.
    pub channels: usize,
    /// Bytes of a channel's name, decoded. Default 4096.
    pub name_bytes: usize,
    /// Readers of one channel at the same time. Default 10 000.
    pub readers: usize,
    /// POSTs to one channel at the same time. Default 64.
    pub writers: usize,
    /// Bytes of one segment. Default 1 GiB.
    pub segment_bytes: u64,
    /// Bytes of all segments that are held, also those that only a slow reader holds. Default: no limit.
    pub held_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            channels: 10_000,
            name_bytes: 4096,
            readers: 10_000,
            writers: 64,
            segment_bytes: 1 << 30,
            held_bytes: u64::MAX,
        }
    }
}
