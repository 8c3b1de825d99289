//! The compressed input since the last keyframe that went out, for a media process that takes up a stream. Pure.
//!
//! What the one before had not read when it hung, and what it had read and had not written, is lost no more than the rest.

use std::collections::VecDeque;

use bytes::Bytes;
use framerill_media::{PesHead, TransportFound, TransportPackets};

use super::{queue::ByteQueue, written::WRAP};

/// Bytes that are kept at most; beyond that the oldest keyframe goes with what follows it, and between two keyframes that are
/// further apart nothing is kept.
const MOST: usize = 8 << 20;

/// What came so long before the newest keyframe, in 1/90000 s, and has not gone out, is too old to be shown.
const OLD: i64 = 4 * 90_000;

/// The pid of the table that comes first.
const PROGRAMS: u16 = 0;

/// Where a decoder can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Begin {
    /// Counted in bytes from the beginning of the input.
    at: u64,
    /// Of its picture, 33 bits; none where it is not known.
    pts: Option<i64>,
}

impl Begin {
    /// Whether nothing before it is wanted any more: it went out itself, or is too old.
    fn is_past(&self, reached: Option<i64>, newest: Option<i64>) -> bool {
        let Some(pts) = self.pts else { return true };
        let since = |time: i64| (time - pts + WRAP / 2).rem_euclid(WRAP) - WRAP / 2;
        reached.is_some_and(|it| since(it) >= 0) || newest.is_some_and(|it| since(it) >= OLD)
    }
}

/// The machine.
#[derive(Debug, Default)]
pub(super) struct Replay {
    packets: TransportPackets,
    kept: ByteQueue,
    /// In what is kept, oldest first.
    begins: VecDeque<Begin>,
    /// A table came, and no picture since.
    table_at: Option<u64>,
    /// The stream marks its keyframes.
    has_marks: bool,
}

impl Replay {
    /// A segment of the channel begins: without marks, that is where a decoder can begin.
    pub(super) fn segment_begins(&mut self) {
        let here = Begin {
            at: self.packets.taken(),
            pts: None,
        };
        if !self.has_marks && self.begins.back() != Some(&here) {
            self.begins.push_back(here);
        }
    }

    /// More of the input. `reached` is the time up to which pictures went out, 33 bits. `unread` counts the bytes before these
    /// that media has not read so far; it is asked when that matters.
    pub(super) fn push(
        &mut self,
        bytes: &Bytes,
        reached: Option<i64>,
        unread: impl FnOnce() -> u64,
    ) {
        let before = self.packets.taken();
        self.kept.push(bytes.clone());
        let (mut begins, mut table_at) = (Vec::new(), self.table_at);
        self.packets.push(bytes, |found| {
            let TransportFound::Packet { at, packet } = found else {
                return;
            };
            if packet.pid == PROGRAMS {
                table_at.get_or_insert(at);
            } else if packet.begins_picture() {
                let table = table_at.take();
                if packet.is_random_access() {
                    let pts = PesHead::parse(packet.payload).and_then(|head| head.pts);
                    begins.push(Begin {
                        at: table.unwrap_or(at),
                        pts: pts.and_then(|pts| i64::try_from(pts).ok()),
                    });
                }
            }
        });
        self.table_at = table_at;
        if !begins.is_empty() && !self.has_marks {
            self.has_marks = true;
            self.begins.clear();
        }
        self.begins.extend(begins);
        if self.begins.len() > 1 {
            let read = before.saturating_sub(unread());
            let newest = self.begins.back().and_then(|it| it.pts);
            let is_done = |next: &Begin| next.at <= read && next.is_past(reached, newest);
            while self.begins.get(1).is_some_and(is_done) {
                self.begins.pop_front();
            }
        }
        self.forget();
        while self.kept.len() > MOST && self.begins.len() > 1 {
            self.begins.pop_front();
            self.forget();
        }
        if self.kept.len() > MOST {
            self.kept.clear();
        }
    }

    /// What a new decoder reads first.
    pub(super) fn all(&mut self) -> ByteQueue {
        self.kept.copy()
    }

    /// Lets go of what lies before the oldest beginning.
    fn forget(&mut self) {
        let Some(begin) = self.begins.front() else {
            return;
        };
        let since = usize::try_from(self.packets.taken() - begin.at).unwrap_or(usize::MAX);
        self.kept.drop_first(self.kept.len().saturating_sub(since));
    }
}

#[cfg(test)]
pub(super) mod tests {
    use framerill_media::TRANSPORT_PACKET_BYTES as PACKET;
    use proptest::prelude::*;

    use super::*;

    /// A packet that begins a picture.
    pub(in super::super) fn picture(pts: u64, is_key: bool) -> Vec<u8> {
        let mut packet = vec![0xFF; PACKET];
        packet[..4].copy_from_slice(&[0x47, 0x41, 0x00, 0x30]);
        packet[4] = 150;
        packet[5] = if is_key { 0x40 } else { 0 };
        let byte = |shift: u32, mask: u64| u8::try_from((pts >> shift) & mask).unwrap();
        let pes = [
            0,
            0,
            1,
            0xE0,
            0,
            0,
            0x80,
            0x80,
            5,
            0x21 | (byte(30, 7) << 1),
            byte(22, 255),
            1 | (byte(15, 127) << 1),
            byte(7, 255),
            1 | (byte(0, 127) << 1),
        ];
        packet[155..155 + pes.len()].copy_from_slice(&pes);
        packet
    }

    /// A packet of the table that comes first.
    fn pat() -> Vec<u8> {
        let mut packet = vec![0; PACKET];
        packet[..4].copy_from_slice(&[0x47, 0x40, 0x00, 0x10]);
        packet
    }

    /// All pictures of these tests went out.
    const OUT: Option<i64> = Some(1 << 20);

    fn kept(replay: &Replay) -> Vec<u8> {
        replay.kept.to_vec()
    }

    #[test]
    fn what_came_since_the_tables_before_the_last_keyframe_is_kept() {
        let mut replay = Replay::default();
        let mut stream = Vec::new();
        for n in 0..100 {
            if n % 10 == 0 {
                stream.extend(pat());
            }
            stream.extend(picture(n, n % 10 == 0));
        }
        replay.push(&Bytes::from(stream.clone()), OUT, || 0);
        replay.push(&Bytes::new(), OUT, || 0);
        let expected = &stream[stream.len() - 11 * PACKET..];
        assert_eq!(kept(&replay), expected);
    }

    #[test]
    fn what_media_has_not_read_is_kept_with_the_keyframe_before_it() {
        let mut replay = Replay::default();
        let group: Vec<u8> = (0..10).flat_map(|n| picture(n, n == 0)).collect();
        for _ in 0..10 {
            replay.push(&Bytes::from(group.clone()), OUT, || u64::MAX);
        }
        let unread = 2 * group.len() as u64 + 1;
        replay.push(&Bytes::new(), OUT, || unread);
        assert!(kept(&replay) == group.repeat(3));
        replay.push(&Bytes::new(), OUT, || unread + 2);
        assert!(kept(&replay) == group.repeat(3), "what is gone is gone");
        replay.push(&Bytes::new(), OUT, || 0);
        assert!(kept(&replay) == group);
    }

    #[test]
    fn what_did_not_go_out_is_kept_with_the_keyframe_before_it() {
        let group = |n: u64| -> Vec<u8> {
            let pictures = (10 * n..10 * n + 10).map(|pts| picture(pts, pts % 10 == 0));
            pictures.flatten().collect()
        };
        let mut replay = Replay::default();
        let groups: Vec<Vec<u8>> = (0..4).map(group).collect();
        for it in &groups {
            replay.push(&Bytes::from(it.clone()), None, || 0);
        }
        assert!(kept(&replay) == groups.concat(), "nothing went out");
        for (reached, first) in [(9, 0), (10, 1), (29, 2), (30, 3), (WRAP - 1, 3)] {
            replay.push(&Bytes::new(), Some(reached), || 0);
            assert!(kept(&replay) == groups[first..].concat(), "{reached}");
        }
    }

    #[test]
    fn what_is_too_old_to_go_out_is_not_kept() {
        let mut replay = Replay::default();
        let keys: Vec<Vec<u8>> = (0..10).map(|n| picture(n * 90_000, true)).collect();
        replay.push(&Bytes::from(keys.concat()), None, || 0);
        replay.push(&Bytes::new(), None, || 0);
        assert!(kept(&replay) == keys[5..].concat());
    }

    #[test]
    fn what_went_out_before_the_clocks_wrap_is_before_it() {
        let mut replay = Replay::default();
        let old = picture(u64::try_from(WRAP - 10).unwrap(), true);
        let new = picture(5, true);
        replay.push(
            &Bytes::from([old, new.clone()].concat()),
            Some(WRAP - 10),
            || 0,
        );
        let all = kept(&replay);
        assert_eq!(all.len(), 2 * PACKET);
        replay.push(&Bytes::new(), Some(5), || 0);
        assert!(kept(&replay) == new);
    }

    #[test]
    fn of_more_than_the_bound_the_newest_keyframes_are_kept() {
        let mut replay = Replay::default();
        let group = [picture(0, true), picture(1, false).repeat(9999)].concat();
        for _ in 0..10 {
            replay.push(&Bytes::from(group.clone()), OUT, || u64::MAX);
        }
        assert_eq!(kept(&replay).len(), MOST / group.len() * group.len());
    }

    #[test]
    fn tables_in_the_middle_are_no_beginning() {
        let mut replay = Replay::default();
        let stream = [
            pat(),
            picture(0, true),
            pat(),
            picture(1, false),
            picture(2, false),
        ]
        .concat();
        replay.push(&Bytes::from(stream.clone()), OUT, || 0);
        replay.push(&Bytes::new(), OUT, || 0);
        assert_eq!(kept(&replay), stream);
    }

    #[test]
    fn a_stream_without_marks_begins_with_its_segment() {
        let mut replay = Replay::default();
        replay.segment_begins();
        replay.push(&Bytes::from_static(b"first"), OUT, || 0);
        replay.segment_begins();
        replay.push(&Bytes::from_static(b"second"), OUT, || 0);
        assert_eq!(kept(&replay), b"second");
    }

    #[test]
    fn more_than_the_bound_is_not_kept() {
        let mut replay = Replay::default();
        replay.push(&Bytes::from(vec![0; MOST + 1]), OUT, || 0);
        assert!(kept(&replay).is_empty());
    }

    #[test]
    fn bytes_that_come_one_by_one_cost_no_more_memory_than_in_one_piece() {
        let mut replay = Replay::default();
        let byte = Bytes::from_static(b"x");
        (0..MOST / 8).for_each(|_| replay.push(&byte, OUT, || 0));
        assert_eq!(replay.kept.len(), MOST / 8);
        for queue in [&replay.all(), &replay.kept] {
            assert!(queue.pieces() <= 64, "{} pieces", queue.pieces());
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_is_the_end_of_the_stream_from_a_keyframe_on(
            pictures in proptest::collection::vec(proptest::bool::weighted(0.2), 1..80), step in 1usize..400,
        ) {
            let mut stream = Vec::new();
            let mut last_key = None;
            for (n, is_key) in pictures.iter().enumerate() {
                if *is_key {
                    last_key = Some(stream.len());
                    stream.extend(pat());
                }
                stream.extend(picture(n as u64, *is_key));
            }
            let mut replay = Replay::default();
            for bytes in stream.chunks(step) {
                replay.push(&Bytes::copy_from_slice(bytes), OUT, || 0);
            }
            replay.push(&Bytes::new(), OUT, || 0);
            prop_assert_eq!(kept(&replay), &stream[last_key.unwrap_or(0)..]);
        }
    }
}
