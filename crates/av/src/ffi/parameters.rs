//! What a stream is made of.

use std::{ffi::CStr, ptr::NonNull};

use framerill_media::Size;

use super::{Colour, Fault, fraction, sys};

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaKind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Something else.
    Other,
}

/// Owns an `AVCodecParameters`.
pub(crate) struct Parameters(NonNull<sys::AVCodecParameters>);

// SAFETY: plain memory without references to anything else.
unsafe impl Send for Parameters {}

impl Parameters {
    pub(super) fn new() -> Self {
        // SAFETY: takes nothing; null means that memory has run out, as for any allocation of Rust's.
        let parameters = unsafe { sys::avcodec_parameters_alloc() };
        Self(NonNull::new(parameters).expect("memory for codec parameters"))
    }

    /// Samples as they are: interleaved signed 16 bit, little-endian.
    pub(crate) fn pcm_s16(rate: u32, channels: u32) -> Self {
        let parameters = Self::new();
        let part = |n: u32| i32::try_from(n).unwrap_or(0);
        let inner = parameters.as_ptr();
        // SAFETY: the parameters are ours; the layout function writes the layout that lies in them.
        unsafe {
            (*inner).codec_type = sys::AVMediaType::AVMEDIA_TYPE_AUDIO;
            (*inner).codec_id = sys::AVCodecID::AV_CODEC_ID_PCM_S16LE;
            (*inner).format = sys::AVSampleFormat::AV_SAMPLE_FMT_S16 as i32;
            (*inner).sample_rate = part(rate);
            (*inner).bits_per_coded_sample = 16;
            (*inner).block_align = part(channels * 2);
            sys::av_channel_layout_default(&raw mut (*inner).ch_layout, part(channels));
        }
        parameters
    }

    /// Of a picture file whose bytes are one packet: none for one that begins neither as a JPEG nor as a PNG.
    pub(crate) fn of_picture_file(bytes: &[u8]) -> Option<Self> {
        let codec = if bytes.starts_with(b"\xff\xd8\xff") {
            sys::AVCodecID::AV_CODEC_ID_MJPEG
        } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            sys::AVCodecID::AV_CODEC_ID_PNG
        } else {
            return None;
        };
        let parameters = Self::new();
        let inner = parameters.as_ptr();
        // SAFETY: the parameters are ours.
        unsafe {
            (*inner).codec_type = sys::AVMediaType::AVMEDIA_TYPE_VIDEO;
            (*inner).codec_id = codec;
        }
        Some(parameters)
    }

    /// A copy of somebody else's.
    ///
    /// # Safety
    /// `other` is alive.
    pub(super) unsafe fn copy_of(other: *const sys::AVCodecParameters) -> Result<Self, Fault> {
        let copy = Self::new();
        // SAFETY: the caller's, and the copy is ours.
        Fault::check(unsafe { sys::avcodec_parameters_copy(copy.as_ptr(), other) })?;
        Ok(copy)
    }

    /// A copy.
    pub(crate) fn duplicate(&self) -> Result<Self, Fault> {
        // SAFETY: `self` is alive.
        unsafe { Self::copy_of(self.as_ptr()) }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::AVCodecParameters {
        self.0.as_ptr()
    }

    fn get(&self) -> &sys::AVCodecParameters {
        // SAFETY: ours and alive; C touches it only inside calls that we make.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn codec(&self) -> sys::AVCodecID {
        self.get().codec_id
    }

    /// What it carries.
    pub(crate) fn kind(&self) -> MediaKind {
        match self.get().codec_type {
            sys::AVMediaType::AVMEDIA_TYPE_VIDEO => MediaKind::Video,
            sys::AVMediaType::AVMEDIA_TYPE_AUDIO => MediaKind::Audio,
            _ => MediaKind::Other,
        }
    }

    /// FFmpeg's name of the codec.
    pub(crate) fn codec_name(&self) -> String {
        codec_name(self.codec())
    }

    /// The container's four letters for the codec where they can be read, else FFmpeg's name of it.
    pub(crate) fn tag(&self) -> String {
        let tag = self.get().codec_tag.to_le_bytes();
        let is_text = tag.iter().all(u8::is_ascii_graphic);
        if is_text {
            tag.iter().map(|byte| char::from(*byte)).collect()
        } else {
            self.codec_name()
        }
    }

    /// Of pictures, when it is in the range that we take.
    pub(crate) fn size(&self) -> Option<Size> {
        let side = |side: i32| u32::try_from(side).ok();
        Size::new(side(self.get().width)?, side(self.get().height)?).ok()
    }

    /// Of pictures: width and height as the file says, whatever they are.
    pub(crate) fn claimed_size(&self) -> (i32, i32) {
        (self.get().width, self.get().height)
    }

    /// Samples a second.
    pub(crate) fn sample_rate(&self) -> u32 {
        u32::try_from(self.get().sample_rate).unwrap_or(0)
    }

    /// Channels.
    pub(crate) fn channels(&self) -> u32 {
        u32::try_from(self.get().ch_layout.nb_channels).unwrap_or(0)
    }

    /// Width of a pixel to its height.
    pub(crate) fn pixel_aspect(&self) -> Option<(u32, u32)> {
        fraction(self.get().sample_aspect_ratio)
    }

    /// What its numbers mean.
    pub(crate) fn colour(&self) -> Colour {
        // SAFETY: ours and alive.
        unsafe { Colour::of_parameters(self.as_ptr()) }
    }

    /// The layout of its pictures.
    pub(crate) fn pixel_format(&self) -> Option<super::Format> {
        super::Format::known(self.get().format)
    }
}

impl Drop for Parameters {
    fn drop(&mut self) {
        let mut parameters = self.as_ptr();
        // SAFETY: ours and dropped once.
        unsafe { sys::avcodec_parameters_free(&raw mut parameters) }
    }
}

/// FFmpeg's name of a codec.
pub(crate) fn codec_name(codec: sys::AVCodecID) -> String {
    // SAFETY: the name is a constant text of the library, for any number.
    let name = unsafe { CStr::from_ptr(sys::avcodec_get_name(codec)) };
    name.to_string_lossy().into_owned()
}
