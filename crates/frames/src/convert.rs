//! Samples from `u8` to `f32` and back, as fast as the machine allows.
//!
//! Each loop is compiled twice: for the baseline and for AVX2 with FMA; which one runs is found out at run time.
//! A float goes back by clamping to the range, then rounding half up; NaN becomes 0.

#![expect(
    unsafe_code,
    reason = "calls loops compiled for instructions that were detected"
)]

/// The range of float samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// What `u8` 0 becomes.
    pub low: f32,
    /// What `u8` 255 becomes.
    pub high: f32,
}

impl Range {
    /// 0 to 1.
    pub const UNIT: Self = Self {
        low: 0.0,
        high: 1.0,
    };
    /// −1 to 1.
    pub const SIGNED: Self = Self {
        low: -1.0,
        high: 1.0,
    };
}

/// `from` as floats in `range`, sample by sample. Panics when the lengths differ.
pub fn u8_to_f32(from: &[u8], to: &mut [f32], range: Range) {
    assert_eq!(from.len(), to.len(), "as many samples");
    #[cfg(target_arch = "x86_64")]
    if wide() {
        // SAFETY: the machine has AVX2 and FMA, checked by `wide`.
        return unsafe { u8_to_f32_wide(from, to, range) };
    }
    u8_to_f32_loop(from, to, range);
}

/// `from`, floats in `range`, as `u8`, sample by sample. Panics when the lengths differ.
pub fn f32_to_u8(from: &[f32], to: &mut [u8], range: Range) {
    assert_eq!(from.len(), to.len(), "as many samples");
    #[cfg(target_arch = "x86_64")]
    if wide() {
        // SAFETY: the machine has AVX2 and FMA, checked by `wide`.
        return unsafe { f32_to_u8_wide(from, to, range) };
    }
    f32_to_u8_loop(from, to, range);
}

#[cfg(target_arch = "x86_64")]
fn wide() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn u8_to_f32_wide(from: &[u8], to: &mut [f32], range: Range) {
    u8_to_f32_loop(from, to, range);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn f32_to_u8_wide(from: &[f32], to: &mut [u8], range: Range) {
    f32_to_u8_loop(from, to, range);
}

#[inline(always)]
fn u8_to_f32_loop(from: &[u8], to: &mut [f32], range: Range) {
    let scale = (range.high - range.low) / 255.0;
    for (from, to) in from.iter().zip(to) {
        *to = f32::from(*from) * scale + range.low;
    }
}

#[inline(always)]
fn f32_to_u8_loop(from: &[f32], to: &mut [u8], range: Range) {
    let scale = 255.0 / (range.high - range.low);
    for (from, to) in from.iter().zip(to) {
        // `max` then `min` turns NaN into 0 and leaves 0.5..=255.5.
        #[expect(clippy::manual_clamp, reason = "clamp keeps NaN")]
        let level = ((*from - range.low) * scale + 0.5).max(0.0).min(255.0);
        // SAFETY: `level` is between 0 and 255 and not NaN.
        let whole: i32 = unsafe { level.to_int_unchecked() };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 255"
        )]
        {
            *to = whole as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_level_survives_the_way_there_and_back() {
        let levels: Vec<u8> = (0..=255).collect();
        for range in [Range::UNIT, Range::SIGNED] {
            let (mut floats, mut back) = ([0.0; 256], [0; 256]);
            u8_to_f32(&levels, &mut floats, range);
            f32_to_u8(&floats, &mut back, range);
            assert_eq!(back[..], levels[..]);
            assert!(
                (floats[0] - range.low).abs() < 1e-6 && (floats[255] - range.high).abs() < 1e-6
            );
        }
    }

    #[test]
    fn what_is_out_of_range_is_clamped_and_nan_is_zero() {
        let mut out = [9; 5];
        let from = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 2.0, -0.1];
        f32_to_u8(&from, &mut out, Range::UNIT);
        assert_eq!(out, [0, 255, 0, 255, 0]);
    }

    proptest! {
        #[test]
        fn both_compilations_agree(from in proptest::collection::vec(any::<f32>(), 0..100)) {
            let (mut fast, mut plain) = (vec![0; from.len()], vec![0; from.len()]);
            f32_to_u8(&from, &mut fast, Range::SIGNED);
            f32_to_u8_loop(&from, &mut plain, Range::SIGNED);
            // A fused multiply-add may round a tie the other way.
            prop_assert!(fast.iter().zip(&plain).all(|(a, b)| a.abs_diff(*b) <= 1));
        }
    }
}
