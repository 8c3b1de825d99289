//! The source's times on one running timeline. Pure.
//!
//! Times of a transport stream count modulo 2^33; here they go on beyond. Where the source jumps they run on from the last
//! one ([`Timeline`]). What was added to a time is the offset, wraps included, so that a successor can go on with it.

use framerill_worker::message::Resume;

use crate::timeline::{RATE, Timeline};

/// Where times of a transport stream begin anew, 26 hours.
const WRAP: i64 = 1 << 33;
/// A successor is given the newest segments again, at most so much.
const AGAIN: i64 = 60 * RATE;
/// A successor that starts further ahead of what was written was told of another course.
const AHEAD: i64 = 10 * RATE;
/// Between pictures, where nothing tells.
const USUAL_STEP: i64 = RATE / 30;

/// The machine. Tracks are 0 (pictures) and 1 (sound).
#[derive(Debug)]
pub(super) struct Clock {
    line: Timeline,
    wraps: bool,
    resume: Option<Resume>,
    /// The newest time, counted on beyond wraps.
    near: Option<i64>,
    /// The furthest running time.
    furthest: Option<i64>,
    /// Jumps that the timeline knows nothing of.
    jumps_before: u64,
    offset: i64,
}

/// Where a time lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// On the running timeline.
    pub(super) time: i64,
    /// The source jumped before it.
    pub(super) jumped: bool,
}

impl Clock {
    /// `wraps`: times count modulo 2^33.
    pub(super) fn new(wraps: bool, resume: Option<Resume>) -> Self {
        Self {
            line: Timeline::new(Some(0)),
            wraps,
            resume,
            near: None,
            furthest: None,
            jumps_before: 0,
            offset: resume.map_or(0, |resume| resume.offset),
        }
    }

    /// For what follows in the same stream and counts its times anew.
    pub(super) fn successor(&self, wraps: bool) -> Self {
        let Some(after) = self.furthest else {
            return Self::new(wraps, self.resume);
        };
        let resume = Resume {
            after,
            offset: self.offset,
            frame: 0,
        };
        Self {
            jumps_before: self.jumps(),
            ..Self::new(wraps, Some(resume))
        }
    }

    /// Places a decoding time of the source, `duration` ticks before the track's next one.
    pub(super) fn place(&mut self, track: usize, time: i64, duration: i64) -> Placed {
        let (unwrapped, starts_anew) = match self.near {
            Some(near) => (near + self.difference(time, near), false),
            None => (time, self.begin(time)),
        };
        self.near = Some(unwrapped);
        let place = self.line.place(track, unwrapped, duration);
        let placed = unwrapped.saturating_add(place.offset);
        self.offset = placed.saturating_sub(time);
        self.furthest = self.furthest.max(Some(placed));
        Placed {
            time: placed,
            jumped: place.jumped || starts_anew,
        }
    }

    /// How far a time of the source lies behind another one.
    pub(super) fn difference(&self, time: i64, from: i64) -> i64 {
        let ticks = time.saturating_sub(from);
        if self.wraps { nearest(ticks) } else { ticks }
    }

    /// What is added to the source's times now.
    pub(super) fn offset(&self) -> i64 {
        self.offset
    }

    /// How often the source jumped.
    pub(super) fn jumps(&self) -> u64 {
        self.line.jump_count() + self.jumps_before
    }

    /// The first time: the timeline begins where the one before ended. Says whether the source jumped meanwhile.
    fn begin(&mut self, time: i64) -> bool {
        let Some(resume) = self.resume else {
            return false;
        };
        let ahead = self.difference(time.saturating_add(resume.offset), resume.after);
        let has_jumped = !(-AGAIN..=AHEAD).contains(&ahead);
        let ahead = if has_jumped { USUAL_STEP } else { ahead };
        let base = resume.after.saturating_add(ahead).saturating_sub(time);
        self.line = Timeline::new(Some(base));
        self.jumps_before += u64::from(has_jumped);
        has_jumped
    }
}

/// The smallest of the differences that are the same modulo 2^33.
fn nearest(ticks: i64) -> i64 {
    (ticks.saturating_add(WRAP / 2)).rem_euclid(WRAP) - WRAP / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAME: i64 = 3000;

    fn after(after: i64, offset: i64) -> Option<Resume> {
        Some(Resume {
            after,
            offset,
            frame: 0,
        })
    }

    #[test]
    fn the_sources_own_times_are_kept_however_late_it_starts() {
        let mut clock = Clock::new(true, None);
        for n in 0..10 {
            let time = 5_000_000_000 + n * FRAME;
            assert_eq!(
                clock.place(0, time, FRAME),
                Placed {
                    time,
                    jumped: false
                }
            );
        }
        assert_eq!((clock.offset(), clock.jumps()), (0, 0));
    }

    #[test]
    fn behind_a_wrap_times_go_on_and_are_the_sources_modulo_its_range() {
        let mut clock = Clock::new(true, None);
        for n in 0..10 {
            let time = WRAP - 5 * FRAME + n * FRAME;
            assert_eq!(
                clock.place(0, time % WRAP, FRAME),
                Placed {
                    time,
                    jumped: false
                }
            );
            assert_eq!(clock.place(1, (time + 50) % WRAP, FRAME).time, time + 50);
        }
        assert_eq!((clock.offset(), clock.jumps()), (WRAP, 0));
    }

    #[test]
    fn times_run_on_behind_a_jump_ahead_or_back_and_sound_goes_along() {
        for jump in [3600 * RATE, -3600 * RATE, -5 * RATE, 11 * RATE] {
            for sound_first in [false, true] {
                let mut clock = Clock::new(true, None);
                let start = 4000 * RATE;
                for n in 0..50 {
                    clock.place(0, start + n * FRAME, FRAME);
                    clock.place(1, start + n * FRAME, FRAME);
                }
                let far = start + 50 * FRAME + jump;
                let (first, second) = if sound_first { (1, 0) } else { (0, 1) };
                let placed = clock.place(first, far, FRAME);
                assert_eq!(
                    placed,
                    Placed {
                        time: start + 50 * FRAME,
                        jumped: true
                    },
                    "{jump}"
                );
                let late = clock.place(second, start + 50 * FRAME, FRAME);
                assert_eq!(
                    late,
                    Placed {
                        time: start + 50 * FRAME,
                        jumped: false
                    }
                );
                let joined = clock.place(second, far + FRAME, FRAME);
                assert_eq!(
                    joined,
                    Placed {
                        time: start + 51 * FRAME,
                        jumped: true
                    },
                    "{jump}"
                );
                assert_eq!((clock.jumps(), clock.offset()), (1, -jump));
            }
        }
    }

    #[test]
    fn a_successor_goes_on_with_the_offset_even_behind_a_wrap() {
        let mut clock = Clock::new(true, after(1_000_000, 400_000));
        assert_eq!(
            clock.place(0, 590_000, FRAME),
            Placed {
                time: 990_000,
                jumped: false
            }
        );
        let mut clock = Clock::new(true, after(WRAP - 10, 0));
        assert_eq!(
            clock.place(0, 90, FRAME),
            Placed {
                time: WRAP + 90,
                jumped: false
            }
        );
        assert_eq!(clock.offset(), WRAP);
        let mut clock = Clock::new(true, after(900_000_000, 0));
        assert_eq!(
            clock.place(0, 90, FRAME),
            Placed {
                time: 900_003_000,
                jumped: true
            }
        );
        assert_eq!(clock.jumps(), 1);
    }

    proptest! {
        #[test]
        fn running_times_never_fall_far_back(
            times in proptest::collection::vec((0usize..2, 0i64..WRAP), 1..200), resumes: bool,
        ) {
            let mut clock = Clock::new(true, if resumes { after(1 << 34, 12) } else { None });
            let mut last = [None::<i64>; 2];
            for (track, time) in times {
                let placed = clock.place(track, time, FRAME).time;
                prop_assert_eq!((placed - clock.offset()).rem_euclid(WRAP), time);
                if let Some(last) = last[track] {
                    prop_assert!(placed >= last - 20 * RATE, "{placed} after {last}");
                }
                last[track] = Some(placed);
            }
        }
    }
}
