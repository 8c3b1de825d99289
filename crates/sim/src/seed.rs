use crate::Random;

/// The variable that runs one seed only.
const OVERRIDE: &str = "FRAMERILL_SEED";

/// Runs `test` with the seeds from 0 to `count`. When one fails it is printed; `FRAMERILL_SEED=n` runs that one alone.
///
/// # Panics
/// When `test` does, or when `FRAMERILL_SEED` is no number.
pub fn for_each_seed(count: u64, mut test: impl FnMut(u64, Random)) {
    let only = std::env::var(OVERRIDE).ok();
    let seeds = match only.as_deref().map(str::parse::<u64>) {
        None => 0..count,
        Some(Ok(seed)) => seed..seed.saturating_add(1),
        Some(Err(error)) => panic!("`{OVERRIDE}`: {error}"),
    };
    for seed in seeds {
        let _named = Named(seed);
        test(seed, Random::new(seed));
    }
}

/// Says which seed it was while a failing test unwinds.
struct Named(u64);

impl Drop for Named {
    #[expect(clippy::print_stderr, reason = "the reader of a failed test needs it")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "this was seed {0}; run it again with {OVERRIDE}={0}",
                self.0
            );
        }
    }
}
