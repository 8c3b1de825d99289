//! Caps: what the pictures or the sound on a link look like.

use serde::{Deserialize, Serialize};

use crate::Size;

/// Layout of a picture's samples in memory. Rows are contiguous.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum PixelFormat {
    /// (H, W, 3) `u8`: red, green, blue.
    #[default]
    Rgb24,
    /// (H, W) `u8`: luminance.
    Gray8,
    /// (H, W, 3) `f32` in 0..=1, little-endian: red, green, blue.
    RgbF32,
    /// A full-size `u8` luma plane, then one half-size plane of interleaved chroma; even sides.
    Nv12,
}

impl PixelFormat {
    /// The code in a frame-link descriptor.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::Rgb24 => 1,
            Self::Gray8 => 2,
            Self::RgbF32 => 3,
            Self::Nv12 => 4,
        }
    }

    /// The format with that code.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        [Self::Rgb24, Self::Gray8, Self::RgbF32, Self::Nv12]
            .into_iter()
            .find(|format| format.code() == code)
    }
}

/// Format and size of the pictures on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Caps {
    /// Sample layout.
    pub format: PixelFormat,
    /// Width and height in pixels.
    pub size: Size,
}

/// Why caps cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CapsError {
    /// The format halves its chroma, so both sides have to be even.
    #[error("nv12 needs even sides, not {width}x{height}")]
    OddSides {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
}

impl Caps {
    /// Caps of `format` and `size`, checked against each other.
    pub fn new(format: PixelFormat, size: Size) -> Result<Self, CapsError> {
        if format == PixelFormat::Nv12
            && (!size.width().is_multiple_of(2) || !size.height().is_multiple_of(2))
        {
            return Err(CapsError::OddSides {
                width: size.width(),
                height: size.height(),
            });
        }
        Ok(Self { format, size })
    }

    /// Bytes of one picture.
    #[must_use]
    pub fn picture_bytes(self) -> usize {
        let pixels = self.size.pixels();
        match self.format {
            PixelFormat::Rgb24 => pixels * 3,
            PixelFormat::Gray8 => pixels,
            PixelFormat::RgbF32 => pixels * 12,
            PixelFormat::Nv12 => pixels + pixels / 2,
        }
    }

    /// Bytes of one row of the first plane.
    #[must_use]
    pub fn row_bytes(self) -> usize {
        let width = self.size.width() as usize;
        match self.format {
            PixelFormat::Rgb24 => width * 3,
            PixelFormat::Gray8 | PixelFormat::Nv12 => width,
            PixelFormat::RgbF32 => width * 12,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picture_bytes_follow_the_format() {
        let size = Size::new(640, 360).unwrap();
        let bytes = |format| Caps::new(format, size).unwrap().picture_bytes();
        assert_eq!(bytes(PixelFormat::Rgb24), 691_200);
        assert_eq!(bytes(PixelFormat::Gray8), 230_400);
        assert_eq!(bytes(PixelFormat::RgbF32), 2_764_800);
        assert_eq!(bytes(PixelFormat::Nv12), 345_600);
    }

    #[test]
    fn nv12_needs_even_sides() {
        assert!(Caps::new(PixelFormat::Nv12, Size::new(641, 360).unwrap()).is_err());
    }

    #[test]
    fn codes_round_trip_and_unknown_codes_are_none() {
        for code in 0..40 {
            if let Some(format) = PixelFormat::from_code(code) {
                assert_eq!(format.code(), code);
            }
        }
        assert_eq!(PixelFormat::from_code(0), None);
        assert_eq!(PixelFormat::from_code(5), None);
    }
}
