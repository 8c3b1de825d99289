//! How far a stream's output got over all of its media processes: nothing goes out twice. Pure but for its lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::written::WRAP;

/// Which media process, counted from 1.
pub(super) type Process = u32;

/// The machine. What a process wrote goes out only after it was claimed, and nothing can be claimed for a process once
/// another one has taken over: what that one is told is then all that ever went out.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    process: Process,
    newest: Option<i64>,
    /// What was added to the source's times, in 1/90000 s.
    offset: i64,
}

impl Progress {
    /// Another media process takes over. Returns which one it is, and the newest picture that went out, 33 bits of 1/90000 s.
    pub(super) fn take_over(&self) -> (Process, Option<i64>) {
        let mut state = self.lock();
        state.process += 1;
        (state.process, state.newest)
    }

    /// Bytes of `process` are about to go out, in which `newest` is the newest picture. Whether they may.
    pub(super) fn claim(&self, process: Process, newest: Option<i64>) -> bool {
        let mut state = self.lock();
        let is_present = state.process == process;
        if is_present {
            state.newest = newest.or(state.newest);
        }
        is_present
    }

    /// Media says what it adds to the source's times.
    pub(super) fn set_offset(&self, offset: i64) {
        self.lock().offset = offset;
    }

    /// The time of the source up to which every picture went out, or none will any more, 33 bits of 1/90000 s.
    pub(super) fn reached(&self) -> Option<i64> {
        let state = self.lock();
        let newest = state.newest?;
        Some(newest.wrapping_sub(state.offset).rem_euclid(WRAP))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_left_is_not_sent_once_its_successor_was_told_where_to_begin() {
        let progress = Progress::default();
        assert_eq!(progress.take_over(), (1, None));
        assert!(progress.claim(1, Some(3000)));
        assert!(progress.claim(1, None));
        assert_eq!(progress.take_over(), (2, Some(3000)));
        assert!(!progress.claim(1, Some(6000)));
        assert_eq!(progress.take_over(), (3, Some(3000)));
    }

    #[test]
    fn what_is_reached_is_a_time_of_the_source() {
        let progress = Progress::default();
        assert_eq!(progress.reached(), None);
        progress.take_over();
        progress.claim(1, Some(3000));
        progress.set_offset(-6000);
        assert_eq!(progress.reached(), Some(9000));
        progress.set_offset(6000);
        assert_eq!(progress.reached(), Some(WRAP - 3000));
    }
}
