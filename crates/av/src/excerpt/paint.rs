//! Rectangles into rgb24. Pure.

use framerill_media::Size;
use framerill_worker::message::DrawnBox;

const CHANNELS: usize = 3;

/// A part of a picture: left, top, right and bottom, the last two not inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) right: u32,
    pub(super) bottom: u32,
}

impl Part {
    /// The pixels that a box touches, cut down to the picture; none when it touches none.
    pub(super) fn of(bbox: [f64; 4], size: Size) -> Option<Self> {
        if !bbox.iter().all(|side| side.is_finite()) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "float to int casts saturate, and what is outside is cut off"
        )]
        let within = |side: f64, all: u32| (side as u32).min(all);
        let [left, top, right, bottom] = bbox;
        let part = Self {
            left: within(left.floor(), size.width()),
            top: within(top.floor(), size.height()),
            right: within(right.ceil(), size.width()),
            bottom: within(bottom.ceil(), size.height()),
        };
        (part.left < part.right && part.top < part.bottom).then_some(part)
    }

    pub(super) fn size(self) -> Size {
        Size::new(self.right - self.left, self.bottom - self.top).expect("inside a picture")
    }

    /// Its rows of a picture, one after the other.
    pub(super) fn cut(self, pixels: &[u8], size: Size) -> Vec<u8> {
        let stride = size.width() as usize * CHANNELS;
        let (left, right) = (self.left as usize, self.right as usize);
        pixels
            .chunks_exact(stride)
            .take(self.bottom as usize)
            .skip(self.top as usize)
            .flat_map(|row| &row[left * CHANNELS..right * CHANNELS])
            .copied()
            .collect()
    }
}

/// Draws the outline of a box. Panics when `pixels` is no picture of `size`.
pub(super) fn draw(pixels: &mut [u8], size: Size, drawn: &DrawnBox) {
    assert_eq!(pixels.len(), size.pixels() * CHANNELS, "a whole picture");
    let Some(part) = Part::of(drawn.bbox, size) else {
        return;
    };
    let thickness = drawn.thickness.max(1);
    let stride = size.width() as usize * CHANNELS;
    let inner_top = part.top.saturating_add(thickness);
    let inner_bottom = part.bottom.saturating_sub(thickness);
    let rows = pixels.chunks_exact_mut(stride).zip(0u32..);
    for (row, y) in rows {
        if y < part.top || y >= part.bottom {
            continue;
        }
        let mut fill = |from: u32, to: u32| {
            let (from, to) = (from.max(part.left), to.min(part.right));
            if from < to {
                let line = &mut row[from as usize * CHANNELS..to as usize * CHANNELS];
                line.as_chunks_mut::<CHANNELS>().0.fill(drawn.colour);
            }
        };
        if y < inner_top || y >= inner_bottom {
            fill(part.left, part.right);
        } else {
            fill(part.left, part.left.saturating_add(thickness));
            fill(part.right.saturating_sub(thickness), part.right);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drawn(bbox: [f64; 4], thickness: u32) -> DrawnBox {
        DrawnBox {
            bbox,
            colour: [9, 8, 7],
            thickness,
            shown: None,
        }
    }

    #[test]
    fn an_outline_is_drawn_inwards_and_its_middle_is_left_alone() {
        let size = Size::new(8, 6).unwrap();
        let mut pixels = vec![0; 8 * 6 * 3];
        draw(&mut pixels, size, &drawn([1.0, 1.0, 7.0, 5.0], 1));
        let rows: Vec<String> = pixels
            .chunks_exact(24)
            .map(|row| {
                let dots = row.as_chunks::<3>().0.iter();
                dots.map(|it| if *it == [9, 8, 7] { '#' } else { '.' })
                    .collect()
            })
            .collect();
        let expected = [
            "........", ".######.", ".#....#.", ".#....#.", ".######.", "........",
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_box_that_is_no_box_draws_nothing() {
        let size = Size::new(8, 6).unwrap();
        for bbox in [
            [5.0, 1.0, 5.0, 5.0],
            [7.0, 1.0, 2.0, 5.0],
            [f64::NAN, 1.0, 7.0, 5.0],
            [-9.0, -9.0, -1.0, -1.0],
            [8.0, 0.0, f64::INFINITY, 5.0],
        ] {
            assert_eq!(Part::of(bbox, size), None, "{bbox:?}");
            let mut pixels = vec![1; 8 * 6 * 3];
            draw(&mut pixels, size, &drawn(bbox, 2));
            assert!(pixels.iter().all(|byte| *byte == 1));
        }
    }

    proptest! {
        #[test]
        fn only_the_box_is_touched_and_all_of_its_border(
            (width, height) in (1u32..20, 1u32..20), thickness in 0u32..30,
            bbox in proptest::array::uniform4(-5.0..25.0f64),
        ) {
            let size = Size::new(width, height).unwrap();
            let mut pixels = vec![0; size.pixels() * 3];
            draw(&mut pixels, size, &drawn(bbox, thickness));
            let part = Part::of(bbox, size);
            for (pixel, place) in pixels.as_chunks::<3>().0.iter().zip(0u32..) {
                let (x, y) = (place % width, place / width);
                let is_border = part.is_some_and(|it| {
                    let is_inside = x >= it.left && x < it.right && y >= it.top && y < it.bottom;
                    let distance = (x.wrapping_sub(it.left))
                        .min(y.wrapping_sub(it.top))
                        .min(it.right.wrapping_sub(x + 1))
                        .min(it.bottom.wrapping_sub(y + 1));
                    is_inside && distance < thickness.max(1)
                });
                prop_assert_eq!(*pixel == [9, 8, 7], is_border, "{} {}", x, y);
            }
            if let Some(part) = part {
                prop_assert_eq!(part.cut(&pixels, size).len(), part.size().pixels() * 3);
            }
        }
    }
}
