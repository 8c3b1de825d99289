//! `grayscale`: brightness without color.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filter::{self, Filter, PIECE};
use super::luma::{Luma, Standard};
use crate::{Answer, FrameMeta, Picture};

/// What can be set.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct GrayscaleParams {
    /// Whose weights make luma of red, green and blue.
    standard: Standard,
}

/// Each pixel becomes its luma ([`Luma`]): weighted sum of the gamma-encoded samples, as television
/// and JPEG define it, not the luminance of linear light.
pub(super) struct Grayscale {
    luma: Luma,
}

impl Filter for Grayscale {
    const NAME: &'static str = "grayscale";
    const SUMMARY: &'static str = "takes the color out";
    type Params = GrayscaleParams;

    fn new(params: GrayscaleParams) -> Self {
        Self {
            luma: Luma::new(params.standard),
        }
    }

    fn process(&mut self, frame: &FrameMeta, picture: &mut dyn Picture) -> Result<Answer, String> {
        filter::in_pieces(frame, picture, &mut [0; PIECE], |input, output| {
            gray(&self.luma, input, output);
        })?;
        Ok(Answer::Changed)
    }
}

/// The pixels of `input`, grey. Four at a time: their twelve samples are stored as three words,
/// which takes half as long as twelve stores.
fn gray(luma: &Luma, input: &[u8], output: &mut [u8]) {
    let (fours, rest) = input.as_chunks::<12>();
    let (gray_fours, gray_rest) = output.as_chunks_mut::<12>();
    for (gray, four) in gray_fours.iter_mut().zip(fours) {
        let level = |at: usize| u32::from(luma.of([four[at], four[at + 1], four[at + 2]]));
        let [a, b, c, d] = [level(0), level(3), level(6), level(9)];
        let words = [
            (a * 0x01_01_01) | (b << 24),
            (b * 0x01_01) | (c * 0x01_01_00_00),
            c | (d * 0x01_01_01_00),
        ];
        for (gray, word) in gray.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *gray = word.to_le_bytes();
        }
    }
    let pixels = rest.as_chunks::<3>().0;
    for (gray, pixel) in gray_rest.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
        *gray = [luma.of(*pixel); 3];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn four_at_a_time_is_as_one_by_one(pixels in prop::collection::vec(any::<[u8; 3]>(), 0..23)) {
            let luma = Luma::new(Standard::Bt709);
            let mut output = vec![0; 3 * pixels.len()];
            gray(&luma, pixels.as_flattened(), &mut output);
            let expected: Vec<_> = pixels.iter().map(|pixel| [luma.of(*pixel); 3]).collect();
            prop_assert_eq!(output.as_chunks::<3>().0, expected);
        }
    }
}
