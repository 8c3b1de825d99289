//! What a worker said before it was lost. Pure.

use std::{collections::VecDeque, sync::Arc};

/// Lines that are kept for the event of its restart (runner contract §4.3, D14).
const LINES: usize = 100;
/// Characters of one of them.
const LINE: usize = 2000;

/// The machine: the newest lines of one process, and what the log has already.
#[derive(Debug, Default)]
pub(super) struct LastWords {
    lines: VecDeque<String>,
    /// Of this process: a pipeline that raises on every frame says the same again and again.
    kept: Option<String>,
    /// Of all of them.
    logged: Option<String>,
}

impl LastWords {
    /// It said this.
    pub(super) fn keep(&mut self, line: &str) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line.chars().take(LINE).collect());
    }

    /// It failed like this. Whether the log is to have it, too: not if it has the same from the time before.
    pub(super) fn keep_traceback(&mut self, traceback: &str) -> bool {
        if self.kept.as_deref() != Some(traceback) {
            self.kept = Some(traceback.to_owned());
            traceback.lines().for_each(|line| self.keep(line));
        }
        let is_new = self.logged.as_deref() != Some(traceback);
        if is_new {
            self.logged = Some(traceback.to_owned());
        }
        is_new
    }

    /// It is lost; another process begins.
    pub(super) fn take(&mut self) -> Arc<[String]> {
        self.kept = None;
        self.lines.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_restart_has_its_lines_and_the_log_has_the_same_traceback_once() {
        let mut words = LastWords::default();
        for restart in 0..3 {
            let logged = [(); 5].map(|()| words.keep_traceback("Traceback\n  here"));
            assert_eq!(logged, [restart == 0, false, false, false, false]);
            assert_eq!(*words.take(), ["Traceback", "  here"]);
        }
        assert!(words.keep_traceback("another one"));
    }

    #[test]
    fn d14_the_newest_hundred_lines_are_kept() {
        let mut words = LastWords::default();
        (0..250).for_each(|n| words.keep(&n.to_string()));
        let lines = words.take();
        assert_eq!((lines.len(), lines[0].as_str()), (100, "150"));
        words.keep(&"é".repeat(3000));
        assert_eq!(words.take()[0].chars().count(), LINE);
    }
}
