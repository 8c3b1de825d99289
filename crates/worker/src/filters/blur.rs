//! `blur`: a Gaussian blur whose cost does not depend on its radius.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filter::{self, Filter};
use crate::{Answer, FrameMeta, Picture};

/// What can be set.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct BlurParams {
    /// Standard deviation of the Gaussian in pixels, as in CSS `blur()` and Pillow's
    /// `GaussianBlur`; 0 leaves the picture as it is.
    #[schemars(range(min = 0, max = 64))]
    radius: f32,
}

impl Default for BlurParams {
    fn default() -> Self {
        Self { radius: 6.0 }
    }
}

/// Three passes of an extended box along the rows, then three along the columns ([`ExtendedBox`]).
/// The picture goes on beyond its border with the border's pixels. Samples are gamma-encoded, as
/// they come, and rounded to 8 bits twice: after the rows and after the columns.
pub(super) struct Blur {
    kernel: Option<ExtendedBox>,
    rows: Vec<u8>,
    line: Vec<Lanes>,
    scratch: Vec<Lanes>,
}

impl Filter for Blur {
    const NAME: &'static str = "blur";
    const SUMMARY: &'static str = "softens the picture";
    type Params = BlurParams;

    fn new(params: BlurParams) -> Self {
        Self {
            kernel: (params.radius > 0.0).then(|| ExtendedBox::new(params.radius)),
            rows: Vec::new(),
            line: Vec::new(),
            scratch: Vec::new(),
        }
    }

    fn process(&mut self, frame: &FrameMeta, picture: &mut dyn Picture) -> Result<Answer, String> {
        let Some(kernel) = self.kernel else {
            return Ok(Answer::Passed);
        };
        let row_bytes = frame.caps.row_bytes();
        let width = frame.caps.size.width() as usize;
        let height = frame.caps.size.height() as usize;
        for lines in [&mut self.line, &mut self.scratch] {
            lines.resize(width.max(height) + 2 * kernel.border(), [0.0; LANES]);
        }

        self.rows.resize(ROWS * row_bytes, 0);
        filter::in_pieces(frame, picture, &mut self.rows, |input, output| {
            let line = kernel.within(&mut self.line, width);
            for (row, first) in input.chunks_exact(row_bytes).zip((0..).step_by(3)) {
                for (lanes, pixel) in line.iter_mut().zip(row.as_chunks::<3>().0) {
                    lanes[first..first + 3].copy_from_slice(&pixel.map(f32::from));
                }
            }
            let smooth = kernel.smooth(&mut self.line, &mut self.scratch, width);
            for (row, first) in output.chunks_exact_mut(row_bytes).zip((0..).step_by(3)) {
                for (lanes, pixel) in smooth.iter().zip(row.as_chunks_mut::<3>().0) {
                    *pixel = [lanes[first], lanes[first + 1], lanes[first + 2]].map(rounded);
                }
            }
        })?;

        let output = filter::replace(frame, picture)?;
        for left in (0..row_bytes).step_by(LANES) {
            let columns = left..row_bytes.min(left + LANES);
            let line = kernel.within(&mut self.line, height);
            for (lanes, row) in line.iter_mut().zip(output.chunks_exact(row_bytes)) {
                for (lane, sample) in lanes.iter_mut().zip(&row[columns.clone()]) {
                    *lane = f32::from(*sample);
                }
            }
            let smooth = kernel.smooth(&mut self.line, &mut self.scratch, height);
            for (lanes, row) in smooth.iter().zip(output.chunks_exact_mut(row_bytes)) {
                for (lane, sample) in lanes.iter().zip(&mut row[columns.clone()]) {
                    *sample = rounded(*lane);
                }
            }
        }
        Ok(Answer::Changed)
    }
}

/// The level nearest to `value`, without the detour over an integer cast that saturates: added to
/// 2^23 a float has no fraction left, and its lowest byte is the level.
#[inline]
fn rounded(value: f32) -> u8 {
    (value.clamp(0.0, 255.0) + 8_388_608.0)
        .to_bits()
        .to_le_bytes()[0]
}

/// Rows that go through the passes together.
const ROWS: usize = 8;
/// Samples that go through the passes side by side, so that the compiler makes vector instructions
/// of the arithmetic: the pixels of [`ROWS`] rows at one column, or neighbours of one row.
const LANES: usize = 3 * ROWS;
type Lanes = [f32; LANES];

/// A box whose two outermost samples weigh less, so that its variance can be any number.
///
/// Three of them in a row come close to a Gaussian and have exactly its variance. Source:
/// Gwosdek, Grewenig, Bruhn, Weickert, "Theoretical Foundations of Gaussian Convolution by
/// Extended Box Filtering", SSVM 2011. With the variance v of one box, its reach r is the largest
/// for which a plain box of 2r + 1 samples, of variance r(r + 1)/3, is not too wide, and the outer
/// samples weigh (2r + 1)(r(r + 1) - 3v) / (6(v - (r + 1)^2)) of an inner one.
#[derive(Clone, Copy, Debug)]
struct ExtendedBox {
    /// Samples of full weight on either side of the middle one.
    reach: usize,
    /// Weight of a sample within reach.
    full: f32,
    /// Weight of the two samples just out of reach.
    outer: f32,
}

impl ExtendedBox {
    /// Of which three make a Gaussian of that standard deviation, in samples.
    fn new(deviation: f32) -> Self {
        let variance = deviation * deviation / 3.0;
        let r = (((12.0 * variance + 1.0).sqrt() - 1.0) / 2.0).floor();
        let share = (2.0 * r + 1.0) * (r * (r + 1.0) - 3.0 * variance)
            / (6.0 * (variance - (r + 1.0) * (r + 1.0)));
        let full = 1.0 / (2.0 * r + 1.0 + 2.0 * share);
        Self {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a whole number from 0 to a few dozen"
            )]
            reach: r as usize,
            full,
            outer: share * full,
        }
    }

    /// Samples that a line needs before its first and after its last one.
    fn border(self) -> usize {
        self.reach + 1
    }

    /// The samples of a line of that length, without its borders.
    fn within(self, line: &mut [Lanes], length: usize) -> &mut [Lanes] {
        &mut line[self.border()..][..length]
    }

    /// Three passes over `line`; the result lies in `scratch`.
    fn smooth<'s>(
        self,
        line: &mut [Lanes],
        scratch: &'s mut [Lanes],
        length: usize,
    ) -> &'s [Lanes] {
        self.pass(line, scratch, length);
        self.pass(scratch, line, length);
        self.pass(line, scratch, length);
        self.within(scratch, length)
    }

    /// One pass, in constant time a sample: the sum of the samples within reach moves along.
    fn pass(self, from: &mut [Lanes], to: &mut [Lanes], length: usize) {
        let border = self.border();
        let from = &mut from[..length + 2 * border];
        let (first, last) = (from[border], from[border + length - 1]);
        from[..border].fill(first);
        from[border + length..].fill(last);

        let mut sum = [0.0; LANES];
        for lanes in &from[..2 * self.reach + 1] {
            for (sum, lane) in sum.iter_mut().zip(lanes) {
                *sum += lane;
            }
        }
        let leaving = from.iter();
        let entering = from[2 * self.reach + 1..].iter();
        let beyond = from[2 * self.reach + 2..].iter();
        let (full, outer) = (self.full, self.outer);
        for (((to, leaving), entering), beyond) in self
            .within(to, length)
            .iter_mut()
            .zip(leaving)
            .zip(entering)
            .zip(beyond)
        {
            for lane in 0..LANES {
                sum[lane] += entering[lane] - leaving[lane];
                to[lane] = sum[lane] * full + (leaving[lane] + beyond[lane]) * outer;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The response of three passes to one bright sample.
    fn response(deviation: f32) -> Vec<f32> {
        let kernel = ExtendedBox::new(deviation);
        let length = 2 * 3 * kernel.border() + 1;
        let mut line = vec![[0.0; LANES]; length + 2 * kernel.border()];
        let mut scratch = line.clone();
        kernel.within(&mut line, length)[length / 2][0] = 1.0;
        let smooth = kernel.smooth(&mut line, &mut scratch, length);
        smooth.iter().map(|lanes| lanes[0]).collect()
    }

    fn distance_from_middle(index: usize, length: usize) -> f64 {
        f64::from(u32::try_from(index.abs_diff(length / 2)).unwrap())
    }

    proptest! {
        #[test]
        fn three_passes_have_the_variance_of_the_gaussian(deviation in 0.05..64.0f32) {
            let response = response(deviation);
            let (mut sum, mut variance) = (0.0, 0.0);
            for (index, weight) in response.iter().enumerate() {
                sum += f64::from(*weight);
                variance += f64::from(*weight) * distance_from_middle(index, response.len()).powi(2);
            }
            prop_assert!((sum - 1.0).abs() < 1e-3, "sum {sum}");
            let expected = f64::from(deviation).powi(2);
            prop_assert!((variance / expected - 1.0).abs() < 5e-3, "{variance}, not {expected}");
        }

        #[test]
        fn three_passes_look_like_the_gaussian(deviation in 1.0..64.0f32) {
            let response = response(deviation);
            let sigma = f64::from(deviation);
            let peak = 1.0 / (sigma * std::f64::consts::TAU.sqrt());
            for (index, weight) in response.iter().enumerate() {
                let distance = distance_from_middle(index, response.len());
                let exact = peak * (-distance * distance / (2.0 * sigma * sigma)).exp();
                prop_assert!((f64::from(*weight) - exact).abs() < 0.085 * peak);
            }
        }

        #[test]
        fn an_even_picture_stays_as_it_is(level: u8, deviation in 0.05..64.0f32) {
            let kernel = ExtendedBox::new(deviation);
            let mut line = vec![[f32::from(level); LANES]; 50 + 2 * kernel.border()];
            let mut scratch = line.clone();
            for lanes in kernel.smooth(&mut line, &mut scratch, 50) {
                prop_assert_eq!(lanes.map(rounded), [level; LANES]);
            }
        }
    }

    #[test]
    fn rounding_is_to_the_nearest_and_stays_in_range() {
        for (value, level) in [
            (0.4, 0),
            (0.6, 1),
            (254.4, 254),
            (254.6, 255),
            (300.0, 255),
            (-3.0, 0),
        ] {
            assert_eq!(rounded(value), level, "{value}");
        }
    }
}
