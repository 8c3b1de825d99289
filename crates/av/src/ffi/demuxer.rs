//! Opening a container and taking packets out of it.

use std::{
    ffi::{CStr, CString},
    ptr::{self, NonNull},
};

use super::{Fault, Io, Packet, Parameters, fraction, log, options::Options, packet::known, sys};

/// What a file may be. Formats that name other files (playlists, image series, scripts) are not here.
const FORMATS: &str = "mov,mp4,matroska,webm,mpegts,avi,h264,hevc,m4v,mpeg,mpegvideo,flv,ogg,asf,ivf,obu,mjpeg,\
                       mxf,nut,dv,gif,wav,aac,mp3,flac,ac3";
/// And still pictures, of which the bytes are all there is.
const STILLS: &str = "jpeg_pipe,png_pipe,webp_pipe,bmp_pipe";
/// Bytes that may be looked at to find out what a file is.
const PROBE_BYTES: &str = "5000000";
/// Microseconds of media that may be looked at.
const PROBE_MICROS: &str = "5000000";
/// The same where somebody is watching (runner contract §8.2).
const LIVE_PROBE_MICROS: &str = "2500000";
/// A time of creation is shorter.
const LONGEST_TIME: usize = 64;
/// More streams than any camera makes.
const MOST_STREAMS: &str = "128";

/// What the container says of a stream. Times are in ticks of `time_base`.
pub(crate) struct StreamFacts {
    /// Codec and its set-up.
    pub(crate) parameters: Parameters,
    /// The length of a tick.
    pub(crate) time_base: (u32, u32),
    /// The first time.
    pub(crate) start: Option<i64>,
    /// How long.
    pub(crate) duration: Option<i64>,
    /// Packets, when the header counts them.
    pub(crate) packets: Option<u64>,
    /// Average frames a second.
    pub(crate) average_rate: Option<(u32, u32)>,
    /// The slowest rate that all its times are multiples of, a guess.
    pub(crate) base_rate: Option<(u32, u32)>,
    /// Width of a pixel to its height.
    pub(crate) pixel_aspect: Option<(u32, u32)>,
    /// Clockwise degrees by which a picture has to be turned to stand upright, any number.
    pub(crate) rotation: f64,
    /// One picture that belongs to the sound: a cover.
    pub(crate) is_cover: bool,
}

/// Owns an `AVFormatContext` for reading, and what it reads.
pub(crate) struct Demuxer {
    context: NonNull<sys::AVFormatContext>,
    io: Io,
}

// SAFETY: used by one thread at a time, whichever that is.
unsafe impl Send for Demuxer {}

impl Demuxer {
    /// Finds out what `io` holds. `extension` is a hint.
    pub(crate) fn open(io: Io, extension: &str) -> Result<Self, Fault> {
        Self::open_within(io, extension, FORMATS, PROBE_MICROS)
    }

    /// The same, where `io` may hold one still picture.
    pub(crate) fn open_with_stills(io: Io, extension: &str) -> Result<Self, Fault> {
        let formats = format!("{FORMATS},{STILLS}");
        Self::open_within(io, extension, &formats, PROBE_MICROS)
    }

    /// Finds out what comes through a pipe that somebody is watching.
    pub(crate) fn open_live(io: Io) -> Result<Self, Fault> {
        Self::open_within(io, "", FORMATS, LIVE_PROBE_MICROS)
    }

    fn open_within(
        io: Io,
        extension: &str,
        formats: &str,
        probe_micros: &str,
    ) -> Result<Self, Fault> {
        let mut options = Options::new(&[
            ("format_whitelist", formats),
            ("protocol_whitelist", "none"),
            ("probesize", PROBE_BYTES),
            ("analyzeduration", probe_micros),
            ("max_streams", MOST_STREAMS),
        ])?;
        let name = CString::new(format!("input.{extension}")).map_err(|_| Fault::INVALID)?;
        // SAFETY: the context is fresh; I/O and interrupt flag live in `io`, which the demuxer keeps. On failure FFmpeg
        // frees the context itself and leaves the I/O alone.
        let demuxer = unsafe {
            let mut context = sys::avformat_alloc_context();
            let inner = NonNull::new(context)
                .expect("memory for a demuxer")
                .as_ptr();
            (*inner).pb = io.as_ptr();
            (*inner).flags |= sys::AVFMT_FLAG_CUSTOM_IO;
            (*inner).interrupt_callback = io.interrupt().callback();
            Fault::check(sys::avformat_open_input(
                &raw mut context,
                name.as_ptr(),
                ptr::null(),
                options.as_mut_ptr(),
            ))?;
            Self {
                context: NonNull::new(context).expect("it was opened"),
                io,
            }
        };
        // SAFETY: the context is open.
        Fault::check(unsafe { sys::avformat_find_stream_info(demuxer.as_ptr(), ptr::null_mut()) })?;
        Ok(demuxer)
    }

    fn as_ptr(&self) -> *mut sys::AVFormatContext {
        self.context.as_ptr()
    }

    fn get(&self) -> &sys::AVFormatContext {
        // SAFETY: ours and open; C touches it only inside calls that we make.
        unsafe { self.context.as_ref() }
    }

    /// FFmpeg's name of the container.
    pub(crate) fn container(&self) -> String {
        // SAFETY: an open input has a format, whose name is a constant text.
        let name = unsafe { CStr::from_ptr((*self.get().iformat).name) };
        name.to_string_lossy().into_owned()
    }

    /// Whether times in this kind of container may jump.
    pub(crate) fn is_discontinuous(&self) -> bool {
        // SAFETY: an open input has a format.
        unsafe { (*self.get().iformat).flags & sys::AVFMT_TS_DISCONT != 0 }
    }

    /// Seconds that the header claims.
    pub(crate) fn duration(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "microseconds of 285 years")]
        known(self.get().duration)
            .filter(|micros| *micros > 0)
            .map(|micros| micros as f64 / 1e6)
    }

    /// What the container says of the time at which it was made, as it is written there.
    pub(crate) fn created(&self) -> Option<String> {
        let names = [c"creation_time", c"date"];
        names.into_iter().find_map(|name| {
            // SAFETY: the metadata of an open input live as long as it does, also when there are none; an entry's value is
            // a string with an end, and is copied before anything else is called.
            let text = unsafe {
                let entry = sys::av_dict_get(self.get().metadata, name.as_ptr(), ptr::null(), 0);
                CStr::from_ptr(entry.as_ref()?.value)
            };
            let text = text.to_string_lossy();
            (text.len() <= LONGEST_TIME).then(|| text.into_owned())
        })
    }

    /// Whether the duration was read, not guessed from the bit rate.
    pub(crate) fn duration_is_read(&self) -> bool {
        self.get().duration_estimation_method
            != sys::AVDurationEstimationMethod::AVFMT_DURATION_FROM_BITRATE
    }

    /// Whether the header's counts are those of packets with something in them. AVI counts empty ones, which repeat the
    /// picture before and are not delivered.
    pub(crate) fn counts_are_exact(&self) -> bool {
        // SAFETY: an open input has a format, whose name is a string with an end.
        let name = unsafe { CStr::from_ptr((*self.get().iformat).name) };
        name != c"avi"
    }

    /// How many streams there are.
    pub(crate) fn stream_count(&self) -> usize {
        self.get().nb_streams as usize
    }

    fn stream(&self, index: usize) -> Option<NonNull<sys::AVStream>> {
        if index >= self.stream_count() {
            return None;
        }
        // SAFETY: the array holds nb_streams pointers, and the index is below.
        NonNull::new(unsafe { *self.get().streams.add(index) })
    }

    /// What the container says of a stream.
    pub(crate) fn facts(&self, index: usize) -> Option<StreamFacts> {
        // SAFETY: the stream belongs to the open context, which is borrowed; its display matrix has nine numbers or is null.
        unsafe {
            let stream = self.stream(index)?.as_ref();
            let matrix = sys::av_stream_get_side_data(
                stream,
                sys::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX,
                ptr::null_mut(),
            );
            let rotation = if matrix.is_null() {
                0.0
            } else {
                -sys::av_display_rotation_get(matrix.cast())
            };
            Some(StreamFacts {
                parameters: Parameters::copy_of(stream.codecpar).ok()?,
                time_base: fraction(stream.time_base)?,
                start: known(stream.start_time),
                duration: known(stream.duration).filter(|ticks| *ticks > 0),
                packets: u64::try_from(stream.nb_frames)
                    .ok()
                    .filter(|count| *count > 0),
                average_rate: fraction(stream.avg_frame_rate),
                base_rate: fraction(stream.r_frame_rate),
                pixel_aspect: fraction(stream.sample_aspect_ratio),
                rotation,
                is_cover: stream.disposition & sys::AV_DISPOSITION_ATTACHED_PIC != 0,
            })
        }
    }

    /// Reads only these streams from now on.
    pub(crate) fn keep_only(&mut self, wanted: &[usize]) {
        for index in 0..self.stream_count() {
            let Some(mut stream) = self.stream(index) else {
                continue;
            };
            // SAFETY: the stream belongs to the open context, which is borrowed mutably.
            unsafe { stream.as_mut() }.discard = if wanted.contains(&index) {
                sys::AVDiscard::AVDISCARD_DEFAULT
            } else {
                sys::AVDiscard::AVDISCARD_ALL
            };
        }
    }

    /// The next packet. Its end is a fault of its own.
    pub(crate) fn read(&mut self, into: &mut Packet) -> Result<(), Fault> {
        into.clear();
        // SAFETY: the context is open, the packet ours and empty.
        Fault::check(unsafe { sys::av_read_frame(self.as_ptr(), into.as_ptr()) }).map(drop)
    }

    /// Whether a container that is damaged is read on from the next place that looks whole, without an error.
    pub(crate) fn skips_silently(&self) -> bool {
        // SAFETY: an open input has a format, whose name is a string with an end.
        let name = unsafe { CStr::from_ptr((*self.get().iformat).name) };
        name.to_bytes().starts_with(b"matroska")
    }

    /// Errors logged so far, by this demuxer or anything else of FFmpeg's.
    pub(crate) fn logged_errors() -> u64 {
        log::errors()
    }

    /// Goes to the last keyframe of a stream at or before a time.
    pub(crate) fn seek(&mut self, stream: usize, ticks: i64) -> Result<(), Fault> {
        let stream = i32::try_from(stream).map_err(|_| Fault::INVALID)?;
        // SAFETY: the context is open.
        let sought =
            unsafe { sys::avformat_seek_file(self.as_ptr(), stream, i64::MIN, ticks, ticks, 0) };
        Fault::check(sought).map(drop)
    }

    /// What reading failed with, if FFmpeg kept it to itself.
    pub(crate) fn io_fault(&self) -> Option<Fault> {
        self.io.fault()
    }
}

impl Drop for Demuxer {
    fn drop(&mut self) {
        let mut context = self.as_ptr();
        // SAFETY: ours and dropped once; the I/O is a field and freed after.
        unsafe { sys::avformat_close_input(&raw mut context) }
    }
}
