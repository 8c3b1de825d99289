//! Non-local means.

use fearless_simd::{Level, Simd as _, dispatch};

use super::mirror::mirrored;

/// Pixels on each side of one that are compared: 7 × 7 of them.
const TEMPLATE: usize = 3;
/// Pixels on each side in which others like it are looked for: 21 × 21 of them.
const SEARCH: usize = 10;
const AROUND: usize = SEARCH + TEMPLATE;
const TEMPLATE_PIXELS: u32 = 7 * 7;
const SEARCH_PIXELS: u32 = 21 * 21;
/// What weighs all: the sum over all that is looked at stays within 31 bits.
const FULL: u32 = i32::MAX as u32 / (SEARCH_PIXELS * 255);
/// Distances are told in steps of 64 squares of the template, which are 49.
const STEP_BITS: u32 = 6;
/// Smaller weights are none.
const LEAST: f64 = 0.001;

/// Each pixel as the mean of all pixels near it whose surroundings look like its own, weighted by how much they do:
/// exp(−d² / h²), d² being the mean square difference over a template and the channels. `plane` has `width` × `height` pixels.
///
/// Buades, Coll, Morel, "Non-Local Means Denoising", IPOL 2011, as OpenCV's `fastNlMeansDenoising` computes it (template 7,
/// search 21, no noise level subtracted).
pub(super) fn smoothed<const C: usize>(
    plane: &[[u8; C]],
    (width, height): (usize, usize),
    h: f32,
) -> Vec<[u8; C]> {
    let weights = weights(h, C);
    if weights.len() <= 2 {
        // Only what is the same counts: nothing would change.
        return plane.to_vec();
    }
    let wide: [Vec<u8>; C] = std::array::from_fn(|it| widened(plane, (width, height), it));
    let mut means = Means::new(wide, (width, height));
    let summed = &mut means;
    dispatch!(Level::new(), simd => simd.vectorize(
        #[inline(always)]
        || summed.sum_up(&weights)
    ));
    means.into_plane()
}

/// The weight of each step of distance; the last one is 0 and stands for all that follow.
fn weights(h: f32, channels: usize) -> Vec<u32> {
    #[expect(clippy::cast_precision_loss, reason = "one or two channels")]
    let scale = f64::from(h) * f64::from(h) * channels as f64;
    let step = f64::from(1_u32 << STEP_BITS) / f64::from(TEMPLATE_PIXELS);
    let mut weights = vec![FULL];
    if scale > 0.0 {
        let of = |at: u32| (-f64::from(at) * step / scale).exp();
        let all = (1..).map(of).take_while(|it| *it >= LEAST);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of FULL"
        )]
        weights.extend(all.map(|it| (it * f64::from(FULL)).round() as u32));
    }
    weights.push(0);
    weights
}

/// A channel with what mirrors at its sides show.
fn widened<const C: usize>(
    plane: &[[u8; C]],
    (width, height): (usize, usize),
    channel: usize,
) -> Vec<u8> {
    let around = |length: usize| {
        let first = -AROUND.cast_signed();
        (first..(length + AROUND).cast_signed()).map(move |at| mirrored(at, length))
    };
    let columns: Vec<usize> = around(width).collect();
    let rows = around(height).map(|y| &plane[y * width..][..width]);
    rows.flat_map(|row| columns.iter().map(move |x| row[*x][channel]))
        .collect()
}

/// How far one of two pixels that are compared lies from the other; `down` is never less than 0.
#[derive(Clone, Copy)]
struct Step {
    right: isize,
    down: usize,
}

/// Sums over all that is looked at, so far.
struct Means<const C: usize> {
    width: usize,
    height: usize,
    /// The channels, each wider by `AROUND` on each side.
    wide: [Vec<u8>; C],
    /// Of weights times levels, by channel.
    levels: [Vec<u32>; C],
    /// Of weights.
    all: Vec<u32>,
    /// Square differences at one step, with those of `TEMPLATE` pixels around.
    squares: Vec<u32>,
    /// Sums of them over the columns of the template, for one row.
    columns: Vec<u32>,
    /// Sums over the template, then weights, for one row.
    row: Vec<u32>,
}

impl<const C: usize> Means<C> {
    fn new(wide: [Vec<u8>; C], (width, height): (usize, usize)) -> Self {
        let across = width + AROUND + TEMPLATE;
        let mut it = Self {
            width,
            height,
            wide,
            levels: std::array::from_fn(|_| vec![0; width * height]),
            // A pixel is like itself.
            all: vec![FULL; width * height],
            squares: vec![0; across * (height + AROUND + TEMPLATE)],
            columns: vec![0; across],
            row: vec![0; width + SEARCH],
        };
        for y in 0..height {
            for channel in 0..C {
                let from = it.at(0, y.cast_signed());
                let own = &it.wide[channel][from..][..width];
                for (sum, level) in it.levels[channel][y * width..].iter_mut().zip(own) {
                    *sum = FULL * u32::from(*level);
                }
            }
        }
        it
    }

    /// Where a pixel lies in `wide`.
    #[inline(always)]
    fn at(&self, x: isize, y: isize) -> usize {
        let around = AROUND.cast_signed();
        let stride = (self.width + 2 * AROUND).cast_signed();
        ((y + around) * stride + x + around).cast_unsigned()
    }

    /// Two pixels are as like each other as the other way round: half of all steps do.
    #[inline(always)]
    fn sum_up(&mut self, weights: &[u32]) {
        let most = SEARCH.cast_signed();
        for down in 0..=SEARCH {
            let first = if down == 0 { 1 } else { -most };
            for right in first..=most {
                let step = Step { right, down };
                self.compare(step);
                self.columns.fill(0);
                for row in 0..self.height + down {
                    if self.weigh(step, row, weights) {
                        self.add(step, row);
                    }
                }
            }
        }
    }

    /// Pixels to compare in a row: those of the picture, and those outside from which the step leads into it.
    #[inline(always)]
    fn compared(&self, step: Step) -> (isize, usize) {
        let first = (-step.right).min(0);
        (first, self.width + step.right.unsigned_abs())
    }

    /// Square differences between each pixel and the one that is a step away.
    #[inline(always)]
    fn compare(&mut self, step: Step) {
        let (first, count) = self.compared(step);
        let (across, reach) = (count + 2 * TEMPLATE, TEMPLATE.cast_signed());
        let above = step.down.cast_signed() + reach;
        for y in 0..self.height + step.down + 2 * TEMPLATE {
            let ours = self.at(first - reach, y.cast_signed() - above);
            let theirs = self.at(first - reach + step.right, y.cast_signed() - reach);
            let squares = &mut self.squares[y * across..][..across];
            for (channel, wide) in self.wide.iter().enumerate() {
                let pairs = wide[ours..][..across].iter().zip(&wide[theirs..][..across]);
                for (square, (a, b)) in squares.iter_mut().zip(pairs) {
                    let it = u32::from(a.abs_diff(*b));
                    *square = if channel == 0 { 0 } else { *square } + it * it;
                }
            }
        }
    }

    /// The weights of a row, the rows above having been weighed; whether there are any.
    #[inline(always)]
    fn weigh(&mut self, step: Step, y: usize, weights: &[u32]) -> bool {
        let (_, count) = self.compared(step);
        let across = count + 2 * TEMPLATE;
        let square = |y: usize| &self.squares[y * across..][..across];
        let columns = &mut self.columns[..across];
        if y == 0 {
            for y in 0..=2 * TEMPLATE {
                for (sum, come) in columns.iter_mut().zip(square(y)) {
                    *sum += come;
                }
            }
        } else {
            let (come, gone) = (square(y + 2 * TEMPLATE), square(y - 1));
            for ((sum, come), gone) in columns.iter_mut().zip(come).zip(gone) {
                *sum = *sum + come - gone;
            }
        }
        let row = &mut self.row[..count];
        for (it, sums) in row.iter_mut().zip(columns.windows(2 * TEMPLATE + 1)) {
            if let [a, b, c, d, e, f, g] = sums {
                *it = (a + b + c + d + e + f + g) >> STEP_BITS;
            }
        }
        let last = weights.len() - 1;
        let mut any = 0;
        for it in row {
            *it = weights[(*it as usize).min(last)];
            any |= *it;
        }
        any > 0
    }

    /// Adds a row of pixels to those that are a step away from them, and the other way round.
    #[inline(always)]
    fn add(&mut self, step: Step, y: usize) {
        let y = y.cast_signed() - step.down.cast_signed();
        let (first, _) = self.compared(step);
        let there = y + step.down.cast_signed();
        // Of pixels a step away, the first weight is that of the pixel from which it leads to the first one.
        let ways = [
            (y, 0, step.right, there),
            (there, -step.right, -step.right, y),
        ];
        for (to, from, right, other) in ways {
            let Some(to) = usize::try_from(to).ok().filter(|it| *it < self.height) else {
                continue;
            };
            let weights = &self.row[(from - first).cast_unsigned()..][..self.width];
            let others = self.at(right, other);
            let own = to * self.width..(to + 1) * self.width;
            for (all, weight) in self.all[own.clone()].iter_mut().zip(weights) {
                *all += weight;
            }
            for (levels, wide) in self.levels.iter_mut().zip(&self.wide) {
                let sums = levels[own.clone()].iter_mut().zip(weights);
                for ((sum, weight), other) in sums.zip(&wide[others..][..self.width]) {
                    *sum += weight * u32::from(*other);
                }
            }
        }
    }

    fn into_plane(self) -> Vec<[u8; C]> {
        let all = self.all.iter().enumerate();
        all.map(|(at, all)| {
            let mean = |it: &Vec<u32>| (it[at] + all / 2) / all;
            std::array::from_fn(|it| u8::try_from(mean(&self.levels[it])).unwrap_or(u8::MAX))
        })
        .collect()
    }
}
#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By the definition, pixel by pixel.
    fn slowly(plane: &[[u8; 1]], (width, height): (usize, usize), h: f32) -> Vec<f64> {
        let at = |x: isize, y: isize| {
            f64::from(plane[mirrored(y, height) * width + mirrored(x, width)][0])
        };
        let (search, template) = (SEARCH.cast_signed(), TEMPLATE.cast_signed());
        let mut means = Vec::new();
        for p in 0..width * height {
            let (x, y) = ((p % width).cast_signed(), (p / width).cast_signed());
            let (mut sum, mut all) = (0.0, 0.0);
            for (dx, dy) in (-search..=search).flat_map(|a| (-search..=search).map(move |b| (a, b)))
            {
                let mut distance = 0.0;
                for (u, v) in
                    (-template..=template).flat_map(|a| (-template..=template).map(move |b| (a, b)))
                {
                    distance += (at(x + u, y + v) - at(x + dx + u, y + dy + v)).powi(2);
                }
                let weight = (-distance / 49.0 / f64::from(h * h)).exp();
                sum += weight * at(x + dx, y + dy);
                all += weight;
            }
            means.push(sum / all);
        }
        means
    }

    #[test]
    fn it_is_what_its_definition_says() {
        let size = (17, 6);
        let plane: Vec<[u8; 1]> = (0..17 * 6_u32)
            .map(|it| [u8::try_from(it.wrapping_mul(2_654_435_761) >> 27).unwrap() + 100])
            .collect();
        let fast = smoothed(&plane, size, 12.0);
        for (fast, slow) in fast.iter().zip(slowly(&plane, size, 12.0)) {
            assert!((f64::from(fast[0]) - slow).abs() <= 1.0, "{fast:?} {slow}");
        }
        assert_ne!(fast, plane);
    }

    #[test]
    fn without_strength_nothing_changes() {
        let plane: Vec<[u8; 2]> = (0..60).map(|it| [it, 255 - it * 3]).collect();
        assert_eq!(smoothed(&plane, (10, 6), 0.0), plane);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn means_lie_between_the_least_and_the_most(width in 1_usize..12, bytes in prop::collection::vec(any::<u8>(), 12..80), h in 0.0_f32..100.0) {
            let height = bytes.len() / width;
            let plane: Vec<[u8; 1]> = bytes[..width * height].iter().map(|it| [*it]).collect();
            let out = smoothed(&plane, (width, height), h);
            prop_assert_eq!(out.len(), plane.len());
            let (least, most) = (plane.iter().min().unwrap(), plane.iter().max().unwrap());
            prop_assert!(out.iter().all(|it| it >= least && it <= most));
        }
    }
}
