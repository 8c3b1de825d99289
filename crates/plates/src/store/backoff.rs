//! How long to wait before a database that is away is asked again.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// The first wait.
const FIRST: Duration = Duration::from_millis(100);

/// The longest.
const LONGEST: Duration = Duration::from_secs(5);

/// The wait before try `attempt` (from 0): doubles up to [`LONGEST`], and lies between a half and the whole of that, by
/// `random`, so that many clients do not come back at once.
#[must_use]
pub(crate) fn wait(attempt: u32, random: u64) -> Duration {
    let whole = FIRST.saturating_mul(1_u32 << attempt.min(16)).min(LONGEST);
    let half = whole / 2;
    let parts = u32::try_from(random % 1001).unwrap_or(0);
    half + half * parts / 1000
}

/// Any number.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0_u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_cap_and_are_spread() {
        assert_eq!(wait(0, 1000), FIRST);
        assert_eq!(wait(0, 0), FIRST / 2);
        assert_eq!(wait(3, 1000), FIRST * 8);
        for attempt in 6..70 {
            assert_eq!(wait(attempt, 1000), LONGEST);
            assert_eq!(wait(attempt, 0), LONGEST / 2);
        }
    }
}
