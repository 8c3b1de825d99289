use std::time::Duration;

/// The pauses between tries of one kind: they double up to a cap, of which a random half, and start anew after a success.
#[derive(Clone, Debug)]
pub(crate) struct Retry {
    base: Duration,
    cap: Duration,
    random: u64,
    in_a_row: u32,
    since: Option<Duration>,
    until: Duration,
}

impl Retry {
    /// `seed` spreads the pauses of clients that fail together.
    pub(crate) fn new(base: Duration, cap: Duration, seed: u64) -> Self {
        Self {
            base,
            cap: cap.max(base),
            random: seed,
            in_a_row: 0,
            since: None,
            until: Duration::ZERO,
        }
    }

    /// A try failed at `now`: the time of the next one.
    pub(crate) fn fail(&mut self, now: Duration) -> Duration {
        self.since.get_or_insert(now);
        let whole = self
            .base
            .saturating_mul(1u32.checked_shl(self.in_a_row).unwrap_or(u32::MAX))
            .min(self.cap);
        self.in_a_row = self.in_a_row.saturating_add(1);
        let half = whole / 2;
        self.until = now + half + half.mul_f64(self.unit());
        self.until
    }

    /// A try succeeded.
    pub(crate) fn succeed(&mut self) {
        self.in_a_row = 0;
        self.since = None;
        self.until = Duration::ZERO;
    }

    /// When the next try may be made.
    pub(crate) fn until(&self) -> Duration {
        self.until
    }

    /// How many tries failed since the last success.
    pub(crate) fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// How long nothing has succeeded, counted from the first failure.
    pub(crate) fn lasts(&self, now: Duration) -> Duration {
        self.since
            .map_or(Duration::ZERO, |since| now.saturating_sub(since))
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

    const BASE: Duration = Duration::from_millis(250);
    const CAP: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_the_cap_and_half_of_each_is_random() {
        let mut retry = Retry::new(BASE, CAP, 3);
        let mut whole = BASE;
        for _ in 0..40 {
            let pause = retry.fail(CAP) - CAP;
            assert!(
                pause >= whole / 2 && pause <= whole,
                "{pause:?} of {whole:?}"
            );
            whole = (whole * 2).min(CAP);
        }
    }

    #[test]
    fn a_success_starts_anew() {
        let mut retry = Retry::new(BASE, CAP, 3);
        retry.fail(BASE);
        retry.fail(CAP);
        assert_eq!((retry.in_a_row(), retry.lasts(CAP)), (2, CAP - BASE));
        retry.succeed();
        assert_eq!((retry.in_a_row(), retry.lasts(CAP)), (0, Duration::ZERO));
        assert!(retry.fail(CAP) <= CAP + BASE);
    }
}
