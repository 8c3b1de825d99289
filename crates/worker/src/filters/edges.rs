//! `edges`: where brightness changes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filter::{self, Filter};
use super::luma::{Luma, Standard};
use crate::{Answer, FrameMeta, Picture};

/// What can be set.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EdgesParams {
    /// Edges weaker than this are black. In levels: a sharp edge between two areas whose brightness
    /// differs by 40 of 255 has the strength 40.
    #[schemars(range(min = 0, max = 255))]
    threshold: u8,
    /// How the other edges are drawn.
    mode: Mode,
}

impl Default for EdgesParams {
    fn default() -> Self {
        Self {
            threshold: 24,
            mode: Mode::default(),
        }
    }
}

/// How an edge is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// As bright as it is strong.
    #[default]
    Magnitude,
    /// White.
    Binary,
}

/// Sobel's operator on BT.709 luma: the two gradients
///
/// ```text
///      | -1 0 1 |        | -1 -2 -1 |
/// gx = | -2 0 2 |   gy = |  0  0  0 |   strength = sqrt(gx^2 + gy^2) / 4
///      | -1 0 1 |        |  1  2  1 |
/// ```
///
/// (Sobel and Feldman, 1968; Gonzalez and Woods, "Digital Image Processing", 10.2). Divided by
/// the sum of the weights of one side, 4, the strength of an upright or level edge is its height
/// in levels; slanted ones reach up to 1.06 times that and are cut at 255. The picture goes on
/// beyond its border with the border's pixels.
pub(super) struct Edges {
    params: EdgesParams,
    /// One rgb24 row of the input.
    row: Vec<u8>,
    /// Luma of the rows above, at and below the one at work, one more sample at both ends.
    luma: [Vec<i16>; 3],
    strength: Vec<u8>,
}

impl Filter for Edges {
    const NAME: &'static str = "edges";
    const SUMMARY: &'static str = "draws where brightness changes";
    type Params = EdgesParams;

    fn new(params: EdgesParams) -> Self {
        Self {
            params,
            row: Vec::new(),
            luma: Default::default(),
            strength: Vec::new(),
        }
    }

    fn process(&mut self, frame: &FrameMeta, picture: &mut dyn Picture) -> Result<Answer, String> {
        let row_bytes = frame.caps.row_bytes();
        let width = frame.caps.size.width() as usize;
        let last = frame.caps.size.height() as usize - 1;
        self.row.resize(row_bytes, 0);
        self.strength.resize(width, 0);
        for luma in &mut self.luma {
            luma.resize(width + 2, 0);
        }

        let [above, at, below] = &mut self.luma;
        picture.read(0, &mut self.row);
        read_luma(&self.row, at);
        above.copy_from_slice(at);
        for y in 0..=last {
            if y < last {
                picture.read((y + 1) * row_bytes, &mut self.row);
                read_luma(&self.row, below);
            } else {
                below.copy_from_slice(at);
            }
            measure(above, at, below, &mut self.strength);
            let output = filter::replace(frame, picture)?;
            draw(
                &self.params,
                &self.strength,
                &mut output[y * row_bytes..][..row_bytes],
            );
            std::mem::swap(above, at);
            std::mem::swap(at, below);
        }
        Ok(Answer::Changed)
    }
}

/// Luma of a row of pixels; the samples at both ends are there twice.
fn read_luma(row: &[u8], luma: &mut [i16]) {
    static LUMA: Luma = Luma::new(Standard::Bt709);
    for (luma, pixel) in luma[1..].iter_mut().zip(row.as_chunks::<3>().0) {
        *luma = i16::from(LUMA.of(*pixel));
    }
    let end = luma.len() - 1;
    luma[0] = luma[1];
    luma[end] = luma[end - 1];
}

/// The strength at each pixel of the row `at`.
fn measure(above: &[i16], at: &[i16], below: &[i16], strength: &mut [u8]) {
    let width = strength.len();
    let shifted = |row| -> [&[i16]; 3] {
        let row: &[i16] = row;
        [&row[..width], &row[1..][..width], &row[2..][..width]]
    };
    let [a, b, c] = [above, at, below].map(shifted);
    for (x, strength) in strength.iter_mut().enumerate() {
        let gx = (a[2][x] - a[0][x]) + 2 * (b[2][x] - b[0][x]) + (c[2][x] - c[0][x]);
        let gy = (c[0][x] - a[0][x]) + 2 * (c[1][x] - a[1][x]) + (c[2][x] - a[2][x]);
        let (gx, gy) = (f32::from(gx), f32::from(gy));
        let quarter = ((gx * gx + gy * gy) * (1.0 / 16.0)).sqrt();
        // Added to 2^23 a float has no fraction left, and its lowest byte is the level.
        *strength = (quarter.min(255.0) + 8_388_608.0).to_bits().to_le_bytes()[0];
    }
}

/// The edges of a row in its pixels.
fn draw(params: &EdgesParams, strength: &[u8], pixels: &mut [u8]) {
    for (pixel, strength) in pixels.as_chunks_mut::<3>().0.iter_mut().zip(strength) {
        let level = match params.mode {
            Mode::Magnitude => *strength,
            Mode::Binary => u8::MAX,
        };
        *pixel = [if *strength >= params.threshold {
            level
        } else {
            0
        }; 3];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strength_of_step(low: i16, high: i16) -> Vec<u8> {
        let row = [low, low, low, high, high, high];
        let mut strength = vec![0; row.len() - 2];
        measure(&row, &row, &row, &mut strength);
        strength
    }

    #[test]
    fn an_upright_edge_is_as_strong_as_it_is_high() {
        assert_eq!(strength_of_step(0, 255), [0, 255, 255, 0]);
        assert_eq!(strength_of_step(140, 100), [0, 40, 40, 0]);
    }

    #[test]
    fn a_level_edge_is_as_strong_as_it_is_high() {
        let mut strength = [0; 2];
        measure(&[10; 4], &[10; 4], &[90; 4], &mut strength);
        assert_eq!(strength, [80, 80]);
    }
}
