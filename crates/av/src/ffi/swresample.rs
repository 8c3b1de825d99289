//! Converting sound.

use std::{ffi::c_int, ptr, ptr::NonNull};

use super::{Fault, Frame, sys};

/// Owns a converter to one layout of samples; what comes in may change between frames.
pub(crate) struct Swresample {
    context: NonNull<sys::SwrContext>,
    from: Option<(c_int, c_int, c_int)>,
    to: (c_int, c_int, u32),
}

// SAFETY: used by one thread at a time, whichever that is.
unsafe impl Send for Swresample {}

/// The sample format with that number.
pub(super) fn sample_format(code: c_int) -> Option<sys::AVSampleFormat> {
    if !(0..sys::AVSampleFormat::AV_SAMPLE_FMT_NB as c_int).contains(&code) {
        return None;
    }
    // SAFETY: the enumeration of this FFmpeg's headers has every number from 0 to NB, and the number is inside.
    Some(unsafe { std::mem::transmute::<c_int, sys::AVSampleFormat>(code) })
}

impl Swresample {
    /// To samples of a format's number, a rate and a number of channels.
    pub(crate) fn to(to: (c_int, c_int, u32)) -> Self {
        // SAFETY: takes nothing; null means that memory has run out.
        let context = unsafe { sys::swr_alloc() };
        Self {
            context: NonNull::new(context).expect("memory for a resampler"),
            from: None,
            to,
        }
    }

    /// Sets up for frames like this one, when they differ from those before. What was inside is lost then: at most a few
    /// samples of the resampling filter.
    fn prepare(&mut self, frame: &Frame) -> Result<(), Fault> {
        let inner = frame.get();
        let from = (inner.format, inner.sample_rate, inner.ch_layout.nb_channels);
        if self.from == Some(from) {
            return Ok(());
        }
        let (format, rate, channels) = self.to;
        let into = sample_format(format).ok_or(Fault::INVALID)?;
        let out_of = sample_format(inner.format).ok_or(Fault::INVALID)?;
        let channels = i32::try_from(channels).map_err(|_| Fault::INVALID)?;
        // SAFETY: both layouts are alive for the call and copied; the context is ours and set up anew.
        unsafe {
            let mut layout: sys::AVChannelLayout = std::mem::zeroed();
            sys::av_channel_layout_default(&raw mut layout, channels);
            let mut source: sys::AVChannelLayout = std::mem::zeroed();
            if inner.ch_layout.order == sys::AVChannelOrder::AV_CHANNEL_ORDER_UNSPEC {
                sys::av_channel_layout_default(&raw mut source, inner.ch_layout.nb_channels);
            } else {
                Fault::check(sys::av_channel_layout_copy(
                    &raw mut source,
                    &raw const inner.ch_layout,
                ))?;
            }
            let mut context = self.context.as_ptr();
            let set = sys::swr_alloc_set_opts2(
                &raw mut context,
                &raw mut layout,
                into,
                rate,
                &raw mut source,
                out_of,
                inner.sample_rate,
                0,
                ptr::null_mut(),
            );
            sys::av_channel_layout_uninit(&raw mut source);
            Fault::check(set)?;
            Fault::check(sys::swr_init(context))?;
        }
        self.from = Some(from);
        Ok(())
    }

    /// Converts a frame; none puts out what the filter still holds. Interleaved or planar as the format says.
    pub(crate) fn convert(&mut self, frame: Option<&Frame>) -> Result<Option<Frame>, Fault> {
        if let Some(frame) = frame {
            self.prepare(frame)?;
        }
        if self.from.is_none() {
            return Ok(None);
        }
        let count = frame.map_or(0, Frame::sample_count);
        // SAFETY: the context is set up.
        let most = unsafe {
            sys::swr_get_out_samples(self.context.as_ptr(), i32::try_from(count).unwrap_or(0))
        };
        let most = usize::try_from(Fault::check(most)?).unwrap_or(0);
        if most == 0 {
            return Ok(None);
        }
        let (format, rate, channels) = self.to;
        let mut into = Frame::samples(format, rate, channels, most)?;
        let source = frame.map_or(ptr::null_mut(), |frame| frame.get().extended_data);
        // SAFETY: the output has room for `most` samples of the layout that the context was set up for, the input holds
        // `count` of its own (null and 0 drain).
        let got = unsafe {
            sys::swr_convert(
                self.context.as_ptr(),
                into.get().extended_data,
                i32::try_from(most).unwrap_or(0),
                source.cast(),
                i32::try_from(count).unwrap_or(0),
            )
        };
        let got = Fault::check(got)?;
        into.get_mut().nb_samples = got;
        Ok((got > 0).then_some(into))
    }
}

impl Drop for Swresample {
    fn drop(&mut self) {
        let mut context = self.context.as_ptr();
        // SAFETY: ours and dropped once.
        unsafe { sys::swr_free(&raw mut context) }
    }
}
