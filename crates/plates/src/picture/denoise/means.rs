//! Non-local means.

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
    let stride = width + 2 * AROUND;
    let wide = widened(plane, (width, height));
    let mut sums = vec![([0_u32; C], 0_u32); width * height];
    let mut distances = Distances::new((width, height));
    for dy in 0..=2 * SEARCH {
        for dx in 0..=2 * SEARCH {
            distances.compute(&wide, stride, (dx, dy));
            for y in 0..height {
                let others = &wide[(y + dy + TEMPLATE) * stride + dx + TEMPLATE..][..width];
                let row = &mut sums[y * width..][..width];
                distances.row(y, |x, distance| {
                    let at = (distance >> STEP_BITS) as usize;
                    let weight = weights[at.min(weights.len() - 1)];
                    let (colour, all) = &mut row[x];
                    for (sum, other) in colour.iter_mut().zip(others[x]) {
                        *sum += weight * u32::from(other);
                    }
                    *all += weight;
                });
            }
        }
    }
    let mean = |(colour, all): ([u32; C], u32)| {
        // A pixel is like itself: its weight is never 0.
        let of = |sum: u32| u8::try_from((sum + all / 2) / all.max(1)).unwrap_or(u8::MAX);
        colour.map(of)
    };
    sums.into_iter().map(mean).collect()
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

/// The plane with what mirrors at its sides show.
fn widened<const C: usize>(plane: &[[u8; C]], (width, height): (usize, usize)) -> Vec<[u8; C]> {
    let around = |length: usize| {
        let first = -AROUND.cast_signed();
        (first..(length + AROUND).cast_signed()).map(move |at| mirrored(at, length))
    };
    let columns: Vec<usize> = around(width).collect();
    let rows = around(height).map(|y| &plane[y * width..][..width]);
    rows.flat_map(|row| columns.iter().map(|x| row[*x]))
        .collect()
}

/// Sums of square differences over the template between each pixel and the one that lies apart from it by one and the same
/// step.
struct Distances {
    width: usize,
    height: usize,
    /// Square differences, with those of `TEMPLATE` pixels around the plane.
    squares: Vec<u32>,
    /// Sums of them over the columns of the template.
    columns: Vec<u32>,
}

impl Distances {
    fn new((width, height): (usize, usize)) -> Self {
        let across = width + 2 * TEMPLATE;
        Self {
            width,
            height,
            squares: vec![0; across * (height + 2 * TEMPLATE)],
            columns: vec![0; across * height],
        }
    }

    fn compute<const C: usize>(
        &mut self,
        wide: &[[u8; C]],
        stride: usize,
        (dx, dy): (usize, usize),
    ) {
        let across = self.width + 2 * TEMPLATE;
        for (y, squares) in self.squares.chunks_exact_mut(across).enumerate() {
            let ours = &wide[(y + SEARCH) * stride + SEARCH..][..across];
            let theirs = &wide[(y + dy) * stride + dx..][..across];
            for ((square, a), b) in squares.iter_mut().zip(ours).zip(theirs) {
                let mut sum = 0;
                for channel in 0..C {
                    let it = u32::from(a[channel].abs_diff(b[channel]));
                    sum += it * it;
                }
                *square = sum;
            }
        }
        let (first, rest) = self.columns.split_at_mut(across);
        first.fill(0);
        for squares in self.squares.chunks_exact(across).take(2 * TEMPLATE + 1) {
            for (sum, square) in first.iter_mut().zip(squares) {
                *sum += square;
            }
        }
        let mut above: &[u32] = first;
        for (y, columns) in rest.chunks_exact_mut(across).enumerate() {
            let gone = &self.squares[y * across..][..across];
            let come = &self.squares[(y + 2 * TEMPLATE + 1) * across..][..across];
            for (((sum, above), come), gone) in columns.iter_mut().zip(above).zip(come).zip(gone) {
                *sum = above + come - gone;
            }
            above = columns;
        }
        debug_assert_eq!(self.columns.len(), across * self.height);
    }

    /// Tells the distance of each pixel of a row.
    fn row(&self, y: usize, mut told: impl FnMut(usize, u32)) {
        let columns = &self.columns[y * (self.width + 2 * TEMPLATE)..];
        let columns = &columns[..self.width + 2 * TEMPLATE];
        let mut sum: u32 = columns[..2 * TEMPLATE].iter().sum();
        let come = &columns[2 * TEMPLATE..];
        for (x, (come, gone)) in come.iter().zip(columns).enumerate() {
            sum += come;
            told(x, sum);
            sum -= gone;
        }
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
