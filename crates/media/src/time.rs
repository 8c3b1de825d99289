//! Media time: a count of ticks and the length of a tick.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The length of one tick of a [`Pts`], as a fraction of a second (FFmpeg's `AVRational`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeBase {
    num: u32,
    den: u32,
}

/// Why a fraction is no time base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("time base {num}/{den} is not a positive fraction")]
pub struct TimeBaseError {
    num: u32,
    den: u32,
}

impl TimeBase {
    /// 1/90000 s, the clock of MPEG transport streams (ISO/IEC 13818-1).
    pub const MPEG: Self = Self {
        num: 1,
        den: 90_000,
    };

    /// A tick of `num`/`den` seconds. Fails when either is zero.
    pub fn new(num: u32, den: u32) -> Result<Self, TimeBaseError> {
        if num == 0 || den == 0 {
            return Err(TimeBaseError { num, den });
        }
        Ok(Self { num, den })
    }

    /// Numerator, never zero.
    #[must_use]
    pub fn num(self) -> u32 {
        self.num
    }

    /// Denominator, never zero.
    #[must_use]
    pub fn den(self) -> u32 {
        self.den
    }

    /// Seconds that `pts` ticks last.
    #[must_use]
    pub fn seconds(self, pts: Pts) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "2^53 ticks of 1/90000 s are 3000 years"
        )]
        let ticks = pts.0 as f64;
        ticks * f64::from(self.num) / f64::from(self.den)
    }

    /// The tick nearest to `seconds`; saturates at the ends of the range.
    #[must_use]
    pub fn at(self, seconds: f64) -> Pts {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "float to int casts saturate"
        )]
        Pts((seconds * f64::from(self.den) / f64::from(self.num)).round() as i64)
    }

    /// `pts` of this time base, counted in ticks of `to`, rounded to the nearest, half away from zero.
    /// Saturates where the result does not fit.
    #[must_use]
    pub fn rescale(self, pts: Pts, to: TimeBase) -> Pts {
        let num = i128::from(pts.0) * i128::from(self.num) * i128::from(to.den);
        let den = i128::from(self.den) * i128::from(to.num);
        let rounded = if num >= 0 {
            (num + den / 2) / den
        } else {
            (num - den / 2) / den
        };
        let clamped = rounded.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        Pts(i64::try_from(clamped).expect("clamped to the range of i64"))
    }
}

impl fmt::Display for TimeBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.num, self.den)
    }
}

/// A presentation timestamp: ticks of a [`TimeBase`] that travels beside it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Pts(pub i64);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_zero_in_either_place_is_refused() {
        assert!(TimeBase::new(0, 1).is_err());
        assert!(TimeBase::new(1, 0).is_err());
    }

    #[test]
    fn rescale_rounds_half_away_from_zero() {
        let ms = TimeBase::new(1, 1000).unwrap();
        let ten = TimeBase::new(1, 100).unwrap();
        assert_eq!(ms.rescale(Pts(15), ten), Pts(2));
        assert_eq!(ms.rescale(Pts(-15), ten), Pts(-2));
        assert_eq!(ms.rescale(Pts(14), ten), Pts(1));
    }

    proptest! {
        #[test]
        fn a_finer_base_and_back_changes_nothing(ticks in -1_000_000_000i64..1_000_000_000, den in 1u32..1000) {
            let coarse = TimeBase::new(1, den).unwrap();
            prop_assert_eq!(
                TimeBase::MPEG.rescale(coarse.rescale(Pts(ticks), TimeBase::MPEG), coarse),
                Pts(ticks)
            );
        }

        #[test]
        fn rescale_never_panics(ticks: i64, a in 1u32.., b in 1u32.., c in 1u32.., d in 1u32..) {
            let from = TimeBase::new(a, b).unwrap();
            let to = TimeBase::new(c, d).unwrap();
            let _ticks = from.rescale(Pts(ticks), to);
        }
    }
}
