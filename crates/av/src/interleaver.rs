//! The order in which a live sink writes: pictures at once, sound with them, a segment before each keyframe. Pure.
//!
//! A recorded sink lets FFmpeg sort its streams, which waits for the slower one. A viewer who is watching does not wait:
//! sound goes out with the first picture that is not before it, and a picture waits for nothing.

use std::collections::VecDeque;

/// Sound so much older than the first picture is left out (runner contract §8.4, rule 3), in ticks of 1/90,000 s.
const OLDEST: i64 = 2 * 90_000;
/// Packets of sound that wait for a picture; 512 are ten seconds of AAC.
const MOST_WAITING: usize = 512;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<P> {
    /// End the segment.
    Cut,
    /// Write the picture that was told.
    Picture,
    /// Write this sound.
    Sound(P),
}

/// The machine. Times are in ticks of 1/90,000 s.
#[derive(Debug)]
pub(crate) struct Interleaver<P> {
    /// Its time, when it came, and it.
    waiting: VecDeque<(i64, u64, P)>,
    /// Time of the last picture that was written.
    picture: Option<i64>,
    /// The source has none, as far as is known: sound goes alone.
    is_alone: bool,
    /// Sound that was left out.
    dropped: u64,
}

impl<P> Interleaver<P> {
    pub(crate) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            picture: None,
            is_alone: false,
            dropped: 0,
        }
    }

    /// Whether the source has pictures.
    pub(crate) fn expect_pictures(&mut self, are_there: bool) {
        self.is_alone = !are_there;
    }

    /// Sound came, `now` in ns of any clock: what to write now, if anything.
    pub(crate) fn sound(&mut self, time: i64, packet: P, now: u64) -> Option<Step<P>> {
        self.waiting.push_back((time, now, packet));
        match self.picture {
            // It belongs to what went out already.
            Some(picture) if time <= picture => self.oldest(),
            // Pictures have stopped; sound goes on without them.
            Some(_) if self.waiting.len() > MOST_WAITING => self.oldest(),
            None if self.is_alone && self.waiting.len() > MOST_WAITING => self.oldest(),
            None if self.waiting.len() > MOST_WAITING => {
                self.waiting.pop_front();
                self.dropped += 1;
                None
            }
            _ => None,
        }
    }

    /// A picture came: what to write now, in this order.
    pub(crate) fn picture(&mut self, time: i64, is_keyframe: bool) -> Vec<Step<P>> {
        let is_first = self.picture.replace(time).is_none();
        let mut steps = Vec::new();
        if is_first {
            // A segment begins with a keyframe.
            steps.push(Step::Picture);
            let before = self.waiting.len();
            self.waiting.retain(|(at, ..)| *at >= time - OLDEST);
            self.dropped += (before - self.waiting.len()) as u64;
        }
        while self.waiting.front().is_some_and(|(at, ..)| *at <= time) {
            steps.extend(self.oldest());
        }
        if !is_first {
            steps.extend(is_keyframe.then_some(Step::Cut));
            steps.push(Step::Picture);
        }
        steps
    }

    /// When the oldest sound has waited `wait` ns for its picture and goes without; none while nothing waits, or before
    /// the first picture of a source that has some.
    pub(crate) fn due(&self, wait: u64) -> Option<u64> {
        let may_go = self.picture.is_some() || self.is_alone;
        let (_, came, _) = self.waiting.front().filter(|_| may_go)?;
        Some(came.saturating_add(wait))
    }

    /// The oldest sound, once it has waited that long.
    pub(crate) fn overdue(&mut self, wait: u64, now: u64) -> Option<P> {
        self.due(wait).filter(|due| *due <= now)?;
        self.waiting.pop_front().map(|(.., packet)| packet)
    }

    /// No picture will come: the sound that is left. Of a source with pictures none goes out without any.
    pub(crate) fn finish(&mut self) -> impl Iterator<Item = P> {
        let left = match self.picture {
            None if !self.is_alone => VecDeque::new(),
            _ => std::mem::take(&mut self.waiting),
        };
        left.into_iter().map(|(.., packet)| packet)
    }

    /// Packets of sound that were left out.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn oldest(&mut self) -> Option<Step<P>> {
        let (.., packet) = self.waiting.pop_front()?;
        Some(Step::Sound(packet))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_segment_begins_with_its_picture_and_old_sound_is_left_out() {
        let mut interleaver = Interleaver::new();
        for time in [0, 90_000, 200_000] {
            assert_eq!(interleaver.sound(time, time, 0), None);
        }
        let steps = interleaver.picture(200_000, true);
        let expected = [Step::Picture, Step::Sound(90_000), Step::Sound(200_000)];
        assert_eq!(steps, expected);
        assert_eq!(interleaver.dropped(), 1);
    }

    #[test]
    fn sound_of_a_source_without_pictures_waits_for_none() {
        let mut interleaver = Interleaver::new();
        interleaver.sound(0, 1, 10);
        assert_eq!(interleaver.due(5), None);
        interleaver.expect_pictures(false);
        assert_eq!(interleaver.due(5), Some(15));
        assert_eq!(
            (interleaver.overdue(5, 14), interleaver.overdue(5, 15)),
            (None, Some(1))
        );
        interleaver.sound(1, 2, 20);
        assert_eq!(interleaver.finish().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn sound_before_a_keyframe_belongs_to_the_segment_that_ends() {
        let mut interleaver = Interleaver::new();
        interleaver.picture(0, true);
        interleaver.sound(1800, 1800, 0);
        interleaver.sound(3700, 3700, 0);
        let steps = interleaver.picture(3600, true);
        assert_eq!(steps, [Step::Sound(1800), Step::Cut, Step::Picture]);
        assert_eq!(
            interleaver.picture(7200, false),
            [Step::Sound(3700), Step::Picture]
        );
    }

    #[test]
    fn a_picture_waits_for_no_sound_and_late_sound_goes_out_at_once() {
        let mut interleaver = Interleaver::new();
        interleaver.picture(0, true);
        assert_eq!(interleaver.picture(3600, false), [Step::Picture]);
        assert_eq!(interleaver.sound(1800, 1, 0), Some(Step::Sound(1)));
    }

    #[test]
    fn sound_whose_picture_does_not_come_waits_its_time_and_goes_without() {
        let mut interleaver = Interleaver::new();
        assert_eq!(interleaver.sound(1, 1, 0), None);
        assert_eq!(interleaver.due(50), None, "a stream begins with a picture");
        interleaver.picture(10, true);
        assert_eq!(interleaver.sound(20, 2, 100), None);
        assert_eq!(interleaver.due(50), Some(150));
        assert_eq!(interleaver.overdue(50, 149), None);
        assert_eq!(interleaver.overdue(50, 150), Some(2));
    }

    proptest! {
        #[test]
        fn all_sound_goes_out_once_and_in_its_order_or_is_counted(
            events in proptest::collection::vec((any::<bool>(), 1i64..5000, any::<bool>()), 0..1500),
        ) {
            let mut interleaver = Interleaver::new();
            let (mut sound_at, mut picture_at, mut sent, mut out) = (0, 0, 0u64, Vec::new());
            let mut pictures = 0;
            for (is_sound, step, is_keyframe) in events {
                let steps = if is_sound {
                    sound_at += step;
                    sent += 1;
                    interleaver.sound(sound_at, sent, 0).into_iter().collect()
                } else {
                    picture_at += step;
                    pictures += 1;
                    interleaver.picture(picture_at, is_keyframe)
                };
                let shown = steps.iter().filter(|it| **it == Step::Picture).count();
                prop_assert_eq!(shown, usize::from(!is_sound));
                out.extend(steps.into_iter().filter_map(|it| match it {
                    Step::Sound(packet) => Some(packet),
                    _ => None,
                }));
                prop_assert!(interleaver.waiting.len() <= MOST_WAITING);
            }
            let left = interleaver.waiting.len() as u64;
            out.extend(interleaver.finish());
            prop_assert!(out.is_sorted_by(|one, two| one < two));
            let kept = if pictures > 0 { 0 } else { left };
            prop_assert_eq!(out.len() as u64 + interleaver.dropped() + kept, sent);
        }
    }
}
