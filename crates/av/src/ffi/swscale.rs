//! Scaling and converting pictures.

use std::{ffi::c_int, ptr, ptr::NonNull};

use framerill_frames::{Foreign, OVERSHOOT};
use framerill_media::Size;

use super::{Colour, Fault, Format, Frame, SideRange, sys};

/// Bicubic, FFmpeg's own default: sharper than bilinear at about the same cost here, since decoding dominates.
const FLAGS: c_int = sys::SWS_BICUBIC;

/// swscale makes up to so many pixels at once. Those at the end of a row that are fewer it leaves out, or writes past them,
/// when the row has no room behind it (`libswscale/x86/yuv2rgb_template.c`).
const AT_ONCE: u32 = 16;

/// One side of a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    /// Layout.
    pub(crate) format: Format,
    /// Pixels.
    pub(crate) size: Size,
    /// Range of luma; of no meaning for RGB.
    pub(crate) range: SideRange,
    /// Matrix; of no meaning for RGB.
    pub(crate) colour: Colour,
}

/// The part of a picture that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crop {
    /// Pixels left out at the left.
    pub(crate) left: u32,
    /// Pixels left out at the top.
    pub(crate) top: u32,
    /// What is left.
    pub(crate) size: Size,
}

impl Side {
    /// Plain RGB.
    pub(crate) fn rgb(size: Size) -> Self {
        Self {
            format: Format::RGB24,
            size,
            range: SideRange::Full,
            colour: Colour::default(),
        }
    }
}

impl Crop {
    /// All of a picture.
    pub(crate) fn whole(size: Size) -> Self {
        Self {
            left: 0,
            top: 0,
            size,
        }
    }
}

/// Owns a scaler between two fixed sides.
pub(crate) struct Swscale {
    context: NonNull<sys::SwsContext>,
    from: Side,
    to: Side,
    /// Rows to read from that can be read past their end.
    padded_bytes: Vec<u8>,
    /// Rows to write to that can be written past their end.
    padded_picture: Option<Frame>,
}

// SAFETY: used by one thread at a time, whichever that is.
unsafe impl Send for Swscale {}

type Planes = ([*mut u8; 4], [c_int; 4]);

impl Swscale {
    /// From one side to the other.
    pub(crate) fn new(from: Side, to: Side) -> Result<Self, Fault> {
        let part = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
        let range = |side: Side| c_int::from(side.range == SideRange::Full);
        // SAFETY: the context is fresh, and owned before anything can fail. Ranges have to be known before it is set up,
        // matrices after. The coefficient tables are constants of the library.
        unsafe {
            let context = NonNull::new(sys::sws_alloc_context()).ok_or(Fault::MEMORY)?;
            let made = Self {
                context,
                from,
                to,
                padded_bytes: Vec::new(),
                padded_picture: None,
            };
            for (name, value) in [
                (c"srcw", part(from.size.width())),
                (c"srch", part(from.size.height())),
                (c"src_format", from.format.code()),
                (c"src_range", range(from)),
                (c"dstw", part(to.size.width())),
                (c"dsth", part(to.size.height())),
                (c"dst_format", to.format.code()),
                (c"dst_range", range(to)),
                (c"sws_flags", FLAGS),
            ] {
                let owner = context.as_ptr().cast();
                Fault::check(sys::av_opt_set_int(
                    owner,
                    name.as_ptr(),
                    i64::from(value),
                    0,
                ))?;
            }
            Fault::check(sys::sws_init_context(
                context.as_ptr(),
                ptr::null_mut(),
                ptr::null_mut(),
            ))?;
            // RGB has no matrix: the one of the other side decides both ways.
            let matrix = if from.format.is_rgb() {
                to.colour
            } else {
                from.colour
            };
            let other = if to.format.is_rgb() {
                matrix
            } else {
                to.colour
            };
            // Fails where there is nothing to set (RGB to RGB).
            sys::sws_setColorspaceDetails(
                context.as_ptr(),
                sys::sws_getCoefficients(matrix.swscale_matrix()),
                range(from),
                sys::sws_getCoefficients(other.swscale_matrix()),
                range(to),
                0,
                1 << 16,
                1 << 16,
            );
            Ok(made)
        }
    }

    /// A part of a frame into contiguous rows. A width that is no multiple of [`AT_ONCE`] costs a copy.
    pub(crate) fn frame_to_bytes(
        &mut self,
        frame: &Frame,
        crop: Crop,
        into: &mut [u8],
    ) -> Result<(), Fault> {
        let from = self.frame_planes(frame, crop)?;
        self.run_into(from, into)
    }

    /// A part of a frame into a frame.
    pub(crate) fn frame_to_frame(
        &mut self,
        frame: &Frame,
        crop: Crop,
        into: &mut Frame,
    ) -> Result<(), Fault> {
        let from = self.frame_planes(frame, crop)?;
        let to = self.planes_to_fill(into);
        self.run(from, to)
    }

    /// Contiguous rows into a frame. What the rows hold may change meanwhile.
    pub(crate) fn bytes_to_frame(
        &mut self,
        bytes: Foreign<'_>,
        into: &mut Frame,
    ) -> Result<(), Fault> {
        let from = self.readable(bytes);
        let to = self.planes_to_fill(into);
        self.run(from, to)
    }

    /// Contiguous rows into contiguous rows. What the former hold may change meanwhile. A width that is no multiple of
    /// [`AT_ONCE`] costs a copy.
    pub(crate) fn bytes_to_bytes(
        &mut self,
        bytes: Foreign<'_>,
        into: &mut [u8],
    ) -> Result<(), Fault> {
        let from = self.readable(bytes);
        self.run_into(from, into)
    }

    /// Into contiguous rows; over padded ones, which are copied, where these have no room at their end.
    fn run_into(&mut self, from: Planes, into: &mut [u8]) -> Result<(), Fault> {
        if self.to.size.width().is_multiple_of(AT_ONCE) {
            let to = contiguous(self.to, into.as_mut_ptr(), into.len());
            return self.run(from, to);
        }
        let mut padded = match self.padded_picture.take() {
            Some(padded) => padded,
            None => Frame::picture(self.to.format, self.to.size)?,
        };
        let to = self.planes_to_fill(&mut padded);
        let done = self.run(from, to).map(|()| padded.copy_to(into));
        self.padded_picture = Some(padded);
        done
    }

    /// The planes of rows that can be read past their end, as swscale does; copied where they cannot.
    fn readable(&mut self, bytes: Foreign<'_>) -> Planes {
        if bytes.slack() >= OVERSHOOT {
            return contiguous(self.from, bytes.as_ptr().cast_mut(), bytes.len());
        }
        self.padded_bytes.resize(bytes.len() + OVERSHOOT, 0);
        bytes.copy_to(0, &mut self.padded_bytes[..bytes.len()]);
        contiguous(self.from, self.padded_bytes.as_mut_ptr(), bytes.len())
    }

    fn frame_planes(&self, frame: &Frame, crop: Crop) -> Result<Planes, Fault> {
        let size = frame.size().ok_or(Fault::INVALID)?;
        let format = frame.format().ok_or(Fault::INVALID)?;
        assert_eq!(
            format.without_range().0,
            self.from.format,
            "the format that was said"
        );
        assert_eq!(crop.size, self.from.size, "the part that was said");
        assert!(
            crop.left + crop.size.width() <= size.width()
                && crop.top + crop.size.height() <= size.height(),
            "the part lies inside the picture"
        );
        let (mut data, strides) = planes(frame);
        for (plane, data) in data.iter_mut().enumerate() {
            if data.is_null() {
                break;
            }
            let stride = isize::try_from(strides[plane]).unwrap_or(0);
            let offset = format.offset(plane, stride, crop.left as usize, crop.top as usize);
            // SAFETY: the pixel lies inside the picture, checked above, and so does its sample in the plane.
            *data = unsafe { data.offset(offset) };
        }
        Ok((data, strides))
    }

    fn planes_to_fill(&self, frame: &mut Frame) -> Planes {
        assert_eq!(
            frame.size(),
            Some(self.to.size),
            "a frame of the size that was said"
        );
        assert_eq!(
            frame.format(),
            Some(self.to.format),
            "a frame of the format that was said"
        );
        planes(frame)
    }

    fn run(&mut self, from: Planes, to: Planes) -> Result<(), Fault> {
        let rows = i32::try_from(self.from.size.height()).unwrap_or(0);
        // SAFETY: both sides' planes are of the formats and sizes that the context was made for: frames were checked
        // against them, bytes measured by `contiguous` and readable a register past their end. swscale keeps no pointer
        // after the call.
        let scaled = unsafe {
            sys::sws_scale(
                self.context.as_ptr(),
                from.0.as_ptr().cast(),
                from.1.as_ptr(),
                0,
                rows,
                to.0.as_ptr(),
                to.1.as_ptr(),
            )
        };
        Fault::check(scaled).map(drop)
    }
}

fn planes(frame: &Frame) -> Planes {
    let inner = frame.get();
    let first = |n| (inner.data[n], inner.linesize[n]);
    let (data, strides): (Vec<_>, Vec<_>) = (0..4).map(first).unzip();
    (
        [data[0], data[1], data[2], data[3]],
        [strides[0], strides[1], strides[2], strides[3]],
    )
}

/// The planes of a picture whose rows lie one after the other. Panics when they do not fit.
fn contiguous(side: Side, start: *mut u8, len: usize) -> Planes {
    let part = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let (mut data, mut strides) = ([ptr::null_mut(); 4], [0; 4]);
    // SAFETY: only computes addresses from `start`; nothing is read or written.
    let needed = unsafe {
        sys::av_image_fill_arrays(
            data.as_mut_ptr(),
            strides.as_mut_ptr(),
            start,
            side.format.0,
            part(side.size.width()),
            part(side.size.height()),
            1,
        )
    };
    assert!(
        usize::try_from(needed).is_ok_and(|needed| needed <= len),
        "the picture fits"
    );
    (data, strides)
}

impl Drop for Swscale {
    fn drop(&mut self) {
        // SAFETY: ours and dropped once.
        unsafe { sys::sws_freeContext(self.context.as_ptr()) }
    }
}
