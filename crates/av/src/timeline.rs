//! Where a packet of the source lies on the stream's timeline. Pure.
//!
//! Transport streams count from anywhere, wrap and jump. From a jump on, times run on from the furthest one so far. Each
//! track finds out by itself, so that packets of the other one, which cross the jump a little later, keep their place:
//! a track whose time fits neither its own course nor the other track's begins a new course.
//!
//! Times are in ticks of 1/90000 s; what is returned is added to them.

/// Ticks a second.
pub(crate) const RATE: i64 = 90_000;
/// A step ahead of more than this is a jump.
const AHEAD: i64 = 10 * RATE;
/// A step back of more than this is a jump; times without a decoding time of their own go back by less.
const BACK: i64 = RATE / 2;

/// The machine. Tracks are 0 (pictures) and 1 (sound).
#[derive(Debug)]
pub(crate) struct Timeline {
    base: Option<i64>,
    tracks: [Option<Track>; 2],
    count: u64,
}

/// The course that a track is on.
#[derive(Clone, Copy, Debug)]
struct Track {
    offset: i64,
    /// Its newest time.
    near: i64,
    /// When the next packet is due.
    due: i64,
}

/// Where a packet lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// To be added to its times.
    pub(crate) offset: i64,
    /// The source jumped before it.
    pub(crate) jumped: bool,
}

impl Timeline {
    /// `base` is added to the first packet's times; without it, a start from 0 to 10 s is kept and any other becomes 0.
    pub(crate) fn new(base: Option<i64>) -> Self {
        Self {
            base,
            tracks: [None; 2],
            count: 0,
        }
    }

    /// How often the source jumped.
    pub(crate) fn jump_count(&self) -> u64 {
        self.count
    }

    /// The place of a packet whose decoding time and duration are given.
    pub(crate) fn place(&mut self, track: usize, time: i64, duration: i64) -> Place {
        let place = self.find(track, time);
        let is_new = self
            .tracks
            .iter()
            .flatten()
            .all(|track| track.offset != place.offset);
        self.count += u64::from(place.jumped && is_new);
        self.tracks[track] = Some(Track {
            offset: place.offset,
            near: time,
            due: time.saturating_add(duration.clamp(0, AHEAD)),
        });
        place
    }

    fn find(&self, track: usize, time: i64) -> Place {
        let stay = |offset| Place {
            offset,
            jumped: false,
        };
        match (self.tracks[track], self.tracks[1 - track]) {
            (None, None) => stay(self.base.unwrap_or(if (0..=AHEAD).contains(&time) {
                0
            } else {
                -time
            })),
            (Some(own), _) if fits(time, own.due) => stay(own.offset),
            (None, Some(other)) if fits_either_way(time, other.near) => stay(other.offset),
            // The other one crossed the jump before.
            (Some(own), Some(other))
                if own.offset != other.offset && fits_either_way(time, other.near) =>
            {
                Place {
                    offset: other.offset,
                    jumped: true,
                }
            }
            _ => Place {
                offset: self.furthest().saturating_sub(time),
                jumped: true,
            },
        }
    }

    fn furthest(&self) -> i64 {
        let ends = self.tracks.iter().flatten();
        ends.map(|track| track.due.saturating_add(track.offset))
            .max()
            .unwrap_or(0)
    }
}

fn fits(time: i64, due: i64) -> bool {
    (-BACK..=AHEAD).contains(&time.saturating_sub(due))
}

fn fits_either_way(time: i64, near: i64) -> bool {
    time.saturating_sub(near).saturating_abs() <= AHEAD
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAME: i64 = 3000;

    #[test]
    fn a_start_within_ten_seconds_is_kept_and_a_later_one_becomes_zero() {
        assert_eq!(Timeline::new(None).place(0, 126_000, FRAME).offset, 0);
        assert_eq!(
            Timeline::new(None).place(0, 5_000_000, FRAME).offset,
            -5_000_000
        );
        assert_eq!(Timeline::new(None).place(0, -900, FRAME).offset, 900);
    }

    #[test]
    fn sound_that_crosses_a_jump_late_keeps_its_sync() {
        let mut line = Timeline::new(None);
        for n in 0..100 {
            line.place(0, n * FRAME, FRAME);
            line.place(1, n * FRAME, FRAME);
        }
        let far = 1 << 32;
        let jump = line.place(0, far, FRAME);
        assert!(jump.jumped);
        assert_eq!(far + jump.offset, 100 * FRAME);
        assert_eq!(
            line.place(1, 100 * FRAME, FRAME).offset,
            0,
            "old sound keeps its place"
        );
        assert_eq!(
            line.place(0, far + FRAME, FRAME),
            Place {
                jumped: false,
                ..jump
            }
        );
        assert_eq!(
            line.place(1, far, FRAME).offset,
            jump.offset,
            "new sound joins the pictures"
        );
    }

    proptest! {
        #[test]
        fn placed_times_never_fall_back_further_than_the_tolerance(
            steps in proptest::collection::vec((0usize..2, -(1i64 << 33)..(1i64 << 33)), 1..200),
        ) {
            let mut line = Timeline::new(None);
            let mut last = [None::<i64>; 2];
            for (track, time) in steps {
                let placed = time + line.place(track, time, FRAME).offset;
                if let Some(last) = last[track] {
                    prop_assert!(placed >= last - 2 * AHEAD, "{placed} after {last}");
                }
                last[track] = Some(placed);
            }
        }
    }
}
