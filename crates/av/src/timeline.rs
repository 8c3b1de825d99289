//! Where a packet of the source lies on the stream's timeline. Pure.
//!
//! Transport streams count from anywhere, wrap and jump. From a jump on, times run on from the furthest one so far: a new
//! course begins. Each track finds out by itself, so that packets of the other one, which cross the jump a little later,
//! keep their place.
//!
//! Times may come in the order of decoding or, where a source tells no other, in that of its pictures. What is decoded
//! before it is due lies between the two furthest times so far, so that a time at or before the lower one is a jump, by
//! however little. A single time that fits nothing is damage: the next one that fits the old course goes on with it.
//!
//! Times are in ticks of 1/90000 s; what is returned is added to them.

/// Ticks a second.
pub(crate) const RATE: i64 = 90_000;
/// The track of pictures. The other one follows it.
const PICTURES: usize = 0;
/// A step ahead of more than this is a jump.
const AHEAD: i64 = 10 * RATE;
/// Pictures that belong before the first one of a course lie back by less, and so does sound that is sent twice.
const BACK: i64 = RATE / 2;
/// Pictures that may be decoded before their turn, by any codec.
const MOST_EARLY: u32 = 16;

/// The machine. Tracks are 0 (pictures) and 1 (sound).
#[derive(Debug)]
pub(crate) struct Timeline {
    base: Option<i64>,
    tracks: [Option<Track>; 2],
    count: u64,
}

/// Where a track is.
#[derive(Clone, Copy, Debug)]
struct Track {
    course: Course,
    /// The course before this one.
    left: Option<Course>,
    /// Its course has one time only, which may be damage.
    is_unsure: bool,
    /// It began the course itself.
    leads: bool,
}

/// A run of times that belong together.
#[derive(Clone, Copy, Debug)]
struct Course {
    offset: i64,
    /// The furthest time.
    top: i64,
    /// What is not after this does not belong here.
    floor: i64,
    /// When the next one is due.
    due: i64,
    /// Times since the furthest one, and how long they last.
    behind: (u32, i64),
}

/// Where a packet lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// To be added to its times.
    pub(crate) offset: i64,
    /// The source jumped before it.
    pub(crate) jumped: bool,
}

/// What becomes of a track.
#[derive(Clone, Copy)]
enum Step {
    /// It goes on.
    Stay,
    /// It goes back to the course that it left.
    Return,
    /// It takes the other one's course.
    Join(i64),
    /// It begins a course.
    Begin(i64),
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

    /// The place of a packet whose decoding time, or else time, and duration are given.
    pub(crate) fn place(&mut self, track: usize, time: i64, duration: i64) -> Place {
        let duration = duration.clamp(0, AHEAD);
        let Some(mut own) = self.tracks[track] else {
            return self.begin(track, time, duration);
        };
        let step = self.step(track, &own, time);
        match step {
            Step::Stay => {
                own.course.take(time, duration);
                own.is_unsure = false;
            }
            Step::Return => {
                own.course = own.left.unwrap_or(own.course);
                own.course.take(time, duration);
                (own.left, own.is_unsure, own.leads) = (None, false, false);
            }
            Step::Join(offset) | Step::Begin(offset) => {
                // Between damaged times, the course before is still the one before the first of them.
                if !own.is_unsure {
                    own.left = Some(own.course);
                }
                own.course = Course::new(offset, time, duration);
                own.is_unsure = true;
                own.leads = matches!(step, Step::Begin(_));
            }
        }
        let place = Place {
            offset: own.course.offset,
            jumped: !matches!(step, Step::Stay),
        };
        let is_known = |known: &Track| known.course.offset == place.offset;
        let is_new = !self.tracks.iter().flatten().any(is_known);
        self.count += u64::from(place.jumped && is_new);
        self.tracks[track] = Some(own);
        place
    }

    /// The first packet of a track.
    fn begin(&mut self, track: usize, time: i64, duration: i64) -> Place {
        let place = match self.tracks[1 - track] {
            None => Place {
                offset: self.base.unwrap_or(if (0..=AHEAD).contains(&time) {
                    0
                } else {
                    -time
                }),
                jumped: false,
            },
            Some(other) if other.course.is_near(time) => Place {
                offset: other.course.offset,
                jumped: false,
            },
            Some(_) => Place {
                offset: self.furthest().saturating_sub(time),
                jumped: true,
            },
        };
        self.count += u64::from(place.jumped);
        self.tracks[track] = Some(Track {
            course: Course::new(place.offset, time, duration),
            left: None,
            is_unsure: false,
            leads: place.jumped,
        });
        place
    }

    fn step(&self, track: usize, own: &Track, time: i64) -> Step {
        let course = &own.course;
        let other = self.tracks[1 - track].map(|other| other.course);
        let elsewhere = other.filter(|other| other.offset != course.offset && other.is_near(time));
        if own.is_unsure
            && let Some(left) = own.left
            && left.has(time)
            && left.distance(time) < course.distance(time)
        {
            return Step::Return;
        }
        let begin = Step::Begin(self.furthest().saturating_sub(time));
        if track == PICTURES {
            let is_ahead = |other: &Course| {
                time.saturating_add(other.offset) > course.top.saturating_add(course.offset)
            };
            return match elsewhere.filter(is_ahead) {
                _ if course.has(time) => Step::Stay,
                Some(other) => Step::Join(other.offset),
                None => begin,
            };
        }
        let left = own.left.map(|left| left.offset);
        // It went ahead, and the pictures took another way.
        let is_astray = own.leads && elsewhere.is_some_and(|other| Some(other.offset) != left);
        let goes_on = course.goes_on(time);
        match elsewhere {
            Some(other) if is_astray || !goes_on || course.behind.0 > 0 => Step::Join(other.offset),
            _ if goes_on => Step::Stay,
            // Where the pictures do not go along, it is sound that is sent twice.
            _ if other.is_some() && course.is_little_behind(time) => Step::Stay,
            _ => begin,
        }
    }

    fn furthest(&self) -> i64 {
        let ends = self.tracks.iter().flatten();
        ends.map(|track| track.course.due.saturating_add(track.course.offset))
            .max()
            .unwrap_or(0)
    }
}

impl Course {
    fn new(offset: i64, time: i64, duration: i64) -> Self {
        Self {
            offset,
            top: time,
            floor: time.saturating_sub(BACK),
            due: time.saturating_add(duration),
            behind: (0, 0),
        }
    }

    /// Whether a time belongs to it.
    fn has(&self, time: i64) -> bool {
        let is_early = self.floor < time && time < self.top && !self.is_stuck();
        let is_twice = time == self.top && self.behind.0 == 0;
        is_early || is_twice || self.goes_on(time)
    }

    fn goes_on(&self, time: i64) -> bool {
        time > self.top && time.saturating_sub(self.due) <= AHEAD
    }

    fn is_little_behind(&self, time: i64) -> bool {
        (0..=BACK).contains(&self.due.saturating_sub(time)) && !self.is_stuck()
    }

    /// It does not get on.
    fn is_stuck(&self) -> bool {
        let (count, ticks) = self.behind;
        count >= MOST_EARLY && ticks >= BACK
    }

    fn is_near(&self, time: i64) -> bool {
        time.saturating_sub(self.top).saturating_abs() <= AHEAD
    }

    fn distance(&self, time: i64) -> i64 {
        time.saturating_sub(self.due).saturating_abs()
    }

    fn take(&mut self, time: i64, duration: i64) {
        if time > self.top {
            (self.floor, self.top) = (self.top, time);
            self.due = time.saturating_add(duration);
            self.behind = (0, 0);
        } else {
            let (count, ticks) = self.behind;
            self.behind = (count.saturating_add(1), ticks.saturating_add(duration));
        }
    }
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

    #[test]
    fn one_time_that_fits_nothing_moves_none_behind_it() {
        for damaged in [-50 * FRAME, 50 * AHEAD, -50 * AHEAD] {
            let mut line = Timeline::new(None);
            for n in 0..100 {
                line.place(0, n * FRAME, FRAME);
                line.place(1, n * FRAME, FRAME);
            }
            line.place(0, 100 * FRAME + damaged, FRAME);
            assert_eq!(line.place(1, 100 * FRAME, FRAME).offset, 0, "{damaged}");
            assert_eq!(line.place(0, 101 * FRAME, FRAME).offset, 0, "{damaged}");
            assert_eq!(line.place(1, 101 * FRAME, FRAME).offset, 0, "{damaged}");
        }
    }

    #[test]
    fn sound_that_is_sent_twice_does_not_leave_the_pictures() {
        let mut line = Timeline::new(None);
        for n in 0..100 {
            line.place(0, n * FRAME, FRAME);
            line.place(1, n * FRAME, FRAME);
        }
        for n in 95..200 {
            assert_eq!(line.place(1, n * FRAME, FRAME).offset, 0);
            assert_eq!(line.place(0, (n + 5) * FRAME, FRAME).offset, 0);
        }
        assert_eq!(line.jump_count(), 0);
    }

    #[test]
    fn pictures_that_are_decoded_before_their_turn_are_no_jump() {
        let pyramid = [8, 4, 2, 1, 3, 6, 5, 7];
        let mut line = Timeline::new(None);
        for group in 0..10 {
            for n in pyramid {
                let place = line.place(0, (group * 8 + n) * FRAME, FRAME);
                assert_eq!((place.offset, place.jumped), (0, false));
            }
        }
    }

    /// A packet of a loop: its round, its track and its time.
    type Sent = (usize, usize, i64);

    /// A part of a stream, over and over. Sound comes so much later than its pictures; behind the first one, groups of
    /// pictures are decoded from their last one on.
    fn rounds(frames: i64, has_sound: bool, lag: i64, group: i64) -> Vec<Sent> {
        let mut part: Vec<(i64, usize, i64)> = (0..frames)
            .map(|n| {
                let (first, within) = (
                    (n - 1).div_euclid(group) * group + 1,
                    (n - 1).rem_euclid(group),
                );
                let last = (first + group - 1).min(frames - 1);
                let shown = match within {
                    _ if n == 0 => 0,
                    0 => last,
                    _ => first + within - 1,
                };
                (n * FRAME, 0, shown * FRAME)
            })
            .collect();
        let packets = if has_sound { frames * FRAME / SOUND } else { 0 };
        part.extend((0..packets).map(|n| (n * SOUND + lag, 1, n * SOUND)));
        part.sort_unstable();
        let count = usize::try_from(MANY / frames).unwrap().max(3);
        let rounds = (0..count).flat_map(|round| part.iter().map(move |it| (round, it.1, it.2)));
        rounds.collect()
    }

    const SOUND: i64 = 1920;
    const MANY: i64 = 400;

    /// What of it comes out: packets whose times increase, pictures in the order of their times.
    fn shown(sent: &[Sent], line: &mut Timeline) -> Vec<(Sent, i64)> {
        let mut last = [i64::MIN; 2];
        let mut waiting = Vec::new();
        let mut shown = Vec::new();
        let longest = [FRAME, SOUND];
        for it in sent {
            let (_, track, time) = *it;
            let place = line.place(track, time, longest[track]);
            waiting.push((*it, time + place.offset));
        }
        // A decoder puts the pictures of a round into their order.
        waiting.sort_by_key(|((round, track, _), at)| (*round, if *track == 0 { *at } else { 0 }));
        for (it, at) in waiting {
            if at > last[it.1] {
                last[it.1] = at;
                shown.push((it, at));
            }
        }
        shown
    }

    proptest! {
        #[test]
        fn a_loop_of_any_length_never_stops_and_stays_in_sync(
            frames in prop_oneof![1i64..20, 1i64..600], has_sound: bool, lag in -27_000i64..27_000,
            group in 1i64..5, start in prop_oneof![Just(0), 0i64..(1 << 33)],
        ) {
            // What crosses from one round to the next does so by less than half of one.
            let lag = lag.clamp(-frames * FRAME / 2, frames * FRAME / 2);
            let sent = rounds(frames, has_sound, lag, group);
            let sent: Vec<Sent> = sent.into_iter().map(|(round, track, time)| (round, track, time + start)).collect();
            let mut line = Timeline::new(Some(0));
            let shown = shown(&sent, &mut line);
            let pictures: Vec<_> = shown.iter().filter(|((_, track, _), _)| *track == 0).collect();
            let pace = pictures.windows(2).map(|two| two[1].1 - two[0].1).max().unwrap_or(0);
            prop_assert!(pace <= 3 * FRAME + lag.abs().min(BACK), "a hole of {pace}");
            let all = sent.iter().filter(|it| it.1 == 0).count();
            if frames > 1 && group == 1 && !has_sound {
                prop_assert_eq!((pace, pictures.len()), (FRAME, all));
            }
            let few = all / 3;
            prop_assert!(pictures.len() >= few.max(1), "{} of {all}", pictures.len());
            let rounds = sent.last().map_or(0, |it| it.0);
            prop_assert!(pictures.last().unwrap().0.0 + 20 >= rounds);
            // In each round, what is heard is as far from its own time as what is seen.
            for ((round, _, time), at) in shown.iter().filter(|((_, track, _), _)| *track == 1) {
                let seen = pictures.iter().find(|it| it.0.0 == *round);
                if let Some((sent, seen)) = seen {
                    let apart = (at - time) - (seen - sent.2);
                    prop_assert!(apart.abs() <= 3600, "{apart} in round {round}");
                }
            }
        }
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
