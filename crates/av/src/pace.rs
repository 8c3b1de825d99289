//! When a frame of a recording is due, so that it comes as from a camera. Pure.

use std::time::Duration;

/// A source that is later than this has stalled: it goes on from where it is instead of hurrying.
const STALLED: Duration = Duration::from_secs(1);

/// The machine: media times in, times to release at out.
#[derive(Debug, Default)]
pub(crate) struct Pacer {
    /// A media time and when it was due.
    anchor: Option<(Duration, Duration)>,
    /// The latest media time so far. What lies before it, such as a picture behind its sound, is late for its place in the
    /// file and says nothing of the source's pace.
    latest: Duration,
}

impl Pacer {
    /// When the frame at media time `at` is due, not before `now`. Both clocks count from anywhere.
    pub(crate) fn release_at(&mut self, at: Duration, now: Duration) -> Duration {
        let (media, clock) = *self.anchor.get_or_insert((at, now));
        let due = if at >= media {
            clock + (at - media)
        } else {
            clock.saturating_sub(media - at)
        };
        if due + STALLED < now && at >= self.latest {
            self.anchor = Some((at, now));
        }
        self.latest = self.latest.max(at);
        due.max(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn frames_are_released_at_their_own_distances() {
        let mut pacer = Pacer::default();
        assert_eq!(pacer.release_at(ms(5000), ms(100)), ms(100));
        assert_eq!(pacer.release_at(ms(5040), ms(101)), ms(140));
        assert_eq!(
            pacer.release_at(ms(5080), ms(200)),
            ms(200),
            "a late one at once"
        );
        assert_eq!(
            pacer.release_at(ms(5120), ms(200)),
            ms(220),
            "the next one on time"
        );
    }

    #[test]
    fn after_a_stall_nothing_is_hurried() {
        let mut pacer = Pacer::default();
        pacer.release_at(ms(0), ms(0));
        assert_eq!(pacer.release_at(ms(40), ms(5000)), ms(5000));
        assert_eq!(pacer.release_at(ms(80), ms(5000)), ms(5040));
    }

    #[test]
    fn pictures_that_stand_far_behind_their_sound_do_not_slow_the_source() {
        let mut pacer = Pacer::default();
        let mut now = ms(0);
        // A second of sound, then pictures and sound in turn.
        for sound in 0..=100 {
            now = pacer.release_at(ms(sound * 10), now);
            if sound >= 1 {
                now = now.max(pacer.release_at(ms(sound * 10).saturating_sub(ms(1200)), now));
            }
        }
        for step in 0..50 {
            now = pacer.release_at(ms(1000 + step * 10), now);
            now = pacer.release_at(ms(step * 10).saturating_sub(ms(200)), now);
        }
        assert_eq!(now, ms(1490));
    }

    proptest! {
        #[test]
        fn nothing_is_released_before_it_is_due_or_in_the_past(
            steps in proptest::collection::vec((0u64..200, 0u64..400), 1..200),
        ) {
            let mut pacer = Pacer::default();
            let (mut at, mut now) = (0, 0);
            let mut last = Duration::ZERO;
            for (step, pause) in steps {
                at += step;
                now += pause;
                let due = pacer.release_at(ms(at), ms(now));
                prop_assert!(due >= ms(now));
                prop_assert!(due >= last || due >= ms(now));
                prop_assert!(due <= ms(now) + ms(at));
                last = due;
            }
        }
    }
}
