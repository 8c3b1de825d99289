//! Parts of pictures in whole pixels.

use serde::{Deserialize, Serialize};

use super::Picture;
use crate::bbox::BBox;

/// A part that lies inside of its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Left.
    pub x: u32,
    /// Top.
    pub y: u32,
    /// Pixels, at least 1.
    pub width: u32,
    /// Pixels, at least 1.
    pub height: u32,
}

impl Region {
    /// `bbox` rounded to whole pixels and clipped to `picture`; none if nothing is left, or if it is no box.
    #[must_use]
    pub fn of(bbox: &BBox, picture: &Picture<'_>) -> Option<Self> {
        Self::rounded(bbox, picture, f32::round_ties_even)
    }

    /// The same with sides rounded down, for what is searched, not shown.
    #[must_use]
    pub fn inner(bbox: &BBox, picture: &Picture<'_>) -> Option<Self> {
        Self::rounded(bbox, picture, f32::floor)
    }

    /// The same of a picture of `width` × `height` pixels.
    pub(crate) fn within(bbox: &BBox, width: u32, height: u32) -> Option<Self> {
        Self::clipped(bbox, (width, height), f32::round_ties_even)
    }

    fn rounded(bbox: &BBox, picture: &Picture<'_>, by: fn(f32) -> f32) -> Option<Self> {
        Self::clipped(bbox, (picture.width(), picture.height()), by)
    }

    fn clipped(bbox: &BBox, (width, height): (u32, u32), by: fn(f32) -> f32) -> Option<Self> {
        let rounded: BBox = <[f32; 4]>::from(*bbox).map(by).into();
        let it = rounded.clipped(&BBox::whole(width, height))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clipped to 0 and the size of a picture"
        )]
        let [x1, y1, x2, y2] = <[f32; 4]>::from(it).map(|it| it as u32);
        Some(Self {
            x: x1,
            y: y1,
            width: x2 - x1,
            height: y2 - y1,
        })
    }

    /// Its four sides.
    #[must_use]
    pub fn bbox(&self) -> BBox {
        #[expect(clippy::cast_precision_loss, reason = "no picture is 2^24 pixels wide")]
        let [x, y] = [self.x as f32, self.y as f32];
        BBox::whole(self.width, self.height).moved(x, y)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_box_partly_outside_is_clipped_and_one_without_area_is_none() {
        let rgb = [0; 10 * 8 * 3];
        let picture = Picture::new(10, 8, &rgb).unwrap();
        let of = |sides: [f32; 4]| Region::of(&sides.into(), &picture);
        assert_eq!(
            of([-3.0, -2.0, 4.4, 100.0]),
            Some(Region {
                x: 0,
                y: 0,
                width: 4,
                height: 8
            })
        );
        assert_eq!(of([2.1, 2.0, 2.3, 5.0]), None);
        assert_eq!(of([10.0, 0.0, 20.0, 5.0]), None);
        assert_eq!(of([f32::NAN, 0.0, 5.0, 5.0]), None);
    }

    proptest! {
        #[test]
        fn whatever_the_box_a_region_lies_inside_and_has_pixels(sides: [f32; 4]) {
            let rgb = [0; 10 * 8 * 3];
            let picture = Picture::new(10, 8, &rgb).unwrap();
            if let Some(it) = Region::of(&sides.into(), &picture) {
                prop_assert!(it.width > 0 && it.height > 0);
                prop_assert!(it.x + it.width <= 10 && it.y + it.height <= 8);
            }
        }
    }
}
