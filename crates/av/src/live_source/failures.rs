//! How much that cannot be decoded is put up with (runner contract §8.2, items 5 and 6). Pure.

use std::time::Duration;

/// Faults, less good pictures, above which a decoder is given up.
const MOST_FAULTS: u32 = 10;
/// Units in a row without a picture after which a decoder is given up: a minute at 30 a second.
const MOST_FRUITLESS: u32 = 1800;
/// Failures in a row after which the source is given up.
const MOST_FAILURES: u32 = 3;
/// Failures further apart than this are not in a row.
const APART: Duration = Duration::from_secs(120);

/// One decoder's faults.
#[derive(Debug, Default)]
pub(super) struct Budget {
    faults: u32,
    fruitless: u32,
}

impl Budget {
    /// A unit goes in.
    pub(super) fn unit(&mut self) {
        self.fruitless += 1;
    }

    /// It could not be decoded.
    pub(super) fn fault(&mut self) {
        self.faults += 1;
    }

    /// A picture comes out.
    pub(super) fn good(&mut self) {
        self.faults = self.faults.saturating_sub(1);
        self.fruitless = 0;
    }

    /// Whether the decoder is to be given up.
    pub(super) fn is_spent(&self) -> bool {
        self.faults > MOST_FAULTS || self.fruitless > MOST_FRUITLESS
    }
}

/// A source's failures.
#[derive(Debug, Default)]
pub(super) struct Failures {
    count: u32,
    last: Option<Duration>,
}

impl Failures {
    /// One more, by a clock that counts from anywhere; says whether it was the last to be put up with.
    pub(super) fn add(&mut self, now: Duration) -> bool {
        let is_apart = self
            .last
            .is_some_and(|last| now.saturating_sub(last) > APART);
        self.count = if is_apart { 1 } else { self.count + 1 };
        self.last = Some(now);
        self.count >= MOST_FAILURES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eleven_faults_end_a_decoder_and_good_pictures_make_up_for_them() {
        let mut budget = Budget::default();
        for _ in 0..10 {
            budget.fault();
        }
        budget.good();
        budget.fault();
        assert!(!budget.is_spent());
        budget.fault();
        assert!(budget.is_spent());
    }

    #[test]
    fn the_third_failure_in_a_row_is_the_last() {
        let secs = Duration::from_secs;
        let mut failures = Failures::default();
        assert!(!failures.add(secs(0)));
        assert!(!failures.add(secs(100)));
        assert!(!failures.add(secs(221)), "more than two minutes later");
        assert!(!failures.add(secs(300)));
        assert!(failures.add(secs(301)));
    }
}
