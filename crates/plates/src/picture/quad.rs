//! Four corners made upright.

use fearless_simd::{Level, Simd as _, dispatch};

use super::Picture;

/// Top left, top right, bottom right, bottom left.
pub type Quad = [[f32; 2]; 4];

/// Corners in whatever order as a [`Quad`]: by the sum and the difference of their coordinates. None if one is no number.
#[must_use]
pub fn ordered(corners: Quad) -> Option<Quad> {
    if !corners.iter().flatten().all(|it| it.is_finite()) {
        return None;
    }
    let by = |key: fn([f32; 2]) -> f32| {
        let mut all = corners;
        all.sort_by(|a, b| key(*a).total_cmp(&key(*b)));
        (all[0], all[3])
    };
    let (top_left, bottom_right) = by(|[x, y]| x + y);
    let (top_right, bottom_left) = by(|[x, y]| y - x);
    Some([top_left, top_right, bottom_right, bottom_left])
}

fn along(from: [f32; 2], step: [f32; 2], by: f32) -> [f32; 2] {
    [from[0] + step[0] * by, from[1] + step[1] * by]
}

fn mean_step(a: [[f32; 2]; 2], b: [[f32; 2]; 2]) -> [f32; 2] {
    [0, 1].map(|it| f32::midpoint(a[1][it] - a[0][it], b[1][it] - b[0][it]))
}

/// Corners moved outwards by shares of the mean width and height.
#[must_use]
pub fn grown(quad: Quad, [by_x, by_y]: [f32; 2]) -> Quad {
    let [tl, tr, br, bl] = quad;
    let across = mean_step([tl, tr], [bl, br]);
    let down = mean_step([tl, bl], [tr, br]);
    let moved = |it, x, y| along(along(it, across, x), down, y);
    [
        moved(tl, -by_x, -by_y),
        moved(tr, by_x, -by_y),
        moved(br, by_x, by_y),
        moved(bl, -by_x, by_y),
    ]
}

/// What of `quad` lies between two heights, as shares from 0 (its top) to 1 (its bottom).
#[must_use]
pub fn band([tl, tr, br, bl]: Quad, [from, to]: [f32; 2]) -> Quad {
    let between = |a: [f32; 2], b: [f32; 2], by| along(a, [b[0] - a[0], b[1] - a[1]], by);
    [
        between(tl, bl, from),
        between(tr, br, from),
        between(tr, br, to),
        between(tl, bl, to),
    ]
}

/// Coefficients `a` to `h` of x = (a u + b v + c) / (g u + h v + 1), y = (d u + e v + f) / (g u + h v + 1), which takes
/// the corners of the unit square to those of a quad.
///
/// Heckbert, "Fundamentals of Texture Mapping and Image Warping", 1989, §2.2.3. None for a quad without area.
fn homography(quad: Quad) -> Option<[f64; 8]> {
    let [p0, p1, p2, p3] = quad.map(|it| it.map(f64::from));
    let sum = [0, 1].map(|it| p0[it] - p1[it] + p2[it] - p3[it]);
    let (d1, d2) = (
        [0, 1].map(|it| p1[it] - p2[it]),
        [0, 1].map(|it| p3[it] - p2[it]),
    );
    let det = d1[0] * d2[1] - d2[0] * d1[1];
    if !det.is_finite() || det.abs() < 1e-6 {
        return None;
    }
    let g = (sum[0] * d2[1] - d2[0] * sum[1]) / det;
    let h = (d1[0] * sum[1] - sum[0] * d1[1]) / det;
    let a = p1[0] - p0[0] + g * p1[0];
    let b = p3[0] - p0[0] + h * p3[0];
    let d = p1[1] - p0[1] + g * p1[1];
    let e = p3[1] - p0[1] + h * p3[1];
    Some([a, b, p0[0], d, e, p0[1], g, h])
}

/// The quad of `picture` as `width` × `height` upright pixels, appended to `rgb`; bilinear, edges repeated outside of the
/// picture. Whether it has an area: nothing is appended if not.
pub fn warp(
    picture: &Picture<'_>,
    quad: Quad,
    (width, height): (u32, u32),
    rgb: &mut Vec<u8>,
) -> bool {
    let Some(taken) = homography(quad) else {
        return false;
    };
    let start = rgb.len();
    rgb.resize(start + width as usize * height as usize * 3, 0);
    let to = &mut rgb[start..];
    dispatch!(Level::new(), simd => simd.vectorize(
        #[inline(always)]
        || warped(picture, taken, (width, height), to)
    ));
    true
}

#[inline(always)]
fn warped(
    picture: &Picture<'_>,
    [a, b, c, d, e, f, g, h]: [f64; 8],
    (width, height): (u32, u32),
    rgb: &mut [u8],
) {
    let (across, down) = (Axis::of(picture.width()), Axis::of(picture.height()));
    // One row's points at a time, in a loop without branches and calls, so that several are made at once.
    let mut points = vec![Point::default(); width as usize];
    for (y, row) in (0..height).zip(rgb.chunks_exact_mut(width as usize * 3)) {
        let v = f64::from(y) / f64::from(height);
        for (x, point) in (0..width).zip(&mut points) {
            let u = f64::from(x) / f64::from(width);
            let w = 1.0 / (g * u + h * v + 1.0);
            *point = Point {
                x: across.between((a * u + b * v + c) * w),
                y: down.between((d * u + e * v + f) * w),
            };
        }
        for (pixel, point) in row.as_chunks_mut::<3>().0.iter_mut().zip(&points) {
            *pixel = sample(picture, (&across, &down), point);
        }
    }
}

/// Between which pixels a point lies.
#[derive(Clone, Copy, Debug, Default)]
struct Point {
    x: Between,
    y: Between,
}

/// The pixel before a coordinate, and how far on the way to the next one that is, in 256ths.
#[derive(Clone, Copy, Debug, Default)]
struct Between {
    first: u32,
    share: u32,
}

/// One of a picture's sides; a coordinate counts from the middle of the first pixel.
struct Axis {
    last: f64,
    /// The last pixel that has one after it.
    most: u32,
    /// From a pixel to the one after it: 0 where there is only one.
    step: usize,
}

/// 2^52: a number of at most 32 bits that this is added to has its whole part in its lower bits. A cast asks for every number
/// whether it fits.
const SHIFT: f64 = 4_503_599_627_370_496.0;

impl Axis {
    fn of(pixels: u32) -> Self {
        Self {
            last: f64::from(pixels - 1),
            most: pixels.max(2) - 2,
            step: usize::from(pixels > 1),
        }
    }

    #[inline(always)]
    fn between(&self, at: f64) -> Between {
        // `clamp` would keep what is no number.
        let at = at.max(0.0).min(self.last);
        #[expect(clippy::cast_possible_truncation, reason = "these bits are asked for")]
        let steps = ((at * 256.0 + 0.5).floor() + SHIFT).to_bits() as u32;
        let first = (steps / 256).min(self.most);
        Between {
            first,
            share: steps - first * 256,
        }
    }
}

/// The colour at a point, between the four next pixels.
#[inline(always)]
fn sample(picture: &Picture<'_>, (across, down): (&Axis, &Axis), point: &Point) -> [u8; 3] {
    let row = picture.width() as usize * 3;
    let (right, below) = (across.step * 3, down.step * row);
    let at = point.y.first as usize * row + point.x.first as usize * 3;
    let mix = |a: u32, b: u32, share: u32| a * (256 - share) + b * share;
    let line = |at: usize| {
        let pixels = &picture.rgb()[at..at + right + 3];
        let (a, b) = (&pixels[..3], &pixels[right..]);
        [0, 1, 2].map(|it| mix(a[it].into(), b[it].into(), point.x.share))
    };
    let (upper, lower) = (line(at), line(at + below));
    #[expect(clippy::cast_possible_truncation, reason = "a mean of bytes is one")]
    [0, 1, 2].map(|it| ((mix(upper[it], lower[it], point.y.share) + (1 << 15)) >> 16) as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gradient() -> Vec<u8> {
        (0..40 * 20)
            .flat_map(|it| {
                [
                    u8::try_from(it % 40 * 6).unwrap(),
                    u8::try_from(it / 40 * 12).unwrap(),
                    7,
                ]
            })
            .collect()
    }

    #[test]
    fn corners_are_told_apart_in_any_order() {
        let quad = [[10.0, 12.0], [50.0, 8.0], [52.0, 28.0], [11.0, 31.0]];
        for first in 0..4 {
            let mut any = quad;
            any.rotate_left(first);
            assert_eq!(ordered(any), Some(quad));
        }
        assert_eq!(
            ordered([[f32::NAN, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]),
            None
        );
    }

    #[test]
    fn an_upright_quad_of_the_same_size_is_a_crop() {
        let rgb = gradient();
        let picture = Picture::new(40, 20, &rgb).unwrap();
        let (mut out, quad) = (
            Vec::new(),
            [[4.0, 2.0], [12.0, 2.0], [12.0, 6.0], [4.0, 6.0]],
        );
        assert!(warp(&picture, quad, (8, 4), &mut out));
        for (at, pixel) in out.chunks(3).enumerate() {
            let (x, y) = (at % 8 + 4, at / 8 + 2);
            assert_eq!(pixel, &rgb[(y * 40 + x) * 3..][..3]);
        }
    }

    #[test]
    fn halves_of_a_quad_meet_in_the_middle() {
        let quad = [[0.0, 0.0], [10.0, 0.0], [10.0, 8.0], [0.0, 8.0]];
        assert_eq!(band(quad, [0.5, 1.0])[0], [0.0, 4.0]);
        assert_eq!(band(quad, [0.0, 0.5])[2], [10.0, 4.0]);
        assert_eq!(grown(quad, [0.1, 0.25])[0], [-1.0, -2.0]);
    }

    proptest! {
        #[test]
        fn whatever_the_corners_a_warp_says_all_pixels_or_none(quad: Quad) {
            let rgb = gradient();
            let picture = Picture::new(40, 20, &rgb).unwrap();
            let mut out = Vec::new();
            let is_there = warp(&picture, quad, (8, 4), &mut out);
            prop_assert_eq!(out.len(), if is_there { 96 } else { 0 });
        }
    }
}
