//! Packets into a container.

use std::{
    ffi::{CString, c_char, c_int},
    ptr::{self, NonNull},
};

use super::{Fault, Io, Packet, Parameters, fraction, options::Options, rational, sys};

/// Owns an `AVFormatContext` for writing, and what it writes to.
pub(crate) struct Muxer {
    context: NonNull<sys::AVFormatContext>,
    // At an address of its own: FFmpeg comes back to it to read what was written.
    written: NonNull<Written>,
}

/// What a muxer writes to, and the reader of the same file while it wants one.
struct Written {
    io: Io,
    again: Option<Io>,
}

// SAFETY: used by one thread at a time, whichever that is.
unsafe impl Send for Muxer {}

/// C: the muxer wants to read what it wrote (mp4 moving its index to the front).
unsafe extern "C" fn open_again(
    context: *mut sys::AVFormatContext,
    opened: *mut *mut sys::AVIOContext,
    _url: *const c_char,
    flags: c_int,
    _options: *mut *mut sys::AVDictionary,
) -> c_int {
    if flags & sys::AVIO_FLAG_WRITE != 0 {
        return sys::AVERROR(libc_eperm());
    }
    // SAFETY: `Muxer::create` put its own Written there, which lives as long as the context and is used by nobody else
    // during a call of the muxer; `opened` is FFmpeg's out parameter.
    unsafe {
        let written = &mut *(*context).opaque.cast::<Written>();
        let Ok(fd) = written.io.duplicate() else {
            return sys::AVERROR(libc_eperm());
        };
        let again = Io::reader(fd, written.io.interrupt());
        *opened = again.as_ptr();
        written.again = Some(again);
    }
    0
}

/// C: the muxer has read what it wanted.
unsafe extern "C" fn close_again(
    context: *mut sys::AVFormatContext,
    _io: *mut sys::AVIOContext,
) -> c_int {
    // SAFETY: as in `open_again`.
    unsafe { (*(*context).opaque.cast::<Written>()).again = None };
    0
}

fn libc_eperm() -> c_int {
    rustix::io::Errno::PERM.raw_os_error()
}

impl Muxer {
    /// A container of FFmpeg's `format` into `io`.
    pub(crate) fn create(io: Io, format: &str) -> Result<Self, Fault> {
        let format = CString::new(format).map_err(|_| Fault::INVALID)?;
        // SAFETY: the context is fresh; I/O and interrupt flag live in `written`, which the muxer keeps.
        unsafe {
            let mut context = ptr::null_mut();
            Fault::check(sys::avformat_alloc_output_context2(
                &raw mut context,
                ptr::null(),
                format.as_ptr(),
                ptr::null(),
            ))?;
            let written = NonNull::from(Box::leak(Box::new(Written { io, again: None })));
            let muxer = Self {
                context: NonNull::new(context).ok_or(Fault::MEMORY)?,
                written,
            };
            let io = &written.as_ref().io;
            (*context).pb = io.as_ptr();
            (*context).flags |= sys::AVFMT_FLAG_CUSTOM_IO;
            (*context).interrupt_callback = io.interrupt().callback();
            (*context).opaque = written.as_ptr().cast();
            (*context).io_open = Some(open_again);
            (*context).io_close2 = Some(close_again);
            // Times are ours: nothing may shift them.
            (*context).avoid_negative_ts = 0;
            Ok(muxer)
        }
    }

    fn as_ptr(&self) -> *mut sys::AVFormatContext {
        self.context.as_ptr()
    }

    fn get(&self) -> &sys::AVFormatContext {
        // SAFETY: ours; C touches it only inside calls that we make.
        unsafe { self.context.as_ref() }
    }

    /// Whether codecs' headers go once into the container.
    pub(crate) fn wants_global_header(&self) -> bool {
        // SAFETY: an output context has a format.
        unsafe { (*self.get().oformat).flags & sys::AVFMT_GLOBALHEADER != 0 }
    }

    /// Whether the container takes the codec.
    pub(crate) fn takes(&self, parameters: &Parameters) -> bool {
        // SAFETY: an output context has a format.
        unsafe { sys::avformat_query_codec(self.get().oformat, parameters.codec(), 0) == 1 }
    }

    /// How far apart, in microseconds of media, streams may lie before the waiting one is written alone.
    pub(crate) fn set_interleave(&mut self, micros: i64) {
        // SAFETY: ours and borrowed mutably.
        unsafe { self.context.as_mut() }.max_interleave_delta = micros;
    }

    /// One more stream, before the header. Returns its number.
    pub(crate) fn add_stream(
        &mut self,
        parameters: &Parameters,
        time_base: (u32, u32),
        rate: Option<(u32, u32)>,
    ) -> Result<usize, Fault> {
        // SAFETY: the context is ours; the new stream belongs to it, and the parameters are copied. The codec tag is the
        // source container's and means nothing here.
        unsafe {
            let stream = sys::avformat_new_stream(self.as_ptr(), ptr::null());
            let stream = NonNull::new(stream).ok_or(Fault::MEMORY)?.as_ptr();
            Fault::check(sys::avcodec_parameters_copy(
                (*stream).codecpar,
                parameters.as_ptr(),
            ))?;
            (*(*stream).codecpar).codec_tag = 0;
            (*stream).time_base = rational(time_base);
            (*stream).sample_aspect_ratio = (*(*stream).codecpar).sample_aspect_ratio;
            if let Some(rate) = rate {
                (*stream).avg_frame_rate = rational(rate);
            }
            Ok(usize::try_from((*stream).index).unwrap_or(0))
        }
    }

    /// Gives a track of a file that has not begun other parameters.
    pub(crate) fn replace_stream(
        &mut self,
        stream: usize,
        parameters: &Parameters,
    ) -> Result<(), Fault> {
        // SAFETY: the context is ours and owns its streams, of which `stream` is one; the parameters are copied.
        unsafe {
            let context = self.as_ptr();
            let is_there = u32::try_from(stream).is_ok_and(|it| it < (*context).nb_streams);
            if !is_there {
                return Err(Fault::INVALID);
            }
            let stream = *(*context).streams.add(stream);
            let into = (*stream).codecpar;
            Fault::check(sys::avcodec_parameters_copy(into, parameters.as_ptr()))?;
            (*into).codec_tag = 0;
            (*stream).sample_aspect_ratio = (*into).sample_aspect_ratio;
            Ok(())
        }
    }

    /// Begins the file.
    pub(crate) fn write_header(&mut self, options: &[(&str, &str)]) -> Result<(), Fault> {
        let mut options = Options::new(options)?;
        // SAFETY: the context has its streams and its I/O.
        Fault::check(unsafe { sys::avformat_write_header(self.as_ptr(), options.as_mut_ptr()) })?;
        self.check_io()
    }

    /// The length of a tick of a stream, as the container chose it; after the header.
    pub(crate) fn time_base(&self, stream: usize) -> (u32, u32) {
        let inner = self.get();
        assert!(
            stream < inner.nb_streams as usize,
            "a stream of this container"
        );
        // SAFETY: the array holds nb_streams pointers to streams of ours, and the number is below.
        fraction(unsafe { (**inner.streams.add(stream)).time_base }).unwrap_or((1, 1))
    }

    /// Writes a packet when it is its turn; what it holds moves out of it. Times are in the stream's ticks.
    pub(crate) fn write(&mut self, packet: &mut Packet, stream: usize) -> Result<(), Fault> {
        packet.set_stream(stream);
        // SAFETY: the header is written; the packet is ours and left empty.
        Fault::check(unsafe { sys::av_interleaved_write_frame(self.as_ptr(), packet.as_ptr()) })?;
        self.check_io()
    }

    /// Writes a packet at once, whatever the other streams have; what it holds moves out of it.
    pub(crate) fn write_at_once(
        &mut self,
        packet: &mut Packet,
        stream: usize,
    ) -> Result<(), Fault> {
        packet.set_stream(stream);
        // SAFETY: the header is written; the packet is ours, and FFmpeg copies what it keeps.
        let written = Fault::check(unsafe { sys::av_write_frame(self.as_ptr(), packet.as_ptr()) });
        packet.clear();
        written?;
        self.check_io()
    }

    /// MPEG-TS: ends a segment. The next packet has the tables in front of it.
    pub(crate) fn end_segment(&mut self) -> Result<(), Fault> {
        // SAFETY: the header is written; without a packet the muxer puts out what it gathers.
        Fault::check(unsafe { sys::av_write_frame(self.as_ptr(), ptr::null_mut()) })?;
        // SAFETY: ours and alive, and the muxer is not running.
        unsafe { self.written.as_mut() }.io.end_segment()?;
        // SAFETY: the muxer's own options live as long as the context; both texts end with a zero.
        let set = unsafe {
            let own = self.get().priv_data;
            sys::av_opt_set(
                own,
                c"mpegts_flags".as_ptr(),
                c"+resend_headers".as_ptr(),
                0,
            )
        };
        Fault::check(set).map(drop)
    }

    /// Ends the file.
    pub(crate) fn finish(mut self) -> Result<(), Fault> {
        // SAFETY: the header is written, and nothing is written after.
        Fault::check(unsafe { sys::av_write_trailer(self.as_ptr()) })?;
        // SAFETY: ours and alive, and the muxer is not running.
        unsafe { self.written.as_mut() }.io.end_segment()
    }

    fn check_io(&self) -> Result<(), Fault> {
        // SAFETY: ours and alive, and the muxer is not running.
        unsafe { self.written.as_ref() }
            .io
            .fault()
            .map_or(Ok(()), Err)
    }
}

impl Drop for Muxer {
    fn drop(&mut self) {
        // SAFETY: both are ours and dropped once; the context goes first, since it may still hold the I/O.
        unsafe {
            sys::avformat_free_context(self.as_ptr());
            drop(Box::from_raw(self.written.as_ptr()));
        }
    }
}
