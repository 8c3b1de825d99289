//! A frame rate over a window.

use std::time::Duration;

use super::limits::{FPS_WINDOW, REPORTED_WITHIN};

/// A frame rate, measured over windows that follow each other (§5.2).
#[derive(Clone, Debug)]
pub(super) struct Window {
    opened: Duration,
    /// The first report with frames in this window, and the last one.
    reports: Option<(Duration, Duration)>,
    /// Frames after the first report's.
    frames: u64,
    rate: Option<f64>,
}

impl Window {
    /// A window that opens at `now`; the rate is unknown until it closes.
    pub(super) fn open(now: Duration) -> Self {
        Self {
            opened: now,
            reports: None,
            frames: 0,
            rate: None,
        }
    }

    pub(super) fn count(&mut self, now: Duration, frames: u64) {
        if frames > 0 {
            match &mut self.reports {
                Some((_, last)) => {
                    *last = now;
                    self.frames += frames;
                }
                // Its newest frame is the window's first; those before came at no known time.
                None => self.reports = Some((now, now)),
            }
        }
    }

    /// Closes the window if it is due, and opens the next. Whether it was.
    pub(super) fn tick(&mut self, now: Duration) -> bool {
        let is_due = now.saturating_sub(self.opened) > FPS_WINDOW;
        if is_due {
            let lasted = self.reports.map(|(first, last)| {
                // What came since the last report is not known yet; where none is due, nothing came.
                let is_fresh = now.saturating_sub(last) <= REPORTED_WITHIN;
                let end = if is_fresh { last } else { now };
                end.saturating_sub(first)
            });
            let rate = match lasted.map(|lasted| lasted.as_secs_f64()) {
                Some(seconds) if seconds > 0.0 => self.frames as f64 / seconds,
                _ => 0.0,
            };
            *self = Self {
                rate: Some(rate),
                ..Self::open(now)
            };
        }
        is_due
    }

    /// Frames a second in the last window that closed; none before the first.
    pub(super) fn rate(&self) -> Option<f64> {
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn frames_that_are_reported_many_at_once_have_their_own_rate_and_no_higher_one() {
        let mut window = Window::open(secs(0));
        // 24 a second, told every 250 ms, but not in step with the second that closes the window.
        let report = |window: &mut Window, quarters: std::ops::Range<u64>| {
            for quarter in quarters {
                window.count(Duration::from_millis(quarter * 250 + 170), 6);
            }
        };
        report(&mut window, 0..44);
        window.tick(secs(11));
        assert_eq!(window.rate(), Some(24.0));
        // They stop in the middle of the next one.
        report(&mut window, 44..64);
        window.tick(secs(22));
        let rate = window.rate().unwrap();
        assert!((10.0..11.0).contains(&rate), "{rate}");
    }

    #[test]
    fn the_rate_is_frames_after_the_first_over_the_time_from_it_to_the_last() {
        let mut window = Window::open(secs(0));
        for quarter in 4..=44 {
            window.count(Duration::from_millis(quarter * 250), 1);
        }
        window.tick(secs(10));
        assert_eq!(
            window.rate(),
            None,
            "a window is longer than ten seconds, not as long"
        );
        window.tick(secs(11));
        assert_eq!(window.rate(), Some(4.0));
        window.tick(secs(22));
        assert_eq!(
            window.rate(),
            Some(0.0),
            "a window without frames is known, and 0"
        );
    }
}
