//! When each picture of a test source is shown, and when it flashes.

use std::{fmt, num::NonZeroU32, str::FromStr};

/// Positions of four pictures inside their group, in half intervals; a group lasts [`GROUP`] of them.
const UNEVEN: [u64; 4] = [0, 2, 6, 9];
const GROUP: u64 = 10;

/// Seconds from a full second of media time to the flash that belongs to it.
pub(crate) const FLASH_AT_SECONDS: f64 = 0.5;

/// Guards comparisons of seconds that were computed in different ways.
pub(crate) const SECONDS_EPSILON: f64 = 1e-7;

/// Pictures a second, as a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Pictures …
    pub pictures: NonZeroU32,
    /// … in so many seconds.
    pub seconds: NonZeroU32,
}

impl Rate {
    /// Seconds between two pictures.
    #[must_use]
    pub fn interval(self) -> f64 {
        f64::from(self.seconds.get()) / f64::from(self.pictures.get())
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pictures, self.seconds)
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (pictures, seconds) = text.split_once('/').unwrap_or((text, "1"));
        let positive = |part: &str| {
            part.parse()
                .map_err(|_| format!("`{text}` is not a rate; write 30 or 30000/1001"))
        };
        Ok(Self {
            pictures: positive(pictures)?,
            seconds: positive(seconds)?,
        })
    }
}

/// A flash and the beep that begins with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flash {
    /// The second it belongs to.
    pub second: u32,
    /// Counter of the first bright picture.
    pub counter: u32,
    /// When that picture is shown, in seconds.
    pub at_seconds: f64,
}

/// The times of a generated source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timeline {
    /// Nominal rate.
    pub rate: Rate,
    /// Whether distances between pictures vary.
    pub vfr: bool,
    /// How many pictures there are.
    pub frames: u32,
}

impl Timeline {
    /// As many pictures as begin within `seconds`.
    #[must_use]
    pub fn new(seconds: f64, rate: Rate, vfr: bool) -> Self {
        let mut timeline = Self {
            rate,
            vfr,
            frames: 0,
        };
        while timeline.at_seconds(timeline.frames) < seconds - SECONDS_EPSILON {
            timeline.frames += 1;
        }
        timeline
    }

    /// Position of a picture in half intervals.
    #[must_use]
    pub fn half_intervals(&self, counter: u32) -> u64 {
        let counter = u64::from(counter);
        if !self.vfr {
            return 2 * counter;
        }
        let position = match counter % 4 {
            0 => UNEVEN[0],
            1 => UNEVEN[1],
            2 => UNEVEN[2],
            _ => UNEVEN[3],
        };
        GROUP * (counter / 4) + position
    }

    /// When a picture is shown.
    #[must_use]
    pub fn at_seconds(&self, counter: u32) -> f64 {
        seconds_of(self.half_intervals(counter)) * self.rate.interval() / 2.0
    }

    /// FFmpeg's expression for the position of picture `N` in half intervals.
    pub(crate) fn expression(&self) -> String {
        if !self.vfr {
            return "2*N".to_owned();
        }
        let [_, second, third, fourth] = UNEVEN;
        format!(
            "{GROUP}*floor(N/4)+{second}*eq(mod(N,4),1)+{third}*eq(mod(N,4),2)+{fourth}*eq(mod(N,4),3)"
        )
    }

    /// How many pictures a flash lasts.
    #[must_use]
    pub fn flash_frames(&self) -> u32 {
        (self.rate.pictures.get() / self.rate.seconds.get() / 10).max(2)
    }

    /// All flashes, in order: one a second, at the first picture half a second or more into it.
    #[must_use]
    pub fn flashes(&self) -> Vec<Flash> {
        let mut flashes = Vec::new();
        let mut second = 0;
        for counter in 0..self.frames {
            let at_seconds = self.at_seconds(counter);
            if at_seconds >= f64::from(second) + FLASH_AT_SECONDS - SECONDS_EPSILON {
                flashes.push(Flash {
                    second,
                    counter,
                    at_seconds,
                });
                second += 1;
            }
        }
        flashes
    }
}

/// Exact up to 2^53 half intervals, which is longer than any video.
#[expect(
    clippy::cast_precision_loss,
    reason = "a position beyond 2^53 does not occur"
)]
fn seconds_of(half_intervals: u64) -> f64 {
    half_intervals as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().expect("a rate")
    }

    #[test]
    fn a_constant_rate_gives_seconds_times_rate_pictures() {
        let timeline = Timeline::new(10.0, rate("30"), false);
        assert_eq!(timeline.frames, 300);
        assert_eq!(Timeline::new(2.0, rate("30000/1001"), false).frames, 60);
    }

    #[test]
    fn uneven_distances_never_go_back() {
        let timeline = Timeline::new(5.0, rate("25"), true);
        for counter in 1..timeline.frames {
            assert!(timeline.half_intervals(counter) > timeline.half_intervals(counter - 1));
        }
    }

    #[test]
    fn every_second_has_one_flash() {
        let flashes = Timeline::new(4.0, rate("30"), false).flashes();
        let counters: Vec<_> = flashes.iter().map(|flash| flash.counter).collect();
        assert_eq!(counters, [15, 45, 75, 105]);
    }
}
