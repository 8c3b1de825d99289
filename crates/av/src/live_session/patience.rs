//! How long the pictures of a burst may wait for room before they make way for newer ones: a pure machine.
//!
//! A source that delivers several pictures at once, or a machine that was busy with something else, is behind for a moment
//! only: the pictures wait, still compressed, and none is lost. Where the encoder or the worker is too slow for the stream,
//! the wait would grow without end: patience has an end, and then the newest picture wins until the source is caught up with.

/// What a burst may be behind, in ns.
const MOST: u64 = 500_000_000;
/// A source that is waited for this long has nothing more to give, in ns.
const CAUGHT_UP: u64 = 5_000_000;

/// The patience with one source.
#[derive(Debug)]
pub(crate) struct Patience {
    left: u64,
    done: u64,
}

impl Patience {
    /// Nothing was waited for so far.
    pub(crate) fn new() -> Self {
        Self {
            left: MOST,
            done: 0,
        }
    }

    /// The bytes of a picture came then, in ns.
    pub(crate) fn read_at(&mut self, at: u64) {
        if at.saturating_sub(self.done) >= CAUGHT_UP {
            self.left = MOST;
        }
    }

    /// Until when a picture may wait that began to at `since`, in ns.
    pub(crate) fn until(&self, since: u64) -> u64 {
        since.saturating_add(self.left)
    }

    /// A picture waited from then to then, in ns.
    pub(crate) fn waited(&mut self, since: u64, now: u64) {
        self.left = self.left.saturating_sub(now.saturating_sub(since));
    }

    /// A picture is dealt with.
    pub(crate) fn done(&mut self, now: u64) {
        self.done = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Pictures that each take `wanted` ns for room to be there, out of a source that gives one every `interval` ns. How long
    /// each one was let wait, and how far any was behind.
    fn play(pictures: u64, interval: u64, wanted: u64) -> (Vec<u64>, u64) {
        let (mut patience, mut now, mut behind) = (Patience::new(), 0, 0);
        let mut waits = Vec::new();
        for picture in 1..=pictures {
            let came = picture * interval;
            let at = now.max(came);
            patience.read_at(at);
            let until = patience.until(at).min(at + wanted);
            patience.waited(at, until);
            waits.push(until - at);
            now = until;
            patience.done(now);
            behind = behind.max(now - came);
        }
        (waits, behind)
    }

    #[test]
    fn a_burst_of_a_second_waits_for_room_picture_by_picture() {
        let (waits, _) = play(24, 0, 15 * MS);
        assert_eq!(waits, [15 * MS; 24]);
    }

    #[test]
    fn behind_what_is_too_slow_for_good_a_stream_is_never_further_than_the_patience() {
        for wanted in [41, 60, 200, 1000] {
            let (waits, behind) = play(1000, 40 * MS, wanted * MS);
            assert!(behind <= MOST, "{behind} with {wanted} ms");
            let makes_way = waits.iter().any(|it| *it < wanted * MS);
            assert!(makes_way, "with {wanted} ms");
        }
    }

    #[test]
    fn a_source_that_is_waited_for_again_is_behind_no_more() {
        let mut patience = Patience::new();
        patience.waited(0, MOST);
        patience.done(MOST);
        patience.read_at(MOST + CAUGHT_UP - 1);
        assert_eq!(patience.until(MOST), MOST);
        patience.read_at(MOST + CAUGHT_UP);
        assert_eq!(patience.until(MOST), 2 * MOST);
    }
}
