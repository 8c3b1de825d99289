//! When trouble with a peer is told: at once, and not at every try after that. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// Trouble that goes on is told again after this long.
const EVERY: Duration = Duration::from_secs(5);

/// What was told of trouble with one peer.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    told_at: Option<Instant>,
}

impl Trouble {
    /// Whether trouble is told now; it counts as told then.
    pub(super) fn is_told(&mut self, now: Instant) -> bool {
        let is_told = self.told_at.is_none_or(|at| now - at >= EVERY);
        if is_told {
            self.told_at = Some(now);
        }
        is_told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_at_once_and_then_every_five_seconds() {
        let mut trouble = Trouble::default();
        let start = Instant::now();
        let told = [0, 1, 4999, 5000, 5001, 9999, 10000].map(Duration::from_millis);
        let told = told.map(|after| trouble.is_told(start + after));
        assert_eq!(told, [true, false, false, true, false, false, true]);
    }
}
