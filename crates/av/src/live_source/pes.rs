//! Units of an elementary stream out of the payloads of its packets (ISO/IEC 13818-1, 2.4.3.6). Pure.
//!
//! A unit is given out when its end is seen, not when the next one begins, which for pictures is a frame later: its length
//! says so, or its last packet holds stuffing, which nothing else has a use for. A source that stuffs in the middle of its
//! units is noticed when one goes on, and is waited for from then on.
//!
//! What was lost may have held the beginning of another unit, so that behind a loss nothing belongs to the present one: a
//! unit that is damaged is the first part of what was sent, at its time.

use framerill_media::{PesHead, TransportPacket};

/// Bytes of the largest unit; a keyframe of 4K at high quality has 4 MB.
const LARGEST: usize = 16 << 20;

/// A picture or some sound, as the source packed it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unit {
    /// Presentation time, modulo 2^33.
    pub(super) pts: Option<i64>,
    /// Decoding time, modulo 2^33.
    pub(super) dts: Option<i64>,
    /// Compressed.
    pub(super) bytes: Vec<u8>,
    /// Some of it was lost.
    pub(super) is_damaged: bool,
}

/// The machine, for one pid.
#[derive(Debug, Default)]
pub(super) struct Units {
    open: Option<Open>,
    counter: Option<u8>,
    /// The last unit was given out because of stuffing and nothing came since.
    ended_by_stuffing: bool,
    /// Stuffing is no sign of an end here.
    stuffs_inside: bool,
    /// Units of which a part came late or never.
    damaged: u64,
}

#[derive(Debug)]
struct Open {
    /// Header included.
    bytes: Vec<u8>,
    /// Bytes of its last packet.
    last: usize,
    /// Something was lost: what follows is none of it.
    is_damaged: bool,
}

impl Units {
    /// Takes a packet and returns units that are complete: the one before, that this one shows to be, and the one that ends
    /// here.
    pub(super) fn push(&mut self, packet: &TransportPacket<'_>) -> [Option<Unit>; 2] {
        if !packet.has_payload || self.is_sent_twice(packet) {
            return [None, None];
        }
        let expected = self.counter.map(|counter| (counter + 1) & 0x0f);
        let is_gap = expected.is_some_and(|at| at != packet.counter);
        self.counter = Some(packet.counter);
        // A segment may begin anywhere in the count, and says so or not.
        if is_gap && !(packet.is_start && packet.is_discontinuous()) {
            self.break_off(false);
        }
        let before = if packet.is_start { self.flush() } else { None };
        if packet.is_start {
            self.ended_by_stuffing = false;
            self.open = Some(Open {
                bytes: Vec::new(),
                last: 0,
                is_damaged: false,
            });
        }
        let Some(open) = &mut self.open else {
            if self.ended_by_stuffing {
                self.stuffs_inside = true;
                self.damaged += 1;
            }
            self.ended_by_stuffing = false;
            return [before, None];
        };
        if open.is_damaged {
            return [before, None];
        }
        open.bytes.extend_from_slice(packet.payload);
        open.last = packet.payload.len();
        if open.bytes.len() > LARGEST {
            self.open = None;
            self.damaged += 1;
            return [before, None];
        }
        let length = PesHead::length(&open.bytes);
        let is_whole = match length {
            Some(length) => open.bytes.len() >= length,
            None => packet.has_stuffing() && !self.stuffs_inside,
        };
        if !is_whole {
            return [before, None];
        }
        let unit = self.flush();
        self.ended_by_stuffing = length.is_none();
        [before, unit]
    }

    /// Bytes were lost. `is_torn`: the last packet ends with bytes of something else.
    pub(super) fn break_off(&mut self, is_torn: bool) {
        self.ended_by_stuffing = false;
        if let Some(open) = &mut self.open {
            if is_torn && !open.is_damaged {
                open.bytes.truncate(open.bytes.len() - open.last);
            }
            open.is_damaged = true;
        }
    }

    /// What there is of the unit that is open: nothing more of it comes.
    pub(super) fn flush(&mut self) -> Option<Unit> {
        let mut open = self.open.take()?;
        if let Some(length) = PesHead::length(&open.bytes) {
            open.is_damaged |= open.bytes.len() < length;
            open.bytes.truncate(length);
        }
        let unit = parse(&open);
        self.damaged += u64::from(unit.as_ref().is_none_or(|unit| unit.is_damaged));
        unit
    }

    /// A packet may be sent twice. A lost run of fifteen looks the same, but for what is in it.
    fn is_sent_twice(&self, packet: &TransportPacket<'_>) -> bool {
        let is_same = match &self.open {
            Some(open) if packet.is_start => open.bytes == packet.payload,
            Some(open) => open.bytes.ends_with(packet.payload),
            None => !packet.is_start,
        };
        self.counter == Some(packet.counter) && !packet.is_discontinuous() && is_same
    }

    /// Units of which a part came late or never.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }
}

fn parse(open: &Open) -> Option<Unit> {
    let head = PesHead::parse(&open.bytes)?;
    let ticks = |time: u64| i64::try_from(time).ok();
    let pts = head.pts.and_then(ticks);
    let bytes = open.bytes.get(head.content..)?;
    (!bytes.is_empty()).then(|| Unit {
        pts,
        dts: head.dts.and_then(ticks).or(pts),
        bytes: bytes.to_vec(),
        is_damaged: open.is_damaged,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SYNC: u8 = 0x47;

    /// Pushes a packet; `has_stuffing` is what is beside its own.
    fn push(
        units: &mut Units,
        (counter, is_start, has_stuffing): (u8, bool, bool),
        payload: &[u8],
    ) -> [Option<Unit>; 2] {
        let start = if is_start { 0x40 } else { 0 };
        let rest = 183 - payload.len();
        let mut bytes = vec![
            SYNC,
            start | 1,
            0,
            0x30 | counter,
            u8::try_from(rest).unwrap(),
        ];
        // Private data fills a field without stuffing.
        let field = match u8::try_from(rest).unwrap() {
            rest @ 2.. if !has_stuffing => vec![0x02, rest - 2],
            _ => vec![0x00],
        };
        bytes.extend(field);
        bytes.resize(5 + rest, 0xff);
        bytes.extend(payload);
        units.push(&TransportPacket::parse(&bytes).unwrap())
    }

    fn pes(length: u16, pts: i64, body: &[u8]) -> Vec<u8> {
        let part = |shift: u32, mask: i64| u8::try_from((pts >> shift) & mask).unwrap();
        let mut bytes = vec![0, 0, 1, 0xe0];
        bytes.extend(length.to_be_bytes());
        bytes.extend([0x80, 0x80, 5, 0x21 | part(30, 7) << 1, part(22, 0xff)]);
        bytes.extend([
            part(15, 0x7f) << 1 | 1,
            part(7, 0xff),
            part(0, 0x7f) << 1 | 1,
        ]);
        bytes.extend(body);
        bytes
    }

    fn bodies(units: [Option<Unit>; 2]) -> Vec<(Vec<u8>, bool)> {
        let units = units.into_iter().flatten();
        units.map(|unit| (unit.bytes, unit.is_damaged)).collect()
    }

    #[test]
    fn a_unit_ends_with_the_packet_that_holds_stuffing() {
        let mut units = Units::default();
        assert!(bodies(push(&mut units, (0, true, false), &pes(0, 1 << 32, b"abc"))).is_empty());
        assert!(bodies(push(&mut units, (1, false, false), b"def")).is_empty());
        let [before, unit] = push(&mut units, (2, false, true), b"g");
        assert_eq!(before, None);
        let unit = unit.unwrap();
        assert_eq!(
            (&unit.bytes[..], unit.pts, unit.dts),
            (&b"abcdefg"[..], Some(1 << 32), Some(1 << 32))
        );
        assert_eq!(
            bodies(push(&mut units, (3, true, true), &pes(0, 0, b"h"))),
            [(b"h".to_vec(), false)]
        );
    }

    #[test]
    fn without_stuffing_the_next_start_ends_a_unit_and_a_length_ends_it_before() {
        let mut units = Units::default();
        push(&mut units, (0, true, false), &pes(0, 9, b"abc"));
        assert_eq!(
            bodies(push(&mut units, (1, true, false), &pes(11, 9, b"de"))),
            [(b"abc".to_vec(), false)]
        );
        assert_eq!(
            bodies(push(&mut units, (2, false, false), b"fgh")),
            [(b"def".to_vec(), false)]
        );
        assert!(bodies(push(&mut units, (3, false, false), b"more")).is_empty());
        assert_eq!(units.damaged(), 0);
    }

    #[test]
    fn a_source_that_stuffs_inside_its_units_loses_one_and_is_then_waited_for() {
        let mut units = Units::default();
        push(&mut units, (0, true, false), &pes(0, 9, b"abc"));
        assert_eq!(bodies(push(&mut units, (1, false, true), b"d")).len(), 1);
        assert!(bodies(push(&mut units, (2, false, false), b"e")).is_empty());
        assert_eq!(units.damaged(), 1);
        push(&mut units, (3, true, false), &pes(0, 9, b"abc"));
        assert!(bodies(push(&mut units, (4, false, true), b"d")).is_empty());
        push(&mut units, (5, false, false), b"e");
        assert_eq!(
            bodies(push(&mut units, (6, true, false), &pes(0, 9, b"x"))),
            [(b"abcde".to_vec(), false)]
        );
    }

    #[test]
    fn a_lost_packet_damages_its_unit_and_one_sent_twice_does_not() {
        let mut units = Units::default();
        push(&mut units, (0, true, false), &pes(0, 9, b"abc"));
        push(&mut units, (1, false, false), b"d");
        push(&mut units, (1, false, false), b"d");
        assert_eq!(
            bodies(push(&mut units, (2, false, true), b"e")),
            [(b"abcde".to_vec(), false)]
        );
        push(&mut units, (3, true, false), &pes(0, 9, b"abc"));
        assert_eq!(bodies(push(&mut units, (5, false, true), b"e")), []);
        assert_eq!(
            bodies(push(&mut units, (6, true, true), &pes(0, 9, b"x"))),
            [(b"abc".to_vec(), true), (b"x".to_vec(), false)]
        );
        assert_eq!(units.damaged(), 1);
    }

    #[test]
    fn a_run_of_fifteen_lost_packets_is_no_packet_sent_twice() {
        let mut units = Units::default();
        push(&mut units, (0, true, false), &pes(0, 9, b"abc"));
        push(&mut units, (1, false, false), b"d");
        push(&mut units, (1, false, false), b"of another unit");
        push(&mut units, (2, false, true), b"of another unit");
        assert_eq!(
            bodies(push(&mut units, (3, true, true), &pes(0, 9, b"x"))),
            [(b"abcd".to_vec(), true), (b"x".to_vec(), false)]
        );
    }

    #[test]
    fn what_was_torn_is_taken_back() {
        let mut units = Units::default();
        push(&mut units, (0, true, false), &pes(0, 9, b"abc"));
        push(&mut units, (1, false, false), b"d");
        units.break_off(true);
        push(&mut units, (2, false, false), b"e");
        assert_eq!(
            bodies(push(&mut units, (3, true, true), &pes(0, 9, b"x"))),
            [(b"abc".to_vec(), true), (b"x".to_vec(), false)]
        );
    }

    proptest! {
        #[test]
        fn no_packets_harm(packets in proptest::collection::vec(
            (0u8..16, any::<bool>(), any::<bool>(), proptest::collection::vec(any::<u8>(), 0..40), any::<bool>()), 0..60)) {
            let mut units = Units::default();
            for (counter, is_start, has_stuffing, mut payload, is_pes) in packets {
                if is_pes {
                    payload = [&[0, 0, 1, 0xe0][..], &payload].concat();
                }
                for unit in push(&mut units, (counter, is_start, has_stuffing), &payload).into_iter().flatten() {
                    prop_assert!(!unit.bytes.is_empty());
                    prop_assert!(unit.pts.is_none_or(|pts| (0..1 << 33).contains(&pts)));
                }
            }
        }
    }
}
