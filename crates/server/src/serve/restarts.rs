//! How often infer is restarted. Pure. It is not the budget of the supervisor's lifecycle: infer speaks no child protocol, so
//! its good minutes begin with its first answer, and nothing else dies with it, so its pauses are fixed and not drawn.

use std::time::Duration;

/// Restarts in a row.
pub(super) const BUDGET: u32 = 3;
/// After this long without a fault all restarts are there again.
pub(super) const REFILL_AFTER: Duration = Duration::from_secs(600);
/// What each restart waits: the first none.
const PAUSES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(250),
    Duration::from_secs(1),
];

/// The budget of one container.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    used: u32,
    total: u64,
    well_since: Option<Duration>,
}

impl Restarts {
    /// Infer answered for the first time since it was started.
    pub(super) fn answered(&mut self, now: Duration) {
        self.well_since.get_or_insert(now);
    }

    /// Infer ended. How long its restart waits; none when no restart is left.
    pub(super) fn ended(&mut self, now: Duration) -> Option<Duration> {
        let well = self.well_since.take();
        if well.is_some_and(|since| now.saturating_sub(since) >= REFILL_AFTER) {
            self.used = 0;
        }
        if self.used >= BUDGET {
            return None;
        }
        let pause = PAUSES.get(usize::try_from(self.used).unwrap_or(usize::MAX));
        self.used += 1;
        self.total += 1;
        Some(pause.copied().unwrap_or(Duration::from_secs(1)))
    }

    /// Restarts so far; it only grows.
    pub(super) fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn three_restarts_and_no_fourth() {
        let mut it = Restarts::default();
        for total in 1..=3 {
            assert!(it.ended(SECOND).is_some());
            assert_eq!(it.total(), total);
        }
        assert_eq!(it.ended(SECOND), None);
        assert_eq!(it.total(), 3);
    }

    #[test]
    fn d42_ten_good_minutes_refill_the_budget_and_the_total_goes_on() {
        let mut it = Restarts::default();
        for _ in 0..3 {
            it.ended(SECOND).unwrap();
        }
        it.answered(SECOND);
        // A later answer does not begin the ten minutes anew.
        it.answered(SECOND * 300);
        assert_eq!(it.ended(SECOND + REFILL_AFTER), Some(Duration::ZERO));
        assert_eq!(it.total(), 4);
    }

    #[test]
    fn less_than_ten_minutes_and_an_infer_that_never_answered_refill_nothing() {
        let mut it = Restarts::default();
        for _ in 0..3 {
            it.ended(SECOND).unwrap();
        }
        it.answered(SECOND);
        assert_eq!(it.ended(REFILL_AFTER), None);
        assert_eq!(it.ended(REFILL_AFTER * 3), None);
    }
}
