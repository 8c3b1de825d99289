//! A region on the canvas of a model.

use serde::Deserialize;

use super::{Picture, Region, Resizer, resize::Canvas};

/// Where a picture lies on a canvas of another shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// In its own shape in the top left corner.
    TopLeft,
    /// In its own shape in the middle.
    Centred,
    /// All over it, whatever that does to its shape.
    Stretch,
}

/// How a region was laid on a canvas, so that what a model finds there can be told in pixels of the region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Letterbox {
    /// Where on the canvas.
    onto: Region,
    /// Canvas pixels per pixel of the region.
    scale: [f32; 2],
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no side of a canvas is beyond a picture's"
)]
fn side(pixels: f32, most: u32) -> u32 {
    (pixels.round_ties_even() as u32).clamp(1, most)
}

impl Letterbox {
    /// How a region of `from` pixels lies on a canvas of `canvas` pixels.
    #[must_use]
    pub fn new(from: (u32, u32), canvas: (u32, u32), fit: Fit) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "no picture is 2^24 pixels wide")]
        let ratio = |to: u32, from: u32| to as f32 / from.max(1) as f32;
        let scale = [ratio(canvas.0, from.0), ratio(canvas.1, from.1)];
        if fit == Fit::Stretch {
            let onto = Region {
                x: 0,
                y: 0,
                width: canvas.0,
                height: canvas.1,
            };
            return Self { onto, scale };
        }
        let least = scale[0].min(scale[1]);
        #[expect(clippy::cast_precision_loss, reason = "no picture is 2^24 pixels wide")]
        let (width, height) = (
            side(from.0 as f32 * least, canvas.0),
            side(from.1 as f32 * least, canvas.1),
        );
        let (x, y) = match fit {
            Fit::Centred => ((canvas.0 - width) / 2, (canvas.1 - height) / 2),
            Fit::TopLeft | Fit::Stretch => (0, 0),
        };
        Self {
            onto: Region {
                x,
                y,
                width,
                height,
            },
            scale: [least, least],
        }
    }

    /// Paints the region on `rgb`, a whole canvas, and `fill` around it.
    pub fn paint(
        &self,
        resizer: &mut Resizer,
        (picture, region): (Picture<'_>, Region),
        canvas: (u32, u32),
        rgb: &mut Vec<u8>,
        fill: u8,
    ) {
        rgb.resize(canvas.0 as usize * canvas.1 as usize * 3, fill);
        self.surround(canvas, rgb, fill);
        let canvas = Canvas {
            width: canvas.0,
            rgb,
        };
        resizer.paint((picture, region), (canvas, self.onto));
    }

    /// Fills what the region does not cover.
    fn surround(&self, canvas: (u32, u32), rgb: &mut [u8], fill: u8) {
        let Region {
            x,
            y,
            width,
            height,
        } = self.onto;
        let row = canvas.0 as usize * 3;
        let (top, bottom) = (y as usize * row, (y + height) as usize * row);
        rgb[..top].fill(fill);
        rgb[bottom..].fill(fill);
        let (left, right) = (x as usize * 3, (x + width) as usize * 3);
        if left > 0 || right < row {
            for row in rgb[top..bottom].chunks_exact_mut(row) {
                row[..left].fill(fill);
                row[right..].fill(fill);
            }
        }
    }

    /// A point of the canvas in pixels of the region.
    #[must_use]
    pub fn back(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        #[expect(clippy::cast_precision_loss, reason = "no picture is 2^24 pixels wide")]
        let (left, top) = (self.onto.x as f32, self.onto.y as f32);
        [(x - left) / self.scale[0], (y - top) / self.scale[1]]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_wide_picture_lies_in_the_middle_or_at_the_top() {
        let centred = Letterbox::new((1280, 720), (640, 640), Fit::Centred);
        assert_eq!((centred.onto.y, centred.onto.height), (140, 360));
        assert_eq!(centred.back([0.0, 140.0]), [0.0, 0.0]);
        let top = Letterbox::new((1280, 720), (416, 416), Fit::TopLeft);
        assert_eq!((top.onto.y, top.onto.height), (0, 234));
        let [x, y] = top.back([416.0, 234.0]);
        assert!((x - 1280.0).abs() < 0.01 && (y - 720.0).abs() < 0.01);
    }

    #[test]
    fn what_was_painted_before_is_gone_from_the_edges() {
        let (white, mut rgb) = ([255; 12], Vec::new());
        let mut resizer = Resizer::new();
        for (width, height) in [(4, 1), (1, 4)] {
            let picture = Picture::new(width, height, &white).unwrap();
            let it = Letterbox::new((width, height), (4, 4), Fit::Centred);
            it.paint(
                &mut resizer,
                (picture, picture.whole()),
                (4, 4),
                &mut rgb,
                7,
            );
        }
        for row in rgb.chunks(12) {
            assert_eq!(row, [7, 7, 7, 255, 255, 255, 7, 7, 7, 7, 7, 7]);
        }
    }

    proptest! {
        #[test]
        fn every_size_lies_on_every_canvas(
            from in (1u32..5000, 1u32..5000),
            canvas in (1u32..700, 1u32..700),
            fit in prop_oneof![Just(Fit::TopLeft), Just(Fit::Centred), Just(Fit::Stretch)],
        ) {
            let it = Letterbox::new(from, canvas, fit).onto;
            prop_assert!(it.width > 0 && it.height > 0);
            prop_assert!(it.x + it.width <= canvas.0 && it.y + it.height <= canvas.1);
        }
    }
}
