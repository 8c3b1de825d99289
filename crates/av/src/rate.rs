//! A constant frame rate out of any: which picture is shown at each tick of the new clock. Pure.
//!
//! As FFmpeg's `fps` filter with `round=near`: a picture's time is rounded to the nearest tick, and it is shown from
//! there until the next picture's tick. Pictures that share a tick give way to the last of them.

use std::ops::Range;

use framerill_media::{Pts, TimeBase};

/// The machine. The driver keeps the newest picture.
#[derive(Debug)]
pub(crate) struct Resampler {
    from: TimeBase,
    to: TimeBase,
    /// The first tick that shows nothing yet.
    next: Option<i64>,
    has_shown: bool,
}

impl Resampler {
    /// From times in `from` to one picture a tick of `to`.
    pub(crate) fn new(from: TimeBase, to: TimeBase) -> Self {
        Self {
            from,
            to,
            next: None,
            has_shown: false,
        }
    }

    /// A picture comes at `pts`. Returns the ticks at which the one before it is shown.
    pub(crate) fn push(&mut self, pts: Pts) -> Range<i64> {
        let tick = self.from.rescale(pts, self.to).0;
        let first = *self.next.get_or_insert(tick);
        let next = first.max(tick);
        self.next = Some(next);
        self.has_shown |= first < next;
        first..next
    }

    /// No more come. Returns the ticks at which the last picture is shown, given its time and how long it lasts.
    pub(crate) fn end(&mut self, last: Pts, duration: i64) -> Range<i64> {
        let Some(first) = self.next else { return 0..0 };
        let end = self
            .from
            .rescale(Pts(last.0.saturating_add(duration.max(0))), self.to)
            .0;
        // A picture that is less than half a tick before the end has no tick of its own, but something is shown.
        let at_least = if self.has_shown {
            first
        } else {
            first.saturating_add(1)
        };
        let next = end.max(at_least);
        self.next = Some(next);
        first..next
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn base(num: u32, den: u32) -> TimeBase {
        TimeBase::new(num, den).unwrap()
    }

    /// The index of the picture that each tick shows.
    fn shown(times: &[i64], from: TimeBase, to: TimeBase, duration: i64) -> Vec<(i64, usize)> {
        let mut machine = Resampler::new(from, to);
        let mut shown = Vec::new();
        for (index, time) in times.iter().enumerate() {
            let ticks = machine.push(Pts(*time));
            shown.extend(ticks.map(|tick| (tick, index.wrapping_sub(1))));
        }
        let last = times.last().copied().unwrap_or(0);
        shown.extend(
            machine
                .end(Pts(last), duration)
                .map(|tick| (tick, times.len() - 1)),
        );
        shown
    }

    #[test]
    fn thirty_to_fifteen_shows_every_other_picture() {
        let times: Vec<i64> = (0..6).collect();
        let picked: Vec<usize> = shown(&times, base(1, 30), base(1, 15), 1)
            .into_iter()
            .map(|(_, index)| index)
            .collect();
        // The sixth rounds to tick 3, where the stream ends; FFmpeg's filter shows three, too.
        assert_eq!(picked, [0, 2, 4]);
    }

    #[test]
    fn ten_to_thirty_shows_each_picture_three_times() {
        let picked = shown(&[0, 1, 2], base(1, 10), base(1, 30), 1);
        let expected: Vec<(i64, usize)> = (0..9)
            .map(|tick| (tick, usize::try_from(tick / 3).unwrap()))
            .collect();
        assert_eq!(picked, expected);
    }

    proptest! {
        #[test]
        fn ticks_are_consecutive_and_each_shows_the_last_picture_that_is_due(
            steps in proptest::collection::vec(1i64..5000, 1..100), start in 0i64..100_000, rate in 1u32..120,
        ) {
            let (from, to) = (base(1, 1000), base(1, rate));
            let times: Vec<i64> = steps.iter().scan(start, |time, step| { *time += step; Some(*time) }).collect();
            let picked = shown(&times, from, to, 40);
            let first = from.rescale(Pts(times[0]), to).0;
            for (n, (tick, index)) in picked.iter().enumerate() {
                prop_assert_eq!(*tick, first + n as i64);
                let due = times.iter().rposition(|time| from.rescale(Pts(*time), to).0 <= *tick);
                prop_assert_eq!(Some(*index), due);
            }
            let end = from.rescale(Pts(times[times.len() - 1] + 40), to).0;
            prop_assert_eq!(picked.last().map(|(tick, _)| tick + 1), Some(end.max(first + 1)));
        }
    }
}
