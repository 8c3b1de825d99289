//! Packets into frames.

use std::{
    ffi::CString,
    ptr::{self, NonNull},
};

use super::{Fault, Frame, Packet, Parameters, fraction, log, rational, sys};

/// Pixels of the largest picture that is decoded: 16384 × 8192.
const MOST_PIXELS: i64 = 16_384 * 8_192;

/// Pixels of the largest live picture: 4096 × 4096. A decoder holds up to twenty of them.
const MOST_LIVE_PIXELS: i64 = 4096 * 4096;

/// Owns an open decoder.
pub(crate) struct Decoder {
    context: NonNull<sys::AVCodecContext>,
    /// What [`log::concealed`] said when it was opened.
    concealed_before: u64,
}

// SAFETY: used by one thread at a time, whichever that is; its own threads are FFmpeg's matter.
unsafe impl Send for Decoder {}

impl Decoder {
    /// For a stream. `threads` decode at once.
    pub(crate) fn open(
        parameters: &Parameters,
        time_base: (u32, u32),
        threads: usize,
    ) -> Result<Self, Fault> {
        // SAFETY: the context is set up and not open yet.
        Self::open_with(parameters, time_base, |context| unsafe {
            (*context).max_pixels = MOST_PIXELS;
            (*context).thread_count = i32::try_from(threads).unwrap_or(1);
        })
    }

    /// For pictures that are waited for: each comes out as soon as the stream's order allows. `threads` decode the slices
    /// of one picture; threads for whole pictures would each hold one back.
    pub(crate) fn open_live(
        parameters: &Parameters,
        time_base: (u32, u32),
        threads: usize,
    ) -> Result<Self, Fault> {
        use sys::AVCodecID::{AV_CODEC_ID_H264, AV_CODEC_ID_HEVC};
        // MPEG-2 decoders take the flag as a promise that there are no B-frames.
        let is_reordered_by_need =
            matches!(parameters.codec(), AV_CODEC_ID_H264 | AV_CODEC_ID_HEVC);
        let flag = i32::try_from(sys::AV_CODEC_FLAG_LOW_DELAY).expect("one bit");
        // SAFETY: the context is set up and not open yet.
        Self::open_with(parameters, time_base, |context| unsafe {
            (*context).max_pixels = MOST_LIVE_PIXELS;
            (*context).thread_count = i32::try_from(threads).unwrap_or(1);
            (*context).thread_type = sys::FF_THREAD_SLICE;
            if is_reordered_by_need {
                (*context).flags |= flag;
            }
        })
    }

    fn open_with(
        parameters: &Parameters,
        time_base: (u32, u32),
        set_up: impl FnOnce(*mut sys::AVCodecContext),
    ) -> Result<Self, Fault> {
        // SAFETY: looks a decoder up by number; null when there is none. The context is fresh, and freed by drop.
        unsafe {
            let codec = sys::avcodec_find_decoder(parameters.codec());
            if codec.is_null() {
                return Err(Fault::check(sys::AVERROR_DECODER_NOT_FOUND).expect_err("a fault"));
            }
            let context = sys::avcodec_alloc_context3(codec);
            let decoder = Self {
                context: NonNull::new(context).expect("memory for a decoder"),
                concealed_before: log::concealed(),
            };
            Fault::check(sys::avcodec_parameters_to_context(
                context,
                parameters.as_ptr(),
            ))?;
            (*context).pkt_timebase = rational(time_base);
            set_up(context);
            Fault::check(sys::avcodec_open2(context, codec, ptr::null_mut()))?;
            Ok(decoder)
        }
    }

    fn as_ptr(&self) -> *mut sys::AVCodecContext {
        self.context.as_ptr()
    }

    /// Puts a packet in; none says that no more will come.
    pub(crate) fn send(&mut self, packet: Option<&Packet>) -> Result<(), Fault> {
        let packet = packet.map_or(ptr::null(), |packet| packet.as_ptr().cast_const());
        // SAFETY: the decoder is open; the packet is alive for the call, and its buffers are counted.
        Fault::check(unsafe { sys::avcodec_send_packet(self.as_ptr(), packet) }).map(drop)
    }

    /// Takes a frame out: false when a packet has to come first, or after the last.
    pub(crate) fn receive(&mut self, into: &mut Frame) -> Result<bool, Fault> {
        // SAFETY: the decoder is open, the frame ours; FFmpeg empties it first.
        match Fault::check(unsafe { sys::avcodec_receive_frame(self.as_ptr(), into.as_ptr()) }) {
            Ok(_) => Ok(true),
            Err(fault) if fault.is_again() || fault.is_end() => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Pictures a second, if the stream says so.
    pub(crate) fn frame_rate(&self) -> Option<(u32, u32)> {
        // SAFETY: ours and open.
        fraction(unsafe { self.context.as_ref() }.framerate)
    }

    /// Pictures of which a part was made up, after the last was taken out. A picture's own flags do not tell: with several
    /// threads it is handed out before they are final. Decoders that run side by side in one process count together.
    pub(crate) fn concealed(&self) -> u64 {
        log::concealed() - self.concealed_before
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        let mut context = self.as_ptr();
        // SAFETY: ours and dropped once; joins its threads.
        unsafe { sys::avcodec_free_context(&raw mut context) }
    }
}

/// Whether this FFmpeg has a decoder of that name.
pub(crate) fn decoder_exists(name: &str) -> bool {
    let Ok(name) = CString::new(name) else {
        return false;
    };
    // SAFETY: looks a constant of the library up; null when there is none.
    let codec = unsafe { sys::avcodec_find_decoder_by_name(name.as_ptr()) };
    !codec.is_null()
}
