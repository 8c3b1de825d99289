//! Reading and writing a descriptor for FFmpeg.

use std::{
    collections::VecDeque,
    ffi::{c_int, c_void},
    os::fd::{AsFd, OwnedFd},
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use framerill_media::{MAX_RECORD_BYTES, record_of, record_of_end};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{SeekFrom, fstat, seek},
    io::{Errno, pread, pwrite, read, retry_on_intr, write},
    time::Timespec,
};

use super::{Fault, sys};

/// Bytes that FFmpeg gathers before it asks us.
const BUFFER: usize = 64 * 1024;
/// What a pipe that polls writable takes without making us wait (PIPE_BUF).
const PIPE_PIECE: usize = 4096;
/// How often a wait looks at the interrupt.
const LOOK_AGAIN: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// Ends reads and waits early, from any thread.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on every read and wait ends at once.
    pub fn trigger(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether [`Interrupt::trigger`] was called.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// For FFmpeg's own waits. Valid for as long as any clone of `self` lives.
    pub(super) fn callback(&self) -> sys::AVIOInterruptCB {
        sys::AVIOInterruptCB {
            callback: Some(is_interrupted),
            opaque: Arc::as_ptr(&self.0).cast_mut().cast(),
        }
    }
}

/// C: whether to give up.
unsafe extern "C" fn is_interrupted(flag: *mut c_void) -> c_int {
    // SAFETY: `Interrupt::callback` put an AtomicBool there that its owner keeps alive.
    let flag = unsafe { &*flag.cast::<AtomicBool>() };
    c_int::from(flag.load(Ordering::Acquire))
}

/// What the callbacks work on.
struct Descriptor {
    fd: OwnedFd,
    /// Was read from the descriptor before.
    before: VecDeque<u8>,
    position: u64,
    seekable: bool,
    interrupt: Interrupt,
    /// What is written are records of segments.
    has_records: bool,
}

impl Descriptor {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Errno> {
        if !self.before.is_empty() {
            let (first, _) = self.before.as_slices();
            let got = first.len().min(into.len());
            into[..got].copy_from_slice(&first[..got]);
            self.before.drain(..got);
            return Ok(got);
        }
        let got = if self.seekable {
            retry_on_intr(|| pread(&self.fd, &mut *into, self.position))?
        } else {
            self.wait(PollFlags::IN)?;
            retry_on_intr(|| read(&self.fd, &mut *into))?
        };
        self.position += got as u64;
        Ok(got)
    }

    /// Writes as they are, or as records of a segment.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        if !self.has_records {
            return self.write(bytes);
        }
        bytes.chunks(MAX_RECORD_BYTES).try_for_each(|part| {
            self.write(&record_of(part.len()))?;
            self.write(part)
        })
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), Errno> {
        while !bytes.is_empty() {
            let put = if self.seekable {
                retry_on_intr(|| pwrite(&self.fd, bytes, self.position))?
            } else {
                self.wait(PollFlags::OUT)?;
                let piece = &bytes[..bytes.len().min(PIPE_PIECE)];
                retry_on_intr(|| write(&self.fd, piece))?
            };
            if put == 0 {
                return Err(Errno::NOSPC);
            }
            self.position += put as u64;
            bytes = &bytes[put..];
        }
        Ok(())
    }

    fn wait(&self, what: PollFlags) -> Result<(), Errno> {
        loop {
            if self.interrupt.is_triggered() {
                return Err(Errno::CANCELED);
            }
            let mut fds = [PollFd::new(&self.fd, what)];
            if retry_on_intr(|| poll(&mut fds, Some(&LOOK_AGAIN)))? > 0 {
                return Ok(());
            }
        }
    }

    fn seek(&mut self, offset: i64, whence: c_int) -> Result<u64, Errno> {
        if !self.seekable {
            return Err(Errno::SPIPE);
        }
        let length = || u64::try_from(fstat(&self.fd)?.st_size).map_err(|_| Errno::INVAL);
        // FFmpeg may ask for the place by force (0x20000), which makes no difference here.
        let base = match whence & !0x2_0000 {
            0 => 0,
            1 => self.position,
            2 => length()?,
            sys::AVSEEK_SIZE => return length(),
            _ => return Err(Errno::INVAL),
        };
        self.position = base.checked_add_signed(offset).ok_or(Errno::INVAL)?;
        Ok(self.position)
    }
}

fn code(errno: Errno) -> c_int {
    if errno == Errno::CANCELED {
        sys::AVERROR_EXIT
    } else {
        -errno.raw_os_error()
    }
}

/// C: reads.
unsafe extern "C" fn on_read(descriptor: *mut c_void, into: *mut u8, len: c_int) -> c_int {
    // SAFETY: `Io::new` put a Descriptor there that lives as long as the context; FFmpeg calls from one thread at a time.
    let descriptor = unsafe { &mut *descriptor.cast::<Descriptor>() };
    if descriptor.interrupt.is_triggered() {
        return sys::AVERROR_EXIT;
    }
    // SAFETY: FFmpeg's buffer is writable for `len` bytes; it comes from av_malloc and is only written here.
    let into = unsafe { std::slice::from_raw_parts_mut(into, usize::try_from(len).unwrap_or(0)) };
    match descriptor.read(into) {
        Ok(0) => sys::AVERROR_EOF,
        Ok(got) => c_int::try_from(got).unwrap_or(len),
        Err(errno) => code(errno),
    }
}

/// C: writes all of it.
unsafe extern "C" fn on_write(descriptor: *mut c_void, from: *mut u8, len: c_int) -> c_int {
    // SAFETY: as in `on_read`.
    let descriptor = unsafe { &mut *descriptor.cast::<Descriptor>() };
    // SAFETY: FFmpeg's buffer is readable for `len` bytes.
    let bytes = unsafe { std::slice::from_raw_parts(from, usize::try_from(len).unwrap_or(0)) };
    match descriptor.take(bytes) {
        Ok(()) => len,
        Err(errno) => code(errno),
    }
}

/// C: moves, or tells the length.
unsafe extern "C" fn on_seek(descriptor: *mut c_void, offset: i64, whence: c_int) -> i64 {
    // SAFETY: as in `on_read`.
    let descriptor = unsafe { &mut *descriptor.cast::<Descriptor>() };
    match descriptor.seek(offset, whence) {
        Ok(position) => i64::try_from(position).unwrap_or(i64::MAX),
        Err(errno) => i64::from(code(errno)),
    }
}

/// Owns an `AVIOContext` over a descriptor. Files are read and written by place, from byte 0; pipes as they come.
pub(crate) struct Io {
    context: NonNull<sys::AVIOContext>,
    descriptor: NonNull<Descriptor>,
    interrupt: Interrupt,
}

// SAFETY: the context and its descriptor are used by one thread at a time, whichever that is.
unsafe impl Send for Io {}

impl Io {
    /// For reading.
    pub(crate) fn reader(fd: OwnedFd, interrupt: &Interrupt) -> Self {
        Self::new(fd, interrupt, false, false)
    }

    /// For reading a pipe of which some was read before.
    pub(crate) fn reader_after(before: Vec<u8>, fd: OwnedFd, interrupt: &Interrupt) -> Self {
        let mut io = Self::new(fd, interrupt, false, false);
        // SAFETY: both are ours, and no callback runs while `io` is borrowed.
        unsafe {
            let descriptor = io.descriptor.as_mut();
            descriptor.before = before.into();
            descriptor.seekable = false;
            (*io.as_ptr()).seekable = 0;
        }
        io
    }

    /// For writing.
    pub(crate) fn writer(fd: OwnedFd, interrupt: &Interrupt) -> Self {
        Self::new(fd, interrupt, true, false)
    }

    /// For writing records of segments; [`Io::end_segment`] ends one.
    pub(crate) fn segments(fd: OwnedFd, interrupt: &Interrupt) -> Self {
        Self::new(fd, interrupt, true, true)
    }

    fn new(fd: OwnedFd, interrupt: &Interrupt, write: bool, has_records: bool) -> Self {
        // Records follow each other: none is written anew.
        let seekable = !has_records && seek(&fd, SeekFrom::Current(0)).is_ok();
        let interrupt = interrupt.clone();
        let descriptor = Box::new(Descriptor {
            fd,
            before: VecDeque::new(),
            position: 0,
            seekable,
            interrupt: interrupt.clone(),
            has_records,
        });
        let descriptor = NonNull::from(Box::leak(descriptor));
        // SAFETY: the buffer comes from av_malloc as FFmpeg wants; the callbacks match the opaque pointer, which lives
        // until `drop` has freed the context.
        let context = unsafe {
            let buffer = sys::av_malloc(BUFFER).cast();
            let context = sys::avio_alloc_context(
                buffer,
                c_int::try_from(BUFFER).expect("a small constant"),
                c_int::from(write),
                descriptor.as_ptr().cast(),
                (!write).then_some(on_read as _),
                write.then_some(on_write as _),
                Some(on_seek as _),
            );
            let context = NonNull::new(context).expect("memory for an I/O context");
            if !seekable {
                (*context.as_ptr()).seekable = 0;
            }
            context
        };
        Self {
            context,
            descriptor,
            interrupt,
        }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::AVIOContext {
        self.context.as_ptr()
    }

    pub(super) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Whether it can be written and read at any place.
    pub(crate) fn is_seekable(&self) -> bool {
        // SAFETY: ours, and no callback runs while `self` is borrowed.
        unsafe { self.descriptor.as_ref() }.seekable
    }

    /// The descriptor once more.
    pub(crate) fn duplicate(&self) -> std::io::Result<OwnedFd> {
        // SAFETY: as in `is_seekable`.
        unsafe { self.descriptor.as_ref() }
            .fd
            .as_fd()
            .try_clone_to_owned()
    }

    /// What went wrong since the beginning, which FFmpeg may not have reported.
    pub(crate) fn fault(&self) -> Option<Fault> {
        // SAFETY: the context is ours and alive.
        let error = unsafe { self.context.as_ref() }.error;
        Fault::check(error).err().filter(|fault| !fault.is_end())
    }

    /// Puts out what is gathered, and ends the segment where there are any.
    pub(crate) fn end_segment(&mut self) -> Result<(), Fault> {
        self.flush()?;
        // SAFETY: ours, and no callback runs while `self` is borrowed.
        let descriptor = unsafe { self.descriptor.as_mut() };
        if !descriptor.has_records {
            return Ok(());
        }
        let written = descriptor.write(&record_of_end());
        written.or_else(|errno| Fault::check(code(errno)).map(drop))
    }

    /// Puts out what is gathered.
    pub(crate) fn flush(&mut self) -> Result<(), Fault> {
        // SAFETY: the context is ours and alive.
        unsafe { sys::avio_flush(self.as_ptr()) };
        self.fault().map_or(Ok(()), Err)
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        // SAFETY: both are ours and dropped once; the buffer may have been exchanged by FFmpeg, so that it is freed as
        // the context names it. The descriptor outlives the context.
        unsafe {
            let mut context = self.context.as_ptr();
            sys::av_freep((&raw mut (*context).buffer).cast());
            sys::avio_context_free(&raw mut context);
            drop(Box::from_raw(self.descriptor.as_ptr()));
        }
    }
}
