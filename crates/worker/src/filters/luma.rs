//! How bright a pixel is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The recommendation whose weights make luma of red, green and blue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Standard {
    /// ITU-R BT.601, standard definition: 0.299 R + 0.587 G + 0.114 B.
    Bt601,
    /// ITU-R BT.709, high definition: 0.2126 R + 0.7152 G + 0.0722 B.
    #[default]
    Bt709,
}

/// Luma of rgb24 pixels in integer arithmetic: what each level of red, green and blue adds to it,
/// in 1/65536 of a level. Looking up is half as long as multiplying here.
pub(super) struct Luma {
    red: [u32; 256],
    green: [u32; 256],
    blue: [u32; 256],
}

impl Luma {
    /// The weights of `standard`, rounded to 16 bits so that they add up to 65536. Those of BT.601
    /// are the ones of Pillow's `convert("L")`: both give the same bytes.
    pub(super) const fn new(standard: Standard) -> Self {
        let [red, green, blue] = match standard {
            Standard::Bt601 => [19_595, 38_470, 7_471],
            Standard::Bt709 => [13_933, 46_871, 4_732],
        };
        let half = 0x8000; // rounds to the nearest, once in the sum
        Self {
            red: levels(red, half),
            green: levels(green, 0),
            blue: levels(blue, 0),
        }
    }

    /// Luma of one pixel, rounded to the nearest.
    #[inline]
    pub(super) fn of(&self, [red, green, blue]: [u8; 3]) -> u8 {
        let sum = self.red[usize::from(red)]
            + self.green[usize::from(green)]
            + self.blue[usize::from(blue)];
        // The third byte is the sum divided by 65536; the fourth is zero.
        sum.to_le_bytes()[2]
    }
}

/// `weight` times each level, and `more`.
const fn levels(weight: u32, more: u32) -> [u32; 256] {
    let mut table = [more; 256];
    let mut level = 1;
    while level < table.len() {
        table[level] = table[level - 1] + weight;
        level += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_grey_pixel_keeps_its_level(level: u8) {
            for standard in [Standard::Bt601, Standard::Bt709] {
                prop_assert_eq!(Luma::new(standard).of([level; 3]), level);
            }
        }

        #[test]
        fn luma_is_the_formula_of_the_recommendation(red: u8, green: u8, blue: u8) {
            let [r, g, b] = [red, green, blue].map(f64::from);
            let exact = [
                (Standard::Bt601, 0.299 * r + 0.587 * g + 0.114 * b),
                (Standard::Bt709, 0.2126 * r + 0.7152 * g + 0.0722 * b),
            ];
            for (standard, exact) in exact {
                let luma = Luma::new(standard).of([red, green, blue]);
                prop_assert!((f64::from(luma) - exact).abs() < 0.51);
            }
        }
    }
}
