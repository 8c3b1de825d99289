//! How much may wait, and for how long.

use std::time::Duration;

/// Limits of each bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// At or above: the category is backed up. Advisory.
    pub soft: usize,
    /// At or above: a push is refused.
    pub hard: usize,
    /// A backed up category is no longer so at or below this part of `soft`, 0 to 1.
    pub recover_ratio: f64,
    /// A category whose oldest item has waited longer than this goes before a busier one.
    pub starved_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            soft: 64,
            hard: 128,
            recover_ratio: 0.8,
            starved_after: Duration::from_secs(2),
        }
    }
}

impl Limits {
    /// The most items with which a category that was backed up is so no longer: floor(soft × ratio).
    #[must_use]
    pub fn recovered(&self) -> usize {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "limits are far below 2^52, the ratio lies between 0 and 1"
        )]
        let count = (self.soft as f64 * self.recover_ratio.clamp(0.0, 1.0)).floor() as usize;
        count
    }
}
