//! The compressed input since its last keyframe, for a media process that takes up a stream. Pure.

use bytes::Bytes;
use framerill_media::{TransportFound, TransportPackets};

use super::queue::ByteQueue;

/// Bytes that are kept at most; more than that between two keyframes, and none are.
const MOST: usize = 8 << 20;

/// The pid of the table that comes first.
const PROGRAMS: u16 = 0;

/// The machine.
#[derive(Debug, Default)]
pub(super) struct Replay {
    packets: TransportPackets,
    kept: ByteQueue,
    /// A table came, and no picture since.
    table_at: Option<u64>,
    /// The stream marks its keyframes.
    has_marks: bool,
}

impl Replay {
    /// A segment of the channel begins: without marks, that is where a decoder can begin.
    pub(super) fn segment_begins(&mut self) {
        if !self.has_marks {
            self.kept.clear();
        }
    }

    /// More of the input.
    pub(super) fn push(&mut self, bytes: &Bytes) {
        self.kept.push(bytes.clone());
        let (mut begin, mut table_at) = (None, self.table_at);
        self.packets.push(bytes, |found| {
            let TransportFound::Packet { at, packet } = found else {
                return;
            };
            if packet.pid == PROGRAMS {
                table_at.get_or_insert(at);
            } else if packet.begins_picture() {
                let table = table_at.take();
                if packet.is_random_access() {
                    begin = Some(table.unwrap_or(at));
                }
            }
        });
        self.table_at = table_at;
        if let Some(begin) = begin {
            self.has_marks = true;
            self.forget_before(begin);
        }
        if self.kept.len() > MOST {
            self.kept.clear();
        }
    }

    /// What a new decoder reads first.
    pub(super) fn all(&mut self) -> ByteQueue {
        self.kept.copy()
    }

    fn forget_before(&mut self, begin: u64) {
        let since = usize::try_from(self.packets.taken() - begin).unwrap_or(usize::MAX);
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
        replay.push(&Bytes::from(stream.clone()));
        let expected = &stream[stream.len() - 11 * PACKET..];
        assert_eq!(kept(&replay), expected);
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
        replay.push(&Bytes::from(stream.clone()));
        assert_eq!(kept(&replay), stream);
    }

    #[test]
    fn a_stream_without_marks_begins_with_its_segment() {
        let mut replay = Replay::default();
        replay.segment_begins();
        replay.push(&Bytes::from_static(b"first"));
        replay.segment_begins();
        replay.push(&Bytes::from_static(b"second"));
        assert_eq!(kept(&replay), b"second");
    }

    #[test]
    fn more_than_the_bound_is_not_kept() {
        let mut replay = Replay::default();
        replay.push(&Bytes::from(vec![0; MOST + 1]));
        assert!(kept(&replay).is_empty());
    }

    #[test]
    fn bytes_that_come_one_by_one_cost_no_more_memory_than_in_one_piece() {
        let mut replay = Replay::default();
        let byte = Bytes::from_static(b"x");
        (0..MOST / 8).for_each(|_| replay.push(&byte));
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
                replay.push(&Bytes::copy_from_slice(bytes));
            }
            prop_assert_eq!(kept(&replay), &stream[last_key.unwrap_or(0)..]);
        }
    }
}
