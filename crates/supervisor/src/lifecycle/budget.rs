//! How many restarts a child has, and what each waits.

use std::time::Duration;

use super::config::Config;

/// How many restarts a child has, and how long each waits.
#[derive(Debug)]
pub(super) struct Budget {
    used: u32,
    in_a_row: u32,
    total: u64,
    random: u64,
}

impl Budget {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            used: 0,
            in_a_row: 0,
            total: 0,
            random: seed,
        }
    }

    /// Takes one restart out of the budget and tells how long it waits; none when the budget is empty.
    pub(super) fn take(&mut self, config: &Config) -> Option<Duration> {
        if self.used >= config.max_restarts {
            return None;
        }
        self.used += 1;
        self.total += 1;
        self.in_a_row += 1;
        Some(self.pause(config))
    }

    /// The child was ready for long enough that the next restart need not wait.
    pub(super) fn settle(&mut self) {
        self.in_a_row = 0;
    }

    pub(super) fn refill(&mut self) {
        self.used = 0;
        self.in_a_row = 0;
    }

    pub(super) fn is_touched(&self) -> bool {
        self.used > 0
    }

    pub(super) fn left(&self, config: &Config) -> u32 {
        config.max_restarts.saturating_sub(self.used)
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// None at first, then doubling, of which a random half: children that died together do not return together.
    fn pause(&mut self, config: &Config) -> Duration {
        let Some(doublings) = self.in_a_row.checked_sub(2) else {
            return Duration::ZERO;
        };
        let whole = config
            .backoff_base
            .saturating_mul(1u32.checked_shl(doublings).unwrap_or(u32::MAX))
            .min(config.backoff_cap);
        let half = whole / 2;
        half + half.mul_f64(self.unit())
    }

    /// A number from 0 to 1 (SplitMix64).
    fn unit(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let top = u32::try_from((z ^ (z >> 31)) >> 32).expect("32 bits are left");
        f64::from(top) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_immediate_and_the_next_ones_wait_longer_up_to_the_cap() {
        let config = Config {
            max_restarts: 40,
            ..Config::default()
        };
        let mut budget = Budget::new(7);
        assert_eq!(budget.take(&config), Some(Duration::ZERO));
        let mut whole = config.backoff_base;
        for _ in 0..39 {
            let pause = budget.take(&config).unwrap();
            assert!(
                pause >= whole / 2 && pause <= whole,
                "{pause:?} of {whole:?}"
            );
            whole = (whole * 2).min(config.backoff_cap);
        }
        assert_eq!(budget.take(&config), None);
    }

    #[test]
    fn a_refill_gives_all_restarts_back_and_the_total_only_grows() {
        let config = Config::default();
        let mut budget = Budget::new(0);
        while budget.take(&config).is_some() {}
        assert_eq!((budget.left(&config), budget.total()), (0, 3));
        budget.refill();
        assert_eq!(budget.left(&config), 3);
        assert_eq!(budget.take(&config), Some(Duration::ZERO));
        assert_eq!(budget.total(), 4);
    }
}
