//! Other sizes.

use fearless_simd::{Level, Simd as _, dispatch};

use super::{Picture, Region};

/// What the weights of two neighbours add up to.
const WHOLE: u16 = 256;
/// Samples that are computed at once, of which the first three are a pixel. What the others hold is written over by the next
/// pixel's, and behind the last one it is cut off.
const LANES: usize = 8;
/// Samples from those of a pixel to the end of its neighbour's lanes.
const REACH: usize = LANES + 3;

/// A region of a canvas of `rgb24`.
#[derive(Debug)]
pub(crate) struct Canvas<'a> {
    pub(crate) width: u32,
    pub(crate) rgb: &'a mut [u8],
}

/// Resizes; keeps its buffers between pictures.
///
/// It samples a picture where OpenCV's `INTER_LINEAR` does: the middle of a pixel there is the middle of a pixel here, edges are
/// repeated, and shrinking blurs nothing: models were trained with it. Weights are of 256 steps, and a sample is rounded
/// between its rows and then between its columns, as `fast_image_resize` rounds, which takes half as long again.
#[derive(Debug, Default)]
pub struct Resizer {
    columns: Vec<Between>,
    /// Of what is between two rows.
    line: Vec<u16>,
    row: Vec<u8>,
}

/// Where a pixel lies between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Between {
    first: usize,
    /// How far on the way to the second one it is: 0 to [`WHOLE`].
    share: u16,
}

impl Between {
    /// Of pixel `at` of `to` that `from` pixels become.
    fn of(from: u32, to: u32, at: u32) -> Self {
        let last = f64::from(from.max(1) - 1);
        let middle = (f64::from(at) + 0.5) * f64::from(from) / f64::from(to) - 0.5;
        let steps = (middle.clamp(0.0, last) * f64::from(WHOLE)).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place in a picture, in 256ths of a pixel"
        )]
        let steps = steps as u64;
        // The last pixel is the second one of two, where there are two.
        let whole = u64::from(WHOLE);
        let first = (steps / whole).min(u64::from(from.max(2) - 2));
        Self {
            first: usize::try_from(first).unwrap_or(usize::MAX),
            share: u16::try_from(steps - first * whole).unwrap_or(WHOLE),
        }
    }
}

impl Resizer {
    /// None of its buffers is made before the first picture.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `region` of `picture` in `width` × `height` pixels, into `rgb`, which is made as long as that takes.
    pub fn resize(
        &mut self,
        (picture, region): (Picture<'_>, Region),
        (width, height): (u32, u32),
        rgb: &mut Vec<u8>,
    ) {
        rgb.resize(width as usize * height as usize * 3, 0);
        let canvas = Canvas { width, rgb };
        let all = Region {
            x: 0,
            y: 0,
            width,
            height,
        };
        self.paint((picture, region), (canvas, all));
    }

    /// `region` of `picture` into a region of a canvas; each lies inside.
    pub(crate) fn paint(
        &mut self,
        (picture, region): (Picture<'_>, Region),
        (canvas, onto): (Canvas<'_>, Region),
    ) {
        let columns = (0..onto.width).map(|at| Between::of(region.width, onto.width, at));
        self.columns.clear();
        self.columns.extend(columns.map(|it| Between {
            first: it.first * 3,
            ..it
        }));
        let (from, to) = (region.width as usize * 3, onto.width as usize * 3);
        self.line.resize((from + REACH).max(self.line.len()), 0);
        self.row.resize((to + LANES).max(self.row.len()), 0);
        let stride = canvas.width as usize * 3;
        let rows = canvas.rgb.chunks_exact_mut(stride).skip(onto.y as usize);
        let level = Level::new();
        for (y, row) in (0..onto.height).zip(rows) {
            let Between { first, share } = Between::of(region.height, onto.height, y);
            let second = (first + 1).min(region.height as usize - 1);
            let samples = |y: usize| {
                let start = (region.y as usize + y) * picture.width() as usize + region.x as usize;
                &picture.rgb()[start * 3..][..from]
            };
            let (above, below) = (samples(first), samples(second));
            let Self {
                columns,
                line,
                row: out,
            } = &mut *self;
            dispatch!(level, simd => simd.vectorize(
                #[inline(always)]
                || {
                    between_rows(above, below, share, line);
                    between_columns(line, columns, out);
                }
            ));
            row[onto.x as usize * 3..][..to].copy_from_slice(&self.row[..to]);
        }
    }
}

/// The sum of two samples by their weights, of which `share` is the second one's.
#[inline(always)]
fn mixed(first: u16, second: u16, share: u16) -> u16 {
    (first * (WHOLE - share) + second * share + WHOLE / 2) / WHOLE
}

#[inline(always)]
fn between_rows(above: &[u8], below: &[u8], share: u16, line: &mut [u16]) {
    for ((to, above), below) in line.iter_mut().zip(above).zip(below) {
        *to = mixed((*above).into(), (*below).into(), share);
    }
}

#[inline(always)]
fn between_columns(line: &[u16], columns: &[Between], row: &mut [u8]) {
    for (at, &Between { first, share }) in columns.iter().enumerate() {
        let from = line.get(first..).and_then(<[u16]>::first_chunk::<REACH>);
        let to = row.get_mut(at * 3..).and_then(<[u8]>::first_chunk_mut);
        let (Some(from), Some::<&mut [u8; LANES]>(to)) = (from, to) else {
            return;
        };
        for lane in 0..LANES {
            #[expect(clippy::cast_possible_truncation, reason = "a mean of bytes is one")]
            let mixed = mixed(from[lane], from[lane + 3], share) as u8;
            to[lane] = mixed;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a sample is by its definition, with weights that are not rounded.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "places in a picture"
    )]
    fn exact(picture: &Picture<'_>, region: Region, to: (u32, u32), at: (u32, u32)) -> [f64; 3] {
        let place = |from: u32, to: u32, at: u32| {
            let middle = (f64::from(at) + 0.5) * f64::from(from) / f64::from(to) - 0.5;
            middle.clamp(0.0, f64::from(from - 1))
        };
        let (x, y) = (
            place(region.width, to.0, at.0),
            place(region.height, to.1, at.1),
        );
        let sample = |x: f64, y: f64, channel: usize| {
            let x = (x as u32).min(region.width - 1) + region.x;
            let y = (y as u32).min(region.height - 1) + region.y;
            f64::from(picture.rgb()[((y * picture.width() + x) * 3) as usize + channel])
        };
        let mix = |a: f64, b: f64, share: f64| a + (b - a) * share;
        [0, 1, 2].map(|channel| {
            let row = |y: f64| {
                mix(
                    sample(x, y, channel),
                    sample(x + 1.0, y, channel),
                    x.fract(),
                )
            };
            mix(row(y), row(y + 1.0), y.fract())
        })
    }

    proptest! {
        #[test]
        fn every_sample_is_the_exact_one_but_for_rounding(
            (width, height) in (1u32..40, 1u32..40),
            (to_width, to_height) in (1u32..50, 1u32..50),
            (x, y, cut_x, cut_y) in any::<(u32, u32, u32, u32)>(),
            seed in any::<u32>(),
        ) {
            let mut state = seed;
            let rgb: Vec<u8> = (0..width * height * 3).map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            }).collect();
            let picture = Picture::new(width, height, &rgb).unwrap();
            let part = |whole: u32, at: u32, cut: u32| (at % whole, 1 + cut % (whole - at % whole));
            let ((x, width), (y, height)) = (part(width, x, cut_x), part(height, y, cut_y));
            let region = Region { x, y, width, height };
            let onto = Region { x: 2, y: 1, width: to_width, height: to_height };
            let (all_width, all_height) = (to_width + 5, to_height + 3);
            let mut canvas = vec![7; (all_width * all_height * 3) as usize];
            let mut resizer = Resizer::new();
            for _ in 0..2 {
                let canvas = Canvas { width: all_width, rgb: &mut canvas };
                resizer.paint((picture, region), (canvas, onto));
            }
            for at_y in 0..all_height {
                for at_x in 0..all_width {
                    let inside = (2..2 + to_width).contains(&at_x) && (1..=to_height).contains(&at_y);
                    let painted = &canvas[((at_y * all_width + at_x) * 3) as usize..][..3];
                    if inside {
                        let exact = exact(&picture, region, (to_width, to_height), (at_x - 2, at_y - 1));
                        for (a, b) in painted.iter().zip(exact) {
                            // Two roundings, and two weights that are off by 1/512 of 255.
                            prop_assert!((f64::from(*a) - b).abs() <= 2.0, "{a} for {b}");
                        }
                    } else {
                        prop_assert_eq!(painted, [7; 3]);
                    }
                }
            }
        }
    }

    fn resized(picture: (u32, u32, &[u8]), size: (u32, u32)) -> Vec<u8> {
        let picture = Picture::new(picture.0, picture.1, picture.2).unwrap();
        let mut rgb = Vec::new();
        Resizer::new().resize((picture, picture.whole()), size, &mut rgb);
        rgb
    }

    /// What `cv2.resize(…, INTER_LINEAR)` says of a row 0, 10, …, 70, each three times: to 3 pixels, and to 12.
    #[test]
    fn bilinear_samples_where_opencv_does_and_does_not_blur_while_it_shrinks() {
        let row: Vec<u8> = (0..8).flat_map(|it| [it * 10; 3]).collect();
        let first = |rgb: Vec<u8>| rgb.chunks(3).map(|it| it[0]).collect::<Vec<_>>();
        let smaller = first(resized((8, 1, &row), (3, 1)));
        assert_eq!(smaller, [8, 35, 62]);
        let larger = first(resized((8, 1, &row), (12, 1)));
        assert_eq!(larger, [0, 5, 12, 18, 25, 32, 38, 45, 52, 58, 65, 70]);
    }

    #[test]
    fn pixels_are_those_of_the_crate_for_resizing() {
        use fast_image_resize::{
            FilterType, PixelType, ResizeAlg, ResizeOptions,
            images::{Image, ImageRef},
        };
        let (width, height) = (333, 250);
        let rgb: Vec<u8> = (0..width * height * 3_u32)
            .map(|it| it.wrapping_mul(7).to_le_bytes()[0])
            .collect();
        for (to_width, to_height) in [(160, 120), (64, 64), (416, 312)] {
            let mut theirs = vec![0; (to_width * to_height * 3) as usize];
            let ours = resized((width, height, &rgb), (to_width, to_height));
            let from = ImageRef::new(width, height, &rgb, PixelType::U8x3).unwrap();
            let mut to =
                Image::from_slice_u8(to_width, to_height, &mut theirs, PixelType::U8x3).unwrap();
            let bilinear = ResizeAlg::Interpolation(FilterType::Bilinear);
            let options = ResizeOptions::new().resize_alg(bilinear);
            let mut resizer = fast_image_resize::Resizer::new();
            resizer.resize(&from, &mut to, &options).unwrap();
            let differ = ours.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b));
            // Weights of the crate have more steps; sides of this picture's stripes are as steep as can be.
            assert!(differ.clone().all(|it| it <= 2));
            let share = differ.filter(|it| *it > 0).count() as f64 / ours.len() as f64;
            assert!(share < 0.2, "{share} of {to_width}×{to_height}");
        }
    }
}
