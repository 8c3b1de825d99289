//! Boxes in pictures.

use serde::{Deserialize, Serialize};

/// `[x1, y1, x2, y2]` in pixels, x to the right, y down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f32; 4]", into = "[f32; 4]")]
pub struct BBox {
    /// Left.
    pub x1: f32,
    /// Top.
    pub y1: f32,
    /// Right.
    pub x2: f32,
    /// Bottom.
    pub y2: f32,
}

impl From<[f32; 4]> for BBox {
    fn from([x1, y1, x2, y2]: [f32; 4]) -> Self {
        Self { x1, y1, x2, y2 }
    }
}

impl From<BBox> for [f32; 4] {
    fn from(it: BBox) -> Self {
        [it.x1, it.y1, it.x2, it.y2]
    }
}

impl BBox {
    /// The whole of a picture.
    #[must_use]
    pub fn whole(width: u32, height: u32) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "no picture is 2^24 pixels wide")]
        let (x2, y2) = (width as f32, height as f32);
        Self {
            x1: 0.0,
            y1: 0.0,
            x2,
            y2,
        }
    }

    /// Never negative; 0 for what is inside out or no number.
    #[must_use]
    pub fn width(&self) -> f32 {
        (self.x2 - self.x1).max(0.0)
    }

    /// Never negative; 0 for what is inside out or no number.
    #[must_use]
    pub fn height(&self) -> f32 {
        (self.y2 - self.y1).max(0.0)
    }

    /// In square pixels.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// Its middle.
    #[must_use]
    pub fn centre(&self) -> [f32; 2] {
        [
            f32::midpoint(self.x1, self.x2),
            f32::midpoint(self.y1, self.y2),
        ]
    }

    /// What of it lies in `other`; none if that has no area.
    #[must_use]
    pub fn clipped(&self, other: &Self) -> Option<Self> {
        let it = Self {
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
            x2: self.x2.min(other.x2),
            y2: self.y2.min(other.y2),
        };
        (self.area() > 0.0 && it.area() > 0.0).then_some(it)
    }

    /// Intersection over union, 0 to 1.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f32 {
        let both = self.clipped(other).map_or(0.0, |it| it.area());
        let either = self.area() + other.area() - both;
        if either > 0.0 { both / either } else { 0.0 }
    }

    /// The same box with its origin moved by `dx`, `dy`.
    #[must_use]
    pub fn moved(&self, dx: f32, dy: f32) -> Self {
        Self {
            x1: self.x1 + dx,
            y1: self.y1 + dy,
            x2: self.x2 + dx,
            y2: self.y2 + dy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_that_share_a_half_of_each_have_an_iou_of_a_third() {
        let (a, b) = (
            BBox::from([0.0, 0.0, 2.0, 1.0]),
            BBox::from([1.0, 0.0, 3.0, 1.0]),
        );
        assert!((a.iou(&b) - 1.0 / 3.0).abs() < 1e-6);
        assert!((a.iou(&a) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn what_is_inside_out_or_no_number_has_no_area() {
        let whole = BBox::whole(10, 10);
        for bad in [
            [5.0, 5.0, 1.0, 9.0],
            [f32::NAN, 0.0, 1.0, 1.0],
            [20.0, 0.0, 30.0, 9.0],
        ] {
            assert_eq!(BBox::from(bad).clipped(&whole), None, "{bad:?}");
        }
    }

    #[test]
    fn a_box_is_four_numbers_in_json() {
        let it = BBox::from([1.0, 2.0, 3.5, 4.0]);
        assert_eq!(serde_json::to_string(&it).unwrap(), "[1.0,2.0,3.5,4.0]");
    }
}
