//! A decoded picture or a block of samples.

use std::{ffi::CStr, ptr::NonNull};

use framerill_media::Size;

use super::{
    Fault, fraction,
    packet::known,
    pixels::{Colour, Format},
    sys,
};

/// Owns an `AVFrame`.
pub(crate) struct Frame(NonNull<sys::AVFrame>);

// SAFETY: a frame is plain memory and counted buffers, which FFmpeg counts atomically.
unsafe impl Send for Frame {}

impl Frame {
    /// An empty one.
    pub(crate) fn new() -> Self {
        // SAFETY: takes nothing; null means that memory has run out, as for any allocation of Rust's.
        let frame = unsafe { sys::av_frame_alloc() };
        Self(NonNull::new(frame).expect("memory for a frame"))
    }

    /// A picture with memory of its own.
    pub(crate) fn picture(format: Format, size: Size) -> Result<Self, Fault> {
        let mut frame = Self::new();
        let inner = frame.get_mut();
        inner.format = format.code();
        inner.width = i32::try_from(size.width()).map_err(|_| Fault::MEMORY)?;
        inner.height = i32::try_from(size.height()).map_err(|_| Fault::MEMORY)?;
        // SAFETY: format and size are set and the frame holds no buffer yet.
        Fault::check(unsafe { sys::av_frame_get_buffer(frame.as_ptr(), 0) })?;
        Ok(frame)
    }

    /// Silence with memory of its own, laid out as `like`'s samples are.
    pub(crate) fn samples(
        format: i32,
        rate: i32,
        channels: u32,
        count: usize,
    ) -> Result<Self, Fault> {
        let mut frame = Self::new();
        let inner = frame.get_mut();
        inner.format = format;
        inner.sample_rate = rate;
        inner.nb_samples = i32::try_from(count).map_err(|_| Fault::MEMORY)?;
        let channels = i32::try_from(channels).map_err(|_| Fault::INVALID)?;
        // SAFETY: the layout lies in a frame of ours; then format, rate, count and layout are set and no buffer is held.
        unsafe {
            sys::av_channel_layout_default(&raw mut (*frame.as_ptr()).ch_layout, channels);
            Fault::check(sys::av_frame_get_buffer(frame.as_ptr(), 0))?;
        }
        frame.silence(0, count);
        Ok(frame)
    }

    /// Silences `count` samples from `first` on, as far as the frame has them.
    pub(crate) fn silence(&mut self, first: usize, count: usize) {
        let all = self.sample_count();
        let first = first.min(all);
        let count = count.min(all - first);
        let part = |n: usize| i32::try_from(n).unwrap_or(0);
        let format = super::swresample::sample_format(self.get().format);
        let Some(format) = format else { return };
        let frame = self.as_ptr();
        // SAFETY: the frame's planes hold `all` samples of its channels, and the range lies inside.
        unsafe {
            sys::av_samples_set_silence(
                (*frame).extended_data,
                part(first),
                part(count),
                (*frame).ch_layout.nb_channels,
                format,
            );
        }
    }

    /// Copies `count` samples from `first` of `from` on to `at`. Panics when either has fewer.
    pub(crate) fn copy_samples(&mut self, at: usize, from: &Self, first: usize, count: usize) {
        let (to, source) = (self.get(), from.get());
        assert!(
            at + count <= self.sample_count() && first + count <= from.sample_count(),
            "inside"
        );
        assert_eq!(
            (to.format, to.ch_layout.nb_channels),
            (source.format, source.ch_layout.nb_channels),
            "the same layout"
        );
        let part = |n: usize| i32::try_from(n).unwrap_or(0);
        let Some(format) = super::swresample::sample_format(to.format) else {
            return;
        };
        // SAFETY: both ranges lie inside frames of the same layout, checked above; the frames are not the same.
        unsafe {
            sys::av_samples_copy(
                to.extended_data,
                source.extended_data,
                part(at),
                part(first),
                part(count),
                to.ch_layout.nb_channels,
                format,
            );
        }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::AVFrame {
        self.0.as_ptr()
    }

    pub(super) fn get(&self) -> &sys::AVFrame {
        // SAFETY: the frame is ours and alive; C touches it only inside calls that we make.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn get_mut(&mut self) -> &mut sys::AVFrame {
        // SAFETY: as in `get`, and borrowed mutably.
        unsafe { self.0.as_mut() }
    }

    /// Another frame over the same picture; nothing is copied.
    pub(crate) fn share(&self) -> Result<Self, Fault> {
        let other = Self::new();
        // SAFETY: both are ours, and the new one is empty.
        Fault::check(unsafe { sys::av_frame_ref(other.as_ptr(), self.as_ptr()) })?;
        Ok(other)
    }

    /// What it holds, in a frame of its own; this one is empty then.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::new())
    }

    /// Sees to it that nobody else reads what is written next.
    pub(crate) fn make_writable(&mut self) -> Result<(), Fault> {
        // SAFETY: the frame is ours; copies its picture if an encoder still holds it.
        Fault::check(unsafe { sys::av_frame_make_writable(self.as_ptr()) }).map(drop)
    }

    /// Width and height, when they are in the range that we take.
    pub(crate) fn size(&self) -> Option<Size> {
        let side = |side: i32| u32::try_from(side).ok();
        Size::new(side(self.get().width)?, side(self.get().height)?).ok()
    }

    /// Width and height, whatever they are.
    pub(crate) fn claimed_size(&self) -> (i32, i32) {
        (self.get().width, self.get().height)
    }

    /// How its samples are laid out.
    pub(crate) fn format(&self) -> Option<Format> {
        Format::known(self.get().format)
    }

    /// Its time, or the decoder's best guess of it.
    pub(crate) fn best_pts(&self) -> Option<i64> {
        known(self.get().best_effort_timestamp).or_else(|| known(self.get().pts))
    }

    /// Its time.
    pub(crate) fn pts(&self) -> Option<i64> {
        known(self.get().pts)
    }

    /// Sets its time.
    pub(crate) fn set_pts(&mut self, pts: i64) {
        self.get_mut().pts = pts;
    }

    /// Asks the encoder for a keyframe, or leaves it to it.
    pub(crate) fn set_keyframe(&mut self, key: bool) {
        self.get_mut().pict_type = if key {
            sys::AVPictureType::AV_PICTURE_TYPE_I
        } else {
            sys::AVPictureType::AV_PICTURE_TYPE_NONE
        };
    }

    /// How long it is shown, in ticks; 0 when unknown.
    pub(crate) fn duration(&self) -> i64 {
        self.get().pkt_duration
    }

    /// Whether the decoder had to make up a part of it.
    pub(crate) fn is_concealed(&self) -> bool {
        let frame = self.get();
        frame.decode_error_flags != 0 || frame.flags & sys::AV_FRAME_FLAG_CORRUPT != 0
    }

    /// Matrix, range, primaries and transfer as the file says.
    pub(crate) fn colour(&self) -> Colour {
        // SAFETY: the frame is ours and alive.
        unsafe { Colour::of_frame(self.as_ptr()) }
    }

    /// Tags it.
    pub(crate) fn set_colour(&mut self, colour: Colour) {
        // SAFETY: the frame is ours and alive.
        unsafe { colour.tag_frame(self.as_ptr()) }
    }

    /// How a camera says that a photograph has to be turned: EXIF's number, 1 to 8.
    pub(crate) fn orientation(&self) -> Option<u8> {
        // SAFETY: the frame is ours and alive, its dictionary null or whole, and an entry's value a string with an end.
        let value = unsafe {
            let entry = sys::av_dict_get(
                self.get().metadata,
                c"Orientation".as_ptr(),
                std::ptr::null(),
                0,
            );
            CStr::from_ptr(entry.as_ref()?.value)
        };
        value.to_str().ok()?.trim().parse().ok()
    }

    /// Width of a pixel to its height.
    pub(crate) fn pixel_aspect(&self) -> Option<(u32, u32)> {
        fraction(self.get().sample_aspect_ratio)
    }

    /// Samples of each channel.
    pub(crate) fn sample_count(&self) -> usize {
        usize::try_from(self.get().nb_samples).unwrap_or(0)
    }

    /// Copies its picture's rows, one after the other, plane by plane. Panics when there is no room for them.
    pub(crate) fn copy_to(&self, into: &mut [u8]) {
        let frame = self.get();
        assert!(!frame.data[0].is_null(), "a frame that holds something");
        let format = self.format().expect("a picture");
        let room = i32::try_from(into.len()).unwrap_or(i32::MAX);
        // SAFETY: the frame's planes are of its format and size; what is written is measured against `room` first.
        let written = unsafe {
            sys::av_image_copy_to_buffer(
                into.as_mut_ptr(),
                room,
                frame.data.as_ptr().cast(),
                frame.linesize.as_ptr(),
                format.0,
                frame.width,
                frame.height,
                1,
            )
        };
        assert!(written >= 0, "the picture fits");
    }

    /// The first `len` bytes of the first plane. Panics when there are not as many.
    pub(crate) fn first_plane(&self, len: usize) -> &[u8] {
        let frame = self.get();
        assert!(
            !frame.buf[0].is_null() && !frame.data[0].is_null(),
            "a frame that holds something"
        );
        // SAFETY: the buffer is alive as long as the frame; data[0] points into it and `held` is what is left from there.
        unsafe {
            let buffer = &*frame.buf[0];
            let held = (buffer.data as usize + buffer.size).saturating_sub(frame.data[0] as usize);
            assert!(len <= held, "as many bytes as asked for");
            std::slice::from_raw_parts(frame.data[0], len)
        }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let mut frame = self.as_ptr();
        // SAFETY: the frame is ours and dropped once.
        unsafe { sys::av_frame_free(&raw mut frame) }
    }
}
