//! Mapped shared memory: the crate's unsafe code.

use std::{marker::PhantomData, os::fd::AsFd, ptr::NonNull};

use rustix::{
    io,
    mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap},
};

/// Bytes past the end of a picture that vector code may touch: one 64-byte register.
///
/// libswscale reads (and, for some widths, writes) whole registers at the end of the last row.
pub const OVERSHOOT: usize = 64;

/// Private bytes behind every mapping, so that overshooting the last slot of a peer's pool meets memory.
const MARGIN: usize = 4096;
const _: () = assert!(OVERSHOOT <= MARGIN);

/// Memory that another process may write at any time: a pointer and a length, never a slice.
#[derive(Clone, Copy, Debug)]
pub struct Foreign<'a> {
    start: NonNull<u8>,
    len: usize,
    slack: usize,
    lifetime: PhantomData<&'a u8>,
}

// SAFETY: only raw reads go through it, which no thread can make less sound than another process can.
unsafe impl Send for Foreign<'_> {}
// SAFETY: as for Send.
unsafe impl Sync for Foreign<'_> {}

impl<'a> Foreign<'a> {
    /// The first byte. Valid for reads of [`Foreign::len`] bytes for as long as `'a`; what it holds may change meanwhile.
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.start.as_ptr()
    }

    /// Bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes behind the last one that can be read too, whatever they hold.
    #[must_use]
    pub fn slack(&self) -> usize {
        self.slack
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A part of it. Panics when the range is not inside.
    #[must_use]
    pub fn part(&self, offset: usize, len: usize) -> Foreign<'a> {
        assert!(
            offset <= self.len && len <= self.len - offset,
            "the part lies inside"
        );
        // SAFETY: offset is at most len, checked above, so the result points into or just past the same mapping.
        let start = unsafe { self.start.add(offset) };
        Foreign {
            start,
            len,
            slack: self.len - offset - len + self.slack,
            lifetime: PhantomData,
        }
    }

    /// Copies from `offset` on as many bytes as `into` holds. Panics when they are not inside.
    pub fn copy_to(&self, offset: usize, into: &mut [u8]) {
        let part = self.part(offset, into.len());
        // SAFETY: `part` is readable for `into.len()` bytes (checked there) and cannot overlap a `&mut`. A peer may write
        // meanwhile: the bytes are then any bytes, which `u8` allows; the copy goes through raw pointers, so that no
        // reference to changing memory exists.
        unsafe { std::ptr::copy_nonoverlapping(part.as_ptr(), into.as_mut_ptr(), into.len()) }
    }
}

impl<'a> From<&'a [u8]> for Foreign<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self {
            start: NonNull::new(bytes.as_ptr().cast_mut()).expect("a slice's pointer is not null"),
            len: bytes.len(),
            slack: 0,
            lifetime: PhantomData,
        }
    }
}

/// A whole `memfd`, mapped shared.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
    writable: bool,
}

// SAFETY: the mapping is plain memory that lives until drop; who may write which part is `LeaseCount`'s to decide.
unsafe impl Send for Mapping {}
// SAFETY: as for Send.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `len` bytes of `fd`, read-write or read-only, and [`MARGIN`] private bytes behind them.
    pub(crate) fn new(fd: impl AsFd, len: usize, writable: bool) -> io::Result<Self> {
        let protection = if writable {
            ProtFlags::READ | ProtFlags::WRITE
        } else {
            ProtFlags::READ
        };
        let reserved = len.checked_add(MARGIN).ok_or(io::Errno::NOMEM)?;
        // SAFETY: a fresh mapping at an address of the kernel's choice aliases nothing of ours; the second one replaces
        // the front of the first, which nobody has seen.
        let start = unsafe {
            let start = mmap_anonymous(
                std::ptr::null_mut(),
                reserved,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )?;
            let flags = MapFlags::SHARED | MapFlags::FIXED;
            if let Err(error) = mmap(start, len, protection, flags, fd.as_fd(), 0) {
                munmap(start, reserved)?;
                return Err(error);
            }
            start
        };
        let start = NonNull::new(start.cast()).expect("mmap never maps at zero");
        Ok(Self {
            start,
            len,
            writable,
        })
    }

    /// A range as memory that others may write. Panics when it is not inside.
    pub(crate) fn foreign(&self, offset: usize, len: usize) -> Foreign<'_> {
        let all = Foreign {
            start: self.start,
            len: self.len,
            slack: MARGIN,
            lifetime: PhantomData,
        };
        all.part(offset, len)
    }

    /// A range for reading.
    ///
    /// # Safety
    /// Nobody, in this process or another, writes the range for as long as the slice lives.
    pub(crate) unsafe fn slice(&self, offset: usize, len: usize) -> &[u8] {
        let part = self.foreign(offset, len);
        // SAFETY: inside the mapping; the caller promises that nobody writes it.
        unsafe { std::slice::from_raw_parts(part.as_ptr(), len) }
    }

    /// A range for writing. Panics when the mapping is read-only.
    ///
    /// # Safety
    /// Nobody else, in this process, reads or writes the range for as long as the slice lives, and no other process can
    /// write it.
    #[expect(
        clippy::mut_from_ref,
        reason = "a mapping hands out disjoint parts; see Safety"
    )]
    pub(crate) unsafe fn slice_mut(&self, offset: usize, len: usize) -> &mut [u8] {
        assert!(self.writable, "the mapping is writable");
        let part = self.foreign(offset, len);
        // SAFETY: inside the mapping, which is writable; the caller promises that the range is its own.
        unsafe { std::slice::from_raw_parts_mut(part.as_ptr().cast_mut(), len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the start and the length with its margin are what was mapped; every borrow of the mapping has ended.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.len + MARGIN) };
        debug_assert!(unmapped.is_ok(), "a mapping of ours can be unmapped");
    }
}
