//! Pictures as stages see them: `rgb24`, rows without gaps.
//!
//! Read in this order: [`Picture`] (borrowed pixels), [`Region`] (a part in whole pixels), [`Pixels`] (own pixels, copied
//! out of memory that another process writes), [`Letterbox`] (a region on a model's canvas), [`quad`] (a slanted plate
//! made upright), [`Denoise`] (a plate made clean), [`thumbnail`] and [`sharpness`] (what a picture looks like in a few
//! numbers).

mod denoise;
mod letterbox;
pub mod quad;
mod region;
mod resize;
pub(crate) mod scenery;
mod sharpness;
mod thumbnail;

pub use denoise::{Denoise, MOST_CLEANED};
pub use letterbox::{Fit, Letterbox};
pub use region::Region;
pub use resize::Resizer;
pub use sharpness::sharpness;
pub use thumbnail::thumbnail;

use framerill_frames::Foreign;

/// The widest and highest picture that is looked at.
pub const MAX_SIDE: u32 = 16_384;

/// Why bytes are no picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// A side is 0 or beyond [`MAX_SIDE`].
    #[error("a picture of {width}x{height} pixels: each side must be 1 to {MAX_SIDE}")]
    Size {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// The bytes are not those of the size.
    #[error("a picture of {width}x{height} pixels in rgb24 has {expected} bytes, not {actual}")]
    Bytes {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// What the size asks for.
        expected: usize,
        /// What is there.
        actual: usize,
    },
}

/// Borrowed pixels.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    width: u32,
    height: u32,
    rgb: &'a [u8],
}

fn bytes_of(width: u32, height: u32) -> Result<usize, PictureError> {
    let is_side = |it| (1..=MAX_SIDE).contains(&it);
    if !is_side(width) || !is_side(height) {
        return Err(PictureError::Size { width, height });
    }
    Ok(width as usize * height as usize * 3)
}

impl<'a> Picture<'a> {
    /// `rgb` as `width` × `height` pixels of `rgb24`, rows without gaps.
    pub fn new(width: u32, height: u32, rgb: &'a [u8]) -> Result<Self, PictureError> {
        let expected = bytes_of(width, height)?;
        if rgb.len() != expected {
            return Err(PictureError::Bytes {
                width,
                height,
                expected,
                actual: rgb.len(),
            });
        }
        Ok(Self { width, height, rgb })
    }

    /// Pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// All pixels, row by row.
    #[must_use]
    pub fn rgb(&self) -> &'a [u8] {
        self.rgb
    }

    /// All of it.
    #[must_use]
    pub fn whole(&self) -> Region {
        Region {
            x: 0,
            y: 0,
            width: self.width,
            height: self.height,
        }
    }

    /// The bytes of `region` in row `y` of the region. Panics outside of the picture.
    pub(crate) fn row(&self, region: Region, y: u32) -> &'a [u8] {
        let start = (region.y + y) as usize * self.width as usize + region.x as usize;
        &self.rgb[start * 3..][..region.width as usize * 3]
    }
}

/// Own pixels; their memory is used again from picture to picture.
#[derive(Clone, Debug, Default)]
pub struct Pixels {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Pixels {
    /// Copies a picture out of memory that another process may write: what is looked at afterwards stays as it is.
    pub fn copy_from(
        &mut self,
        foreign: Foreign<'_>,
        width: u32,
        height: u32,
    ) -> Result<Picture<'_>, PictureError> {
        let expected = bytes_of(width, height)?;
        if foreign.len() < expected {
            return Err(PictureError::Bytes {
                width,
                height,
                expected,
                actual: foreign.len(),
            });
        }
        self.rgb.resize(expected, 0);
        foreign.copy_to(0, &mut self.rgb);
        (self.width, self.height) = (width, height);
        Ok(Picture {
            width,
            height,
            rgb: &self.rgb,
        })
    }

    /// What was copied last; none before that.
    #[must_use]
    pub fn picture(&self) -> Option<Picture<'_>> {
        Picture::new(self.width, self.height, &self.rgb).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_those_of_the_size_are_no_picture() {
        assert!(Picture::new(2, 2, &[0; 12]).is_ok());
        for (width, height, bytes) in [(2, 2, 11), (2, 2, 13), (0, 2, 0), (MAX_SIDE + 1, 1, 3)] {
            assert!(Picture::new(width, height, &vec![0; bytes]).is_err());
        }
    }

    #[test]
    fn a_copy_is_of_the_picture_alone_and_too_little_memory_is_told() {
        let memory: Vec<u8> = (0..=255).collect();
        let mut own = Pixels::default();
        assert!(own.picture().is_none());
        let picture = own.copy_from(memory[..].into(), 4, 3).unwrap();
        assert_eq!(picture.rgb(), &memory[..36]);
        let error = own.copy_from(memory[..35].into(), 4, 3).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a picture of 4x3 pixels in rgb24 has 36 bytes, not 35"
        );
    }
}
