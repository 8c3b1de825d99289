//! A plate's picture made clean: noise out of it, then more contrast, then sharper edges.
//!
//! Read in this order: [`Denoise`] (what is done, and in which order), `lab` (lightness apart from colour), `means` (the noise),
//! `equalise` (the contrast), `sharpen` (the edges), `mirror` (what lies beyond the sides).

mod equalise;
mod lab;
mod means;
mod mirror;
mod sharpen;

use serde::{Deserialize, Serialize};

use super::Picture;
use lab::Lab;

/// Pixels of the largest picture that is made clean: a plate 384 pixels wide. One that is larger is clear without it.
pub const MOST_CLEANED: u32 = 48 << 10;

/// How a plate's picture is made clean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denoise {
    /// How strong the lightness is smoothed, 0 (not at all) to [`MOST_H`](Self::MOST_H).
    pub h: f32,
    /// The same of the colours.
    pub h_color: f32,
    /// Equalises the contrast and sharpens edges afterwards.
    pub enhance: bool,
}

impl Default for Denoise {
    fn default() -> Self {
        Self {
            h: 8.0,
            h_color: 8.0,
            enhance: true,
        }
    }
}

/// Columns and rows of tiles in which contrast is equalised: about two characters each.
const TILES: (usize, usize) = (4, 2);
/// How much steeper a tile's contrast may become.
const STEEPEST: f32 = 2.0;

impl Denoise {
    /// The strongest smoothing: beyond it nothing is left of a plate.
    pub const MOST_H: f32 = 100.0;

    /// Whether each number is within its bounds.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        [self.h, self.h_color]
            .iter()
            .all(|it| (0.0..=Self::MOST_H).contains(it))
    }

    /// The picture made clean, of the same size; none of one that has more than [`MOST_CLEANED`] pixels.
    ///
    /// Lightness and colours in CIE Lab are smoothed apart from each other, as OpenCV's `fastNlMeansDenoisingColored` does it.
    /// Contrast and edges are those of the lightness.
    #[must_use]
    pub fn clean(&self, picture: &Picture<'_>) -> Option<Vec<u8>> {
        if picture.width().checked_mul(picture.height())? > MOST_CLEANED {
            return None;
        }
        let size = (picture.width() as usize, picture.height() as usize);
        let Lab { lightness, colours } = Lab::of_rgb(picture.rgb());
        let mut lightness = means::smoothed(&lightness, size, self.h);
        let colours = means::smoothed(&colours, size, self.h_color);
        if self.enhance {
            let flat = lightness.as_flattened();
            let equalised = equalise::equalised(flat, size, TILES, STEEPEST);
            let sharp = sharpen::sharpened(&equalised, size);
            lightness = sharp.into_iter().map(|it| [it]).collect();
        }
        Some(Lab { lightness, colours }.to_rgb())
    }
}

#[cfg(test)]
mod tests;
