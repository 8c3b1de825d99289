//! Chance that can be had again: `FRAMERILL_SEED` repeats a run.

use std::{
    env,
    time::{SystemTime, UNIX_EPOCH},
};

/// Numbers that are the same for the same seed.
#[derive(Debug)]
pub struct Dice {
    state: u64,
    /// What repeats the run.
    pub seed: u64,
}

impl Dice {
    /// Thrown by `FRAMERILL_SEED`, or by chance; says by which seed.
    #[expect(clippy::print_stderr, reason = "whoever reads a failure repeats it")]
    #[must_use]
    pub fn of_this_run() -> Self {
        let said = env::var("FRAMERILL_SEED")
            .ok()
            .and_then(|it| it.parse().ok());
        let seed = said.unwrap_or_else(by_chance);
        eprintln!("FRAMERILL_SEED={seed}");
        Self {
            state: seed | 1,
            seed,
        }
    }

    /// Below `sides`.
    #[must_use]
    pub fn throw(&mut self, sides: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % sides
    }

    /// All of them, in an order of chance.
    #[must_use]
    pub fn shuffled<T: Copy>(&mut self, all: &[T]) -> Vec<T> {
        let mut shuffled = all.to_vec();
        for left in (2..=shuffled.len()).rev() {
            let other = self.throw(left as u64);
            shuffled.swap(left - 1, usize::try_from(other).unwrap_or(0));
        }
        shuffled
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "driver: a seed of its own each time"
)]
fn by_chance() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(1, |it| u64::from(it.subsec_nanos()))
}
