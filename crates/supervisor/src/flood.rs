//! How much of what a child says for the log is passed on: so much a second. What is left out is counted, and the newest of it
//! kept for the end, where the reason of a death stands. Pure.

use std::{collections::VecDeque, fmt, time::Duration};

const WINDOW: Duration = Duration::from_secs(1);
const LINES: u64 = 2000;
const BYTES: u64 = 2 << 20;
/// Of what is left out, so much is kept for the end.
const KEPT: usize = 100;
const KEPT_BYTES: u64 = 256 << 10;

/// What was left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Lines, or messages.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl LeftOut {
    fn is_any(&self) -> bool {
        self.lines > 0
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lines, bytes } = self;
        write!(
            f,
            "said too much: {lines} lines ({bytes} bytes) are left out here"
        )
    }
}

/// The machine of one child's log, or of its messages for it.
#[derive(Debug)]
pub(crate) struct Flood<T> {
    began: Duration,
    passed: LeftOut,
    left_out: LeftOut,
    kept: VecDeque<(u64, T)>,
    kept_bytes: u64,
}

impl<T> Flood<T> {
    pub(crate) fn new() -> Self {
        Self {
            began: Duration::ZERO,
            passed: LeftOut::default(),
            left_out: LeftOut::default(),
            kept: VecDeque::new(),
            kept_bytes: 0,
        }
    }

    /// What is to be told now: what was left out before it, and the line itself unless it is one too many.
    pub(crate) fn take(
        &mut self,
        now: Duration,
        bytes: usize,
        line: T,
    ) -> (Option<LeftOut>, Option<T>) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if now >= self.began + WINDOW {
            self.began = now;
            self.passed = LeftOut::default();
        }
        if self.passed.lines >= LINES || self.passed.bytes >= BYTES {
            self.left_out.lines += 1;
            self.left_out.bytes += bytes;
            self.keep(bytes, line);
            return (None, None);
        }
        self.passed.lines += 1;
        self.passed.bytes += bytes;
        self.kept.clear();
        self.kept_bytes = 0;
        let left_out = std::mem::take(&mut self.left_out);
        (left_out.is_any().then_some(left_out), Some(line))
    }

    fn keep(&mut self, bytes: u64, line: T) {
        self.kept.push_back((bytes, line));
        self.kept_bytes += bytes;
        while self.kept.len() > KEPT || (self.kept_bytes > KEPT_BYTES && self.kept.len() > 1) {
            let gone = self.kept.pop_front();
            self.kept_bytes -= gone.map_or(0, |(bytes, _)| bytes);
        }
    }

    /// Nothing more comes: what was left out for good, and the newest of it, which is not.
    pub(crate) fn end(mut self) -> (Option<LeftOut>, impl Iterator<Item = T>) {
        self.left_out.lines -= u64::try_from(self.kept.len()).unwrap_or(0);
        self.left_out.bytes -= self.kept_bytes;
        let left_out = self.left_out;
        let newest = self.kept.into_iter().map(|(_, line)| line);
        (left_out.is_any().then_some(left_out), newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn passed(flood: &mut Flood<u64>, now: Duration, lines: u64, bytes: usize) -> u64 {
        let took = (0..lines).map(|line| flood.take(now, bytes, line).1);
        took.flatten().count().try_into().unwrap()
    }

    #[test]
    fn so_much_passes_a_second_and_the_rest_is_counted_with_the_next_line() {
        let mut flood = Flood::new();
        assert_eq!(passed(&mut flood, millis(0), 5000, 10), LINES);
        assert_eq!(flood.take(millis(999), 10, 1), (None, None));
        let left_out = LeftOut {
            lines: 3001,
            bytes: 30_010,
        };
        assert_eq!(flood.take(millis(1000), 10, 7), (Some(left_out), Some(7)));
        assert_eq!(flood.take(millis(1001), 10, 8), (None, Some(8)));
    }

    #[test]
    fn few_lines_may_be_too_long_and_one_is_never() {
        let mut flood = Flood::new();
        assert_eq!(passed(&mut flood, millis(0), 9, 1 << 20), 2);
        let mut flood = Flood::new();
        assert_eq!(passed(&mut flood, millis(0), 1, 50 << 20), 1);
    }

    #[test]
    fn the_newest_of_what_was_left_out_comes_at_the_end_and_counts_no_more() {
        let mut flood = Flood::new();
        passed(&mut flood, millis(0), LINES + 250, 10);
        let (left_out, newest) = flood.end();
        let newest: Vec<_> = newest.collect();
        assert_eq!(left_out.map(|it| it.lines), Some(150));
        assert_eq!(
            (newest.len(), newest[0], newest[99]),
            (KEPT, LINES + 150, LINES + 249)
        );
        let (left_out, mut newest) = Flood::<u64>::new().end();
        assert_eq!((left_out, newest.next()), (None, None));
    }

    #[test]
    fn what_is_kept_for_the_end_is_bounded_in_bytes_too() {
        let mut flood = Flood::new();
        passed(&mut flood, millis(0), 50, 100 << 10);
        let (_, newest) = flood.end();
        assert_eq!(newest.count(), 2);
    }
}
