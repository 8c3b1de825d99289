//! Frames into packets.

use std::{
    ffi::CString,
    ptr::{self, NonNull},
};

use framerill_media::Size;

use super::{
    Colour, Fault, Format, Frame, Packet, Parameters, fraction, options::Options, rational, sys,
};

/// A video encoder to open.
pub(crate) struct VideoSpec<'a> {
    /// FFmpeg's name of the encoder.
    pub(crate) name: &'a str,
    /// Pixels.
    pub(crate) size: Size,
    /// Layout.
    pub(crate) format: Format,
    /// The length of a tick of its frames' pts.
    pub(crate) time_base: (u32, u32),
    /// Frames a second, for rate control; an average.
    pub(crate) rate: Option<(u32, u32)>,
    /// Frames from one keyframe to the next at most.
    pub(crate) gop: u32,
    /// B-frames in a row; none is the encoder's own choice.
    pub(crate) b_frames: Option<u32>,
    /// Width of a pixel to its height.
    pub(crate) pixel_aspect: Option<(u32, u32)>,
    /// Tags.
    pub(crate) colour: Colour,
    /// Headers once, in the container, instead of with every keyframe.
    pub(crate) global_header: bool,
    /// Threads.
    pub(crate) threads: usize,
    /// Its own options.
    pub(crate) options: &'a [(&'a str, &'a str)],
}

/// An audio encoder to open. Its sample format is its own choice.
pub(crate) struct AudioSpec<'a> {
    /// FFmpeg's name of the encoder.
    pub(crate) name: &'a str,
    /// Samples a second; also the time base.
    pub(crate) rate: u32,
    /// Channels.
    pub(crate) channels: u32,
    /// Bits a second.
    pub(crate) bit_rate: i64,
    /// Headers once, in the container.
    pub(crate) global_header: bool,
}

/// Owns an open encoder.
pub(crate) struct Encoder(NonNull<sys::AVCodecContext>);

// SAFETY: used by one thread at a time, whichever that is; its own threads are FFmpeg's matter.
unsafe impl Send for Encoder {}

fn find(name: &str) -> Result<NonNull<sys::AVCodec>, Fault> {
    let missing = || Fault::check(sys::AVERROR_ENCODER_NOT_FOUND).expect_err("a fault");
    let name = CString::new(name).map_err(|_| missing())?;
    // SAFETY: looks a constant of the library up; null when there is none.
    let codec = unsafe { sys::avcodec_find_encoder_by_name(name.as_ptr()) };
    NonNull::new(codec.cast_mut()).ok_or_else(missing)
}

/// Whether this FFmpeg has an encoder for pictures of that name.
pub(crate) fn encoder_exists(name: &str) -> bool {
    // SAFETY: a codec is a constant of the library.
    find(name)
        .is_ok_and(|codec| unsafe { codec.as_ref().type_ == sys::AVMediaType::AVMEDIA_TYPE_VIDEO })
}

/// Whether this FFmpeg has an encoder of that name, for pictures or sound.
pub(crate) fn any_encoder_exists(name: &str) -> bool {
    find(name).is_ok()
}

/// The sample rates that an encoder takes; empty when it takes any.
pub(crate) fn encoder_rates(name: &str) -> Vec<u32> {
    let Ok(codec) = find(name) else {
        return Vec::new();
    };
    let mut rates = Vec::new();
    // SAFETY: a codec is a constant of the library, and its list of rates is null or ends with a zero.
    unsafe {
        let mut next = codec.as_ref().supported_samplerates;
        while !next.is_null() && *next != 0 {
            rates.extend(u32::try_from(*next));
            next = next.add(1);
        }
    }
    rates
}

/// The pixel formats that an encoder takes; empty when it does not say.
pub(crate) fn encoder_formats(name: &str) -> Vec<Format> {
    let Ok(codec) = find(name) else {
        return Vec::new();
    };
    let mut formats = Vec::new();
    // SAFETY: a codec is a constant of the library, and its list of formats is null or ends with NONE.
    unsafe {
        let mut next = codec.as_ref().pix_fmts;
        while !next.is_null() && *next != sys::AVPixelFormat::AV_PIX_FMT_NONE {
            formats.push(Format(*next));
            next = next.add(1);
        }
    }
    formats
}

impl Encoder {
    /// For pictures.
    pub(crate) fn video(spec: &VideoSpec<'_>) -> Result<Self, Fault> {
        let codec = find(spec.name)?;
        let encoder = Self::allocate(codec)?;
        let context = encoder.as_ptr();
        let part = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
        // SAFETY: the context is fresh and ours, and not open yet.
        unsafe {
            (*context).width = part(spec.size.width());
            (*context).height = part(spec.size.height());
            (*context).pix_fmt = spec.format.0;
            (*context).time_base = rational(spec.time_base);
            if let Some(rate) = spec.rate {
                (*context).framerate = rational(rate);
            }
            if let Some(aspect) = spec.pixel_aspect {
                (*context).sample_aspect_ratio = rational(aspect);
            }
            (*context).gop_size = part(spec.gop);
            if let Some(b_frames) = spec.b_frames {
                (*context).max_b_frames = part(b_frames);
            }
            (*context).thread_count = i32::try_from(spec.threads).unwrap_or(1);
            spec.colour.tag_encoder(context);
        }
        encoder.open(codec, spec.global_header, spec.options)
    }

    /// For sound.
    pub(crate) fn audio(spec: &AudioSpec<'_>) -> Result<Self, Fault> {
        let codec = find(spec.name)?;
        let encoder = Self::allocate(codec)?;
        let context = encoder.as_ptr();
        let rate = i32::try_from(spec.rate).map_err(|_| Fault::INVALID)?;
        let channels = i32::try_from(spec.channels).map_err(|_| Fault::INVALID)?;
        // SAFETY: the context is fresh and ours, and not open yet; the codec's list of formats is null or not empty.
        unsafe {
            (*context).sample_rate = rate;
            (*context).time_base = sys::AVRational { num: 1, den: rate };
            (*context).bit_rate = spec.bit_rate;
            sys::av_channel_layout_default(&raw mut (*context).ch_layout, channels);
            let formats = codec.as_ref().sample_fmts;
            (*context).sample_fmt = if formats.is_null() {
                sys::AVSampleFormat::AV_SAMPLE_FMT_S16
            } else {
                *formats
            };
        }
        encoder.open(codec, spec.global_header, &[])
    }

    fn allocate(codec: NonNull<sys::AVCodec>) -> Result<Self, Fault> {
        // SAFETY: the codec is a constant of the library.
        let context = unsafe { sys::avcodec_alloc_context3(codec.as_ptr()) };
        NonNull::new(context).map(Self).ok_or(Fault::MEMORY)
    }

    fn open(
        self,
        codec: NonNull<sys::AVCodec>,
        global_header: bool,
        options: &[(&str, &str)],
    ) -> Result<Self, Fault> {
        let mut options = Options::new(options)?;
        // SAFETY: the context is ours and set up; the options live through the call.
        unsafe {
            if global_header {
                (*self.as_ptr()).flags |=
                    i32::try_from(sys::AV_CODEC_FLAG_GLOBAL_HEADER).expect("one bit");
            }
            Fault::check(sys::avcodec_open2(
                self.as_ptr(),
                codec.as_ptr(),
                options.as_mut_ptr(),
            ))?;
        }
        Ok(self)
    }

    fn as_ptr(&self) -> *mut sys::AVCodecContext {
        self.0.as_ptr()
    }

    fn get(&self) -> &sys::AVCodecContext {
        // SAFETY: ours and open; C touches it only inside calls that we make.
        unsafe { self.0.as_ref() }
    }

    /// What a container has to know.
    pub(crate) fn parameters(&self) -> Result<Parameters, Fault> {
        let parameters = Parameters::new();
        // SAFETY: the encoder is open and the parameters are ours.
        Fault::check(unsafe {
            sys::avcodec_parameters_from_context(parameters.as_ptr(), self.as_ptr())
        })?;
        Ok(parameters)
    }

    /// The length of a tick of its packets' times.
    pub(crate) fn time_base(&self) -> (u32, u32) {
        fraction(self.get().time_base).unwrap_or((1, 1))
    }

    /// Sound: samples of each channel in a frame; none when any number will do.
    pub(crate) fn frame_samples(&self) -> Option<usize> {
        usize::try_from(self.get().frame_size)
            .ok()
            .filter(|count| *count > 0)
    }

    /// Sound: the number of its sample format, its rate and its channels.
    pub(crate) fn sound(&self) -> (i32, i32, u32) {
        let context = self.get();
        let channels = u32::try_from(context.ch_layout.nb_channels).unwrap_or(0);
        (context.sample_fmt as i32, context.sample_rate, channels)
    }

    /// Puts a frame in; none says that no more will come.
    pub(crate) fn send(&mut self, frame: Option<&Frame>) -> Result<(), Fault> {
        let frame = frame.map_or(ptr::null(), |frame| frame.as_ptr().cast_const());
        // SAFETY: the encoder is open; the frame is alive for the call, and its buffers are counted.
        Fault::check(unsafe { sys::avcodec_send_frame(self.as_ptr(), frame) }).map(drop)
    }

    /// Takes a packet out: false when a frame has to come first, or after the last.
    pub(crate) fn receive(&mut self, into: &mut Packet) -> Result<bool, Fault> {
        // SAFETY: the encoder is open, the packet ours; FFmpeg empties it first.
        match Fault::check(unsafe { sys::avcodec_receive_packet(self.as_ptr(), into.as_ptr()) }) {
            Ok(_) => Ok(true),
            Err(fault) if fault.is_again() || fault.is_end() => Ok(false),
            Err(fault) => Err(fault),
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let mut context = self.as_ptr();
        // SAFETY: ours and dropped once; joins its threads.
        unsafe { sys::avcodec_free_context(&raw mut context) }
    }
}
