//! Pixel formats and colours.

use std::ffi::c_int;

use super::sys::{self, AVPixelFormat};

/// A pixel format that this FFmpeg knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format(pub(super) AVPixelFormat);

impl Format {
    pub(crate) const RGB24: Self = Self(AVPixelFormat::AV_PIX_FMT_RGB24);
    pub(crate) const GRAY8: Self = Self(AVPixelFormat::AV_PIX_FMT_GRAY8);
    pub(crate) const NV12: Self = Self(AVPixelFormat::AV_PIX_FMT_NV12);
    pub(crate) const YUV420P: Self = Self(AVPixelFormat::AV_PIX_FMT_YUV420P);
    pub(crate) const YUVJ420P: Self = Self(AVPixelFormat::AV_PIX_FMT_YUVJ420P);
    pub(crate) const YUV444P: Self = Self(AVPixelFormat::AV_PIX_FMT_YUV444P);

    /// The format with that number.
    pub(super) fn known(code: c_int) -> Option<Self> {
        if !(0..AVPixelFormat::AV_PIX_FMT_NB as c_int).contains(&code) {
            return None;
        }
        // SAFETY: the enumeration of this FFmpeg's headers has every number from 0 to NB, and the number is inside.
        Some(Self(unsafe {
            std::mem::transmute::<c_int, AVPixelFormat>(code)
        }))
    }

    pub(super) fn code(self) -> c_int {
        self.0 as c_int
    }

    fn descriptor(self) -> &'static sys::AVPixFmtDescriptor {
        // SAFETY: the format is known, so that its descriptor is a constant of the library.
        unsafe { &*sys::av_pix_fmt_desc_get(self.0) }
    }

    fn has(self, flag: u32) -> bool {
        self.descriptor().flags & u64::from(flag) != 0
    }

    /// How many pixels, as a power of two, share a chroma sample: across and down.
    pub(crate) fn chroma_shift(self) -> (u32, u32) {
        let descriptor = self.descriptor();
        (
            u32::from(descriptor.log2_chroma_w),
            u32::from(descriptor.log2_chroma_h),
        )
    }

    /// Red, green, blue (or a palette of them), not luma and chroma.
    pub(crate) fn is_rgb(self) -> bool {
        self.has(sys::AV_PIX_FMT_FLAG_RGB as u32) || self.has(sys::AV_PIX_FMT_FLAG_PAL as u32)
    }

    /// Whether swscale reads it.
    pub(crate) fn is_readable(self) -> bool {
        // SAFETY: looks a constant up.
        !self.has(sys::AV_PIX_FMT_FLAG_HWACCEL as u32)
            && unsafe { sys::sws_isSupportedInput(self.0) } != 0
    }

    /// The same layout under its name without a range, and whether the old name said full range.
    pub(crate) fn without_range(self) -> (Self, bool) {
        use AVPixelFormat::{
            AV_PIX_FMT_YUV411P, AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV422P, AV_PIX_FMT_YUV440P,
            AV_PIX_FMT_YUV444P, AV_PIX_FMT_YUVJ411P, AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUVJ422P,
            AV_PIX_FMT_YUVJ440P, AV_PIX_FMT_YUVJ444P,
        };
        let plain = match self.0 {
            AV_PIX_FMT_YUVJ411P => AV_PIX_FMT_YUV411P,
            AV_PIX_FMT_YUVJ420P => AV_PIX_FMT_YUV420P,
            AV_PIX_FMT_YUVJ422P => AV_PIX_FMT_YUV422P,
            AV_PIX_FMT_YUVJ440P => AV_PIX_FMT_YUV440P,
            AV_PIX_FMT_YUVJ444P => AV_PIX_FMT_YUV444P,
            _ => return (self, false),
        };
        (Self(plain), true)
    }

    /// Bytes from a plane's start to the sample of pixel (`left`, `top`).
    pub(super) fn offset(self, plane: usize, stride: isize, left: usize, top: usize) -> isize {
        let descriptor = self.descriptor();
        let is_palette = self.has(sys::AV_PIX_FMT_FLAG_PAL as u32) && plane == 1;
        let Some(component) = descriptor
            .comp
            .iter()
            .find(|part| usize::try_from(part.plane) == Ok(plane))
        else {
            return 0;
        };
        if is_palette {
            return 0;
        }
        let (shift_x, shift_y) = if plane == 1 || plane == 2 {
            self.chroma_shift()
        } else {
            (0, 0)
        };
        // A bit stream's step is in bits.
        let unit = if self.has(sys::AV_PIX_FMT_FLAG_BITSTREAM as u32) {
            8
        } else {
            1
        };
        let across = (left >> shift_x) * usize::try_from(component.step).unwrap_or(0) / unit;
        let down = isize::try_from(top >> shift_y).unwrap_or(0);
        down * stride + isize::try_from(across).unwrap_or(0)
    }
}

/// Which numbers luma takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SideRange {
    /// 16 to 235.
    #[default]
    Limited,
    /// 0 to 255.
    Full,
}

/// How numbers mean colours, by FFmpeg's numbers of ISO/IEC 23091-2; 2 is "not said".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colour {
    matrix: u32,
    primaries: u32,
    transfer: u32,
    range: u32,
}

const NOT_SAID: u32 = 2;
const FULL: u32 = 2;
const LIMITED: u32 = 1;

impl Default for Colour {
    fn default() -> Self {
        Self {
            matrix: NOT_SAID,
            primaries: NOT_SAID,
            transfer: NOT_SAID,
            range: 0,
        }
    }
}

/// Reads a C enumeration as the number that it is.
macro_rules! number {
    ($owner:expr, $field:ident) => {
        (&raw const (*$owner).$field).cast::<u32>().read()
    };
}

/// Writes a C enumeration as a number.
macro_rules! set_number {
    ($owner:expr, $field:ident, $value:expr) => {
        (&raw mut (*$owner).$field).cast::<u32>().write($value)
    };
}

impl Colour {
    /// # Safety
    /// The frame is alive.
    pub(super) unsafe fn of_frame(frame: *const sys::AVFrame) -> Self {
        // SAFETY: the caller's; each field is a 32-bit enumeration.
        unsafe {
            Self {
                matrix: number!(frame, colorspace),
                primaries: number!(frame, color_primaries),
                transfer: number!(frame, color_trc),
                range: number!(frame, color_range),
            }
        }
    }

    /// # Safety
    /// The parameters are alive.
    pub(super) unsafe fn of_parameters(parameters: *const sys::AVCodecParameters) -> Self {
        // SAFETY: the caller's; each field is a 32-bit enumeration.
        unsafe {
            Self {
                matrix: number!(parameters, color_space),
                primaries: number!(parameters, color_primaries),
                transfer: number!(parameters, color_trc),
                range: number!(parameters, color_range),
            }
        }
    }

    /// # Safety
    /// The frame is alive and nobody else's.
    pub(super) unsafe fn tag_frame(self, frame: *mut sys::AVFrame) {
        // SAFETY: the caller's. The numbers come from fields of the same types, or are constants of theirs.
        unsafe {
            set_number!(frame, colorspace, self.matrix);
            set_number!(frame, color_primaries, self.primaries);
            set_number!(frame, color_trc, self.transfer);
            set_number!(frame, color_range, self.range);
        }
    }

    /// # Safety
    /// The context is alive, nobody else's and not open.
    pub(super) unsafe fn tag_encoder(self, context: *mut sys::AVCodecContext) {
        // SAFETY: as in `tag_frame`.
        unsafe {
            set_number!(context, colorspace, self.matrix);
            set_number!(context, color_primaries, self.primaries);
            set_number!(context, color_trc, self.transfer);
            set_number!(context, color_range, self.range);
        }
    }

    /// What RGB becomes when it is encoded: BT.709, which every player understands.
    pub(crate) fn of_rgb() -> Self {
        Self {
            matrix: 1,
            primaries: 1,
            transfer: NOT_SAID,
            range: FULL,
        }
    }

    /// The range that was said; `or` when none was.
    pub(crate) fn range(self, or: SideRange) -> SideRange {
        match self.range {
            FULL => SideRange::Full,
            LIMITED => SideRange::Limited,
            _ => or,
        }
    }

    /// The same, as luma from 16 to 235 in a matrix that is not RGB: what we encode.
    pub(crate) fn encoded(self) -> Self {
        let matrix = if self.matrix == 0 {
            NOT_SAID
        } else {
            self.matrix
        };
        Self {
            matrix,
            range: LIMITED,
            ..self
        }
    }

    /// swscale's number of the matrix. Where none was said it is BT.601, as everywhere in FFmpeg.
    pub(super) fn swscale_matrix(self) -> c_int {
        match self.matrix {
            1 => sys::SWS_CS_ITU709,
            4 => sys::SWS_CS_FCC,
            7 => sys::SWS_CS_SMPTE240M,
            9 | 10 => sys::SWS_CS_BT2020,
            _ => sys::SWS_CS_ITU601,
        }
    }
}
