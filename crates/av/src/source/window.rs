//! The part of a source that is wanted: from a start, for a duration, in an order that increases. Pure.

use framerill_media::{Pts, TimeBase};

/// Seconds that reading goes on after the last picture, for sound that lies behind it in the file.
const LAG_SECS: f64 = 1.0;

/// What becomes of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is shown at this pts.
    Show(Pts),
    /// It lies before the start.
    Before,
    /// Its pts does not increase.
    Misordered,
    /// It lies after the end.
    After,
}

/// The machine. Times come in with the start at 0.
#[derive(Debug)]
pub(crate) struct Window {
    has_start: bool,
    duration: Option<i64>,
    lag: i64,
    time_base: TimeBase,
    /// What the first picture's time was, when that is to be 0.
    origin: Option<i64>,
    first: Option<i64>,
    last: Option<i64>,
    newest: i64,
    sound_ended: bool,
    misordered: u64,
}

impl Window {
    /// Pictures in `time_base`. With a start the first picture that is not before it is at 0.
    pub(crate) fn new(time_base: TimeBase, has_start: bool, duration: Option<f64>) -> Self {
        Self {
            has_start,
            duration: duration.map(|seconds| time_base.at(seconds).0),
            lag: time_base.at(LAG_SECS).0,
            time_base,
            origin: (!has_start).then_some(0),
            first: None,
            last: None,
            newest: i64::MIN,
            sound_ended: false,
            misordered: 0,
        }
    }

    /// A picture comes.
    pub(crate) fn picture(&mut self, pts: i64) -> Verdict {
        if self.has_start && pts < 0 {
            return Verdict::Before;
        }
        let origin = *self.origin.get_or_insert(pts);
        let pts = pts.saturating_sub(origin);
        self.newest = self.newest.max(pts);
        let first = *self.first.get_or_insert(pts);
        if self
            .duration
            .is_some_and(|duration| pts.saturating_sub(first) >= duration)
        {
            return Verdict::After;
        }
        if self.last.is_some_and(|last| pts <= last) {
            self.misordered += 1;
            return Verdict::Misordered;
        }
        self.last = Some(pts);
        Verdict::Show(Pts(pts))
    }

    /// Whether the place of sound is known: with a start, once the first picture is there.
    pub(crate) fn places_sound(&self) -> bool {
        self.origin.is_some()
    }

    /// The pts of sound that is wanted; none when it lies outside. Times are in ticks of `time_base`.
    pub(crate) fn sound(&mut self, pts: i64, duration: i64, time_base: TimeBase) -> Option<i64> {
        let origin = self
            .time_base
            .rescale(Pts(self.origin.unwrap_or(0)), time_base)
            .0;
        let pts = pts.saturating_sub(origin);
        if self.has_start && pts.saturating_add(duration) <= 0 {
            return None;
        }
        let end = self
            .end()
            .map(|end| self.time_base.rescale(Pts(end), time_base).0);
        if end.is_some_and(|end| pts >= end) {
            self.sound_ended = true;
            return None;
        }
        Some(pts)
    }

    fn end(&self) -> Option<i64> {
        Some(self.first.unwrap_or(0).saturating_add(self.duration?))
    }

    /// Whether nothing that is wanted can come any more.
    pub(crate) fn is_past(&self, has_sound: bool) -> bool {
        let Some(end) = self.end() else { return false };
        let lag = if has_sound && !self.sound_ended {
            self.lag
        } else {
            0
        };
        self.newest >= end.saturating_add(lag)
    }

    /// Pictures whose pts did not increase.
    pub(crate) fn misordered(&self) -> u64 {
        self.misordered
    }

    /// Whether any picture was shown.
    pub(crate) fn is_empty(&self) -> bool {
        self.last.is_none()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms() -> TimeBase {
        TimeBase::new(1, 1000).unwrap()
    }

    #[test]
    fn with_a_start_the_first_picture_is_at_zero_and_sound_moves_as_far() {
        let mut window = Window::new(ms(), true, Some(0.1));
        assert_eq!(window.picture(-20), Verdict::Before);
        assert!(!window.places_sound());
        assert_eq!(window.picture(20), Verdict::Show(Pts(0)));
        assert_eq!(
            window.sound(-10, 20, ms()),
            None,
            "ended when the first picture comes"
        );
        assert_eq!(
            window.sound(10, 20, ms()),
            Some(-10),
            "still heard with the first picture"
        );
        assert_eq!(window.picture(60), Verdict::Show(Pts(40)));
        assert_eq!(window.picture(120), Verdict::After);
        assert!(!window.is_past(true), "sound may still come");
        assert_eq!(window.sound(120, 20, ms()), None);
        assert!(window.is_past(true));
    }

    #[test]
    fn without_a_start_times_are_kept_and_a_duration_counts_from_the_first_picture() {
        let mut window = Window::new(ms(), false, Some(1.0));
        assert_eq!(window.picture(1283), Verdict::Show(Pts(1283)));
        assert_eq!(window.picture(2282), Verdict::Show(Pts(2282)));
        assert_eq!(window.picture(2283), Verdict::After);
        assert!(window.is_past(false));
    }

    proptest! {
        #[test]
        fn what_is_shown_strictly_increases(times in proptest::collection::vec(-1000i64..1000, 0..200), start: bool) {
            let mut window = Window::new(ms(), start, None);
            let mut last = None;
            for time in times {
                if let Verdict::Show(pts) = window.picture(time) {
                    prop_assert!(Some(pts) > last);
                    last = Some(pts);
                }
            }
        }
    }
}
