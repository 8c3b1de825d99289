//! What inferences take by themselves: each one is repeated with its session and its tensor, and nothing around it is timed.
//!
//! Measured is CPU time of the thread, so that a busy machine does not count. It is for models that compute in the calling
//! thread, which is what a worker's do.

use std::{cell::Cell, time::Duration};

use rustix::time::{ClockId, clock_gettime};

/// Inferences that were repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bare {
    /// How many.
    pub runs: u32,
    /// CPU time of all of them.
    pub time: Duration,
}

thread_local! {
    static SUM: Cell<Option<Bare>> = const { Cell::new(None) };
}

/// CPU time of this thread.
#[must_use]
pub fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

/// Does `work`, in which every inference of this thread is done a second time, and says what these took.
pub fn repeated<T>(work: impl FnOnce() -> T) -> (T, Bare) {
    let before = SUM.replace(Some(Bare::default()));
    let done = work();
    (done, SUM.replace(before).unwrap_or_default())
}

/// Repeats an inference where that is asked for.
pub(super) fn repeat<E>(run: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
    let Some(sum) = SUM.get() else {
        return Ok(());
    };
    let began = thread_time();
    run()?;
    let took = thread_time().saturating_sub(began);
    SUM.set(Some(Bare {
        runs: sum.runs + 1,
        time: sum.time + took,
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(calls: &Cell<u32>) {
        let run = || {
            calls.set(calls.get() + 1);
            Ok::<(), ()>(())
        };
        repeat(run).unwrap();
    }

    #[test]
    fn inferences_are_repeated_while_that_is_asked_for_and_never_else() {
        let calls = Cell::new(0);
        runs(&calls);
        assert_eq!(calls.get(), 0);
        let (value, bare) = repeated(|| {
            runs(&calls);
            runs(&calls);
            7
        });
        assert_eq!((value, bare.runs, calls.get()), (7, 2, 2));
        runs(&calls);
        assert_eq!(calls.get(), 2);
    }

    #[test]
    fn one_that_fails_is_not_counted() {
        let (failed, bare) = repeated(|| repeat(|| Err::<(), _>("no")));
        assert_eq!((failed, bare.runs), (Err("no"), 0));
    }
}
