//! How long the pictures of a burst may wait for room before they make way for newer ones: a pure machine.
//!
//! A source that delivers several pictures at once, or a machine that was busy with something else, is behind for a moment
//! only: the pictures wait, still compressed, and none is lost. Where the encoder or the worker is too slow for the stream,
//! the wait would grow without end: patience has an end, and then the newest picture wins until the source is caught up with.

/// What a burst may be behind.
const MOST_BEHIND_NS: u64 = 500_000_000;
/// A source whose next bytes are waited for this long has nothing more to give.
const CAUGHT_UP_NS: u64 = 5_000_000;

/// Where the next picture has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// It can go there now.
    Free,
    /// Every slot is taken, by the worker or the encoder.
    NoSlot,
    /// It would displace another one; a worker that is not late has taken that by then, in ns.
    By(u64),
}

/// The patience with one source.
#[derive(Debug)]
pub(crate) struct Patience {
    /// What may still be waited until the source is caught up with.
    left_ns: u64,
    /// When the last picture was dealt with.
    dealt_with_at: u64,
}

impl Patience {
    /// Nothing was waited for so far.
    pub(crate) fn new() -> Self {
        Self {
            left_ns: MOST_BEHIND_NS,
            dealt_with_at: 0,
        }
    }

    /// A picture begins, whose bytes were read then, in ns.
    pub(crate) fn begin(&mut self, read_at: u64) {
        if read_at.saturating_sub(self.dealt_with_at) >= CAUGHT_UP_NS {
            self.left_ns = MOST_BEHIND_NS;
        }
    }

    /// Until when a picture waits that has waited since then, in ns; none if it does not.
    pub(crate) fn until(&self, since: u64, room: Room) -> Option<u64> {
        let at_most = since.saturating_add(self.left_ns);
        match room {
            Room::Free => None,
            Room::NoSlot => Some(at_most),
            Room::By(at) => Some(at.min(at_most)),
        }
    }

    /// A picture waited from then to then, in ns.
    pub(crate) fn waited(&mut self, since: u64, now: u64) {
        self.left_ns = self.left_ns.saturating_sub(now.saturating_sub(since));
    }

    /// A picture is dealt with, in ns.
    pub(crate) fn end(&mut self, now: u64) {
        self.dealt_with_at = now;
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
            patience.begin(at);
            let until = patience.until(at, Room::NoSlot).unwrap().min(at + wanted);
            patience.waited(at, until);
            waits.push(until - at);
            now = until;
            patience.end(now);
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
            assert!(behind <= MOST_BEHIND_NS, "{behind} with {wanted} ms");
            let makes_way = waits.iter().any(|it| *it < wanted * MS);
            assert!(makes_way, "with {wanted} ms");
        }
    }

    #[test]
    fn a_source_that_is_waited_for_again_is_behind_no_more() {
        let mut patience = Patience::new();
        patience.waited(0, MOST_BEHIND_NS);
        patience.end(MOST_BEHIND_NS);
        patience.begin(MOST_BEHIND_NS + CAUGHT_UP_NS - 1);
        assert_eq!(patience.until(7, Room::NoSlot), Some(7));
        patience.begin(MOST_BEHIND_NS + CAUGHT_UP_NS);
        assert_eq!(patience.until(7, Room::NoSlot), Some(7 + MOST_BEHIND_NS));
    }

    #[test]
    fn a_worker_is_waited_for_until_it_is_late_and_what_is_free_not_at_all() {
        let patience = Patience::new();
        assert_eq!(patience.until(7, Room::Free), None);
        assert_eq!(patience.until(7, Room::By(9)), Some(9));
        let too_far = Room::By(8 + MOST_BEHIND_NS);
        assert_eq!(patience.until(7, too_far), Some(7 + MOST_BEHIND_NS));
    }
}
