//! A compressed unit.

use std::ptr::NonNull;

use super::{Fault, sys};

/// Owns an `AVPacket`.
pub(crate) struct Packet(NonNull<sys::AVPacket>);

// SAFETY: a packet is plain memory and counted buffers, which FFmpeg counts atomically.
unsafe impl Send for Packet {}

impl Packet {
    /// An empty one.
    pub(crate) fn new() -> Self {
        // SAFETY: takes nothing; null means that memory has run out, as for any allocation of Rust's.
        let packet = unsafe { sys::av_packet_alloc() };
        Self(NonNull::new(packet).expect("memory for a packet"))
    }

    /// A copy of bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        let packet = Self::new();
        let len = i32::try_from(bytes.len()).map_err(|_| Fault::MEMORY)?;
        // SAFETY: the packet is ours and empty; on success its data is writable for `len` bytes and nobody else's yet.
        unsafe {
            Fault::check(sys::av_new_packet(packet.as_ptr(), len))?;
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), (*packet.as_ptr()).data, bytes.len());
        }
        Ok(packet)
    }

    pub(super) fn as_ptr(&self) -> *mut sys::AVPacket {
        self.0.as_ptr()
    }

    fn get(&self) -> &sys::AVPacket {
        // SAFETY: the packet is ours and alive; C touches it only inside calls that we make.
        unsafe { self.0.as_ref() }
    }

    fn get_mut(&mut self) -> &mut sys::AVPacket {
        // SAFETY: as in `get`, and borrowed mutably.
        unsafe { self.0.as_mut() }
    }

    /// Lets go of what it holds.
    pub(crate) fn clear(&mut self) {
        // SAFETY: the packet is ours.
        unsafe { sys::av_packet_unref(self.as_ptr()) }
    }

    /// What it holds, in a packet of its own; this one is empty then.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::new())
    }

    /// Which stream of its container it belongs to.
    pub(crate) fn stream(&self) -> usize {
        usize::try_from(self.get().stream_index).unwrap_or(usize::MAX)
    }

    /// Whether a decoder can begin with it.
    pub(crate) fn is_keyframe(&self) -> bool {
        self.get().flags & sys::AV_PKT_FLAG_KEY != 0
    }

    /// Presentation time in its stream's time base.
    pub(crate) fn pts(&self) -> Option<i64> {
        known(self.get().pts)
    }

    /// Decoding time.
    pub(crate) fn dts(&self) -> Option<i64> {
        known(self.get().dts)
    }

    /// Sets both times.
    pub(crate) fn set_times(&mut self, pts: Option<i64>, dts: Option<i64>) {
        let packet = self.get_mut();
        packet.pts = pts.unwrap_or(sys::AV_NOPTS_VALUE);
        packet.dts = dts.unwrap_or(sys::AV_NOPTS_VALUE);
    }

    /// Ticks that it lasts; 0 when unknown.
    pub(crate) fn duration(&self) -> i64 {
        self.get().duration
    }

    /// Sets the ticks that it lasts.
    pub(crate) fn set_duration(&mut self, ticks: i64) {
        self.get_mut().duration = ticks;
    }

    /// Compressed bytes.
    pub(crate) fn bytes(&self) -> usize {
        usize::try_from(self.get().size).unwrap_or(0)
    }

    /// The compressed bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        let packet = self.get();
        if packet.data.is_null() {
            return &[];
        }
        // SAFETY: the packet's data is readable for its size and nobody writes it while it is borrowed.
        unsafe { std::slice::from_raw_parts(packet.data, self.bytes()) }
    }

    /// Whether the demuxer saw that it is damaged or cut short.
    pub(crate) fn is_corrupt(&self) -> bool {
        self.get().flags & sys::AV_PKT_FLAG_CORRUPT != 0
    }

    /// Counts its times in ticks of `to` instead of `from`.
    pub(crate) fn rescale(&mut self, from: (u32, u32), to: (u32, u32)) {
        // SAFETY: the packet is ours; both fractions are positive by their callers' time bases.
        unsafe {
            sys::av_packet_rescale_ts(self.as_ptr(), super::rational(from), super::rational(to));
        }
    }

    pub(super) fn set_stream(&mut self, stream: usize) {
        self.get_mut().stream_index = i32::try_from(stream).unwrap_or(i32::MAX);
        self.get_mut().pos = -1;
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        let mut packet = self.as_ptr();
        // SAFETY: the packet is ours and dropped once.
        unsafe { sys::av_packet_free(&raw mut packet) }
    }
}

/// A time, unless it is FFmpeg's value for none.
pub(super) fn known(time: i64) -> Option<i64> {
    (time != sys::AV_NOPTS_VALUE).then_some(time)
}
