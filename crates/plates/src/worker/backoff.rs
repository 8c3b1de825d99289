//! How long a worker waits before it loads a stage again.

use std::time::Duration;

/// The pause after the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(30);

/// Failures of one stage's load in a row.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    waited: Duration,
    limit: Duration,
}

impl Backoff {
    /// One that gives up rather than wait longer than `limit` in all.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            failures: 0,
            waited: Duration::ZERO,
            limit,
        }
    }

    /// Failures so far.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// One more failure: how long to wait before the next try; none to give up.
    pub(super) fn next(&mut self) -> Option<Duration> {
        let doubled = 1u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        let pause = FIRST.saturating_mul(doubled).min(LONGEST);
        self.failures += 1;
        self.waited += pause;
        (self.waited <= self.limit).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute_and_end_at_the_limit() {
        let mut backoff = Backoff::new(Duration::from_secs(95));
        let pauses: Vec<_> = std::iter::from_fn(|| backoff.next())
            .map(|it| it.as_secs())
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff.failures(), 8);
    }

    #[test]
    fn without_time_the_first_failure_is_the_last() {
        assert_eq!(Backoff::new(Duration::ZERO).next(), None);
    }
}
