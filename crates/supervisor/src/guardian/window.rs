//! A frame rate over a window.

use std::time::Duration;

use super::limits::FPS_WINDOW;

/// A frame rate, measured over windows that follow each other (§5.2).
#[derive(Clone, Debug)]
pub(super) struct Window {
    opened: Duration,
    /// The first report in this window.
    first: Option<Duration>,
    /// Frames after the window's first.
    frames: u64,
    rate: Option<f64>,
}

impl Window {
    /// A window that opens at `now`; the rate is unknown until it closes.
    pub(super) fn open(now: Duration) -> Self {
        Self {
            opened: now,
            first: None,
            frames: 0,
            rate: None,
        }
    }

    pub(super) fn count(&mut self, now: Duration, frames: u64) {
        if frames > 0 {
            let is_first = self.first.is_none();
            self.first.get_or_insert(now);
            self.frames += frames - u64::from(is_first);
        }
    }

    /// Closes the window if it is due, and opens the next.
    pub(super) fn tick(&mut self, now: Duration) {
        if now.saturating_sub(self.opened) > FPS_WINDOW {
            let lasted = self.first.map(|first| now.saturating_sub(first));
            let rate = match lasted.map(|lasted| lasted.as_secs_f64()) {
                Some(seconds) if seconds > 0.0 => self.frames as f64 / seconds,
                _ => 0.0,
            };
            *self = Self {
                rate: Some(rate),
                ..Self::open(now)
            };
        }
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
    fn the_rate_is_frames_after_the_first_over_the_time_since_the_first() {
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
