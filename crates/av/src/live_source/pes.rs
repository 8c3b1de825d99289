//! Units of an elementary stream out of the payloads of its packets (ISO/IEC 13818-1, 2.4.3.6). Pure.
//!
//! A unit is given out when its end is seen, not when the next one begins, which for pictures is a frame later: its length
//! says so, or its last packet holds stuffing, which nothing else has a use for. A source that stuffs in the middle of its
//! units is noticed when one goes on, and is waited for from then on.

use super::transport::Head;

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
    is_damaged: bool,
}

impl Units {
    /// Takes the payload of a packet and returns units that are complete: the one before, that this one shows to be, and
    /// the one that ends here.
    pub(super) fn push(&mut self, head: Head, payload: &[u8]) -> [Option<Unit>; 2] {
        let expected = self.counter.map(|counter| (counter + 1) & 0x0f);
        let is_same = match &self.open {
            // A segment may begin anywhere in the count.
            Some(open) if head.is_start => open.bytes == payload,
            _ => !head.is_start,
        };
        if !head.discontinuous && self.counter == Some(head.counter) && is_same {
            // Sent twice, which is allowed.
            return [None, None];
        }
        let is_gap = !head.discontinuous && expected.is_some_and(|at| at != head.counter);
        self.counter = Some(head.counter);
        if is_gap && let Some(open) = &mut self.open {
            open.is_damaged = true;
        }
        let before = if head.is_start { self.flush() } else { None };
        if head.is_start {
            self.ended_by_stuffing = false;
            self.open = Some(Open {
                bytes: Vec::new(),
                is_damaged: false,
            });
        }
        let Some(open) = &mut self.open else {
            if self.ended_by_stuffing && !is_gap {
                self.stuffs_inside = true;
                self.damaged += 1;
            }
            self.ended_by_stuffing = false;
            return [before, None];
        };
        open.bytes.extend_from_slice(payload);
        if open.bytes.len() > LARGEST {
            self.open = None;
            self.damaged += 1;
            return [before, None];
        }
        let is_whole = match length(&open.bytes) {
            Some(length) => open.bytes.len() >= length,
            None => head.has_stuffing && !self.stuffs_inside,
        };
        if !is_whole {
            return [before, None];
        }
        let has_length = length(&open.bytes).is_some();
        let unit = self.flush();
        self.ended_by_stuffing = !has_length;
        [before, unit]
    }

    /// What there is of the unit that is open: nothing more of it comes.
    pub(super) fn flush(&mut self) -> Option<Unit> {
        let mut open = self.open.take()?;
        if let Some(length) = length(&open.bytes) {
            open.is_damaged |= open.bytes.len() < length;
            open.bytes.truncate(length);
        }
        let unit = parse(&open);
        self.damaged += u64::from(unit.as_ref().is_none_or(|unit| unit.is_damaged));
        unit
    }

    /// Units of which a part came late or never.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }
}

/// Bytes of a unit with its header, when it says so.
fn length(bytes: &[u8]) -> Option<usize> {
    let length = usize::from(u16::from_be_bytes([*bytes.get(4)?, *bytes.get(5)?]));
    (length > 0).then_some(6 + length)
}

fn parse(open: &Open) -> Option<Unit> {
    let bytes = &open.bytes;
    let is_media = matches!(bytes.get(3)?, 0xbd | 0xc0..=0xef | 0xfd);
    if !bytes.starts_with(&[0, 0, 1]) || !is_media || bytes.get(6)? & 0xc0 != 0x80 {
        return None;
    }
    let flags = bytes.get(7)? >> 6;
    let body = 9 + usize::from(*bytes.get(8)?);
    let pts = (flags & 2 != 0).then(|| time(bytes.get(9..14)?)).flatten();
    let dts = (flags == 3).then(|| time(bytes.get(14..19)?)).flatten();
    let bytes = bytes.get(body..).filter(|bytes| !bytes.is_empty())?;
    Some(Unit {
        pts,
        dts: dts.or(pts),
        bytes: bytes.to_vec(),
        is_damaged: open.is_damaged,
    })
}

/// 33 bits in five bytes, with a marker behind each part.
fn time(bytes: &[u8]) -> Option<i64> {
    let [a, b, c, d, e] = bytes else { return None };
    let has_markers = a & 1 == 1 && c & 1 == 1 && e & 1 == 1;
    let part = |high: u8, low: u8| i64::from(u16::from_be_bytes([high, low]) >> 1);
    let ticks = i64::from((a >> 1) & 7) << 30 | part(*b, *c) << 15 | part(*d, *e);
    has_markers.then_some(ticks)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(counter: u8, is_start: bool, has_stuffing: bool) -> Head {
        Head {
            pid: 256,
            is_start,
            counter,
            discontinuous: false,
            has_stuffing,
        }
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
        assert!(bodies(units.push(head(0, true, false), &pes(0, 1 << 32, b"abc"))).is_empty());
        assert!(bodies(units.push(head(1, false, false), b"def")).is_empty());
        let [before, unit] = units.push(head(2, false, true), b"g");
        assert_eq!(before, None);
        let unit = unit.unwrap();
        assert_eq!(
            (&unit.bytes[..], unit.pts, unit.dts),
            (&b"abcdefg"[..], Some(1 << 32), Some(1 << 32))
        );
        assert_eq!(
            bodies(units.push(head(3, true, true), &pes(0, 0, b"h"))),
            [(b"h".to_vec(), false)]
        );
    }

    #[test]
    fn without_stuffing_the_next_start_ends_a_unit_and_a_length_ends_it_before() {
        let mut units = Units::default();
        units.push(head(0, true, false), &pes(0, 9, b"abc"));
        assert_eq!(
            bodies(units.push(head(1, true, false), &pes(11, 9, b"de"))),
            [(b"abc".to_vec(), false)]
        );
        assert_eq!(
            bodies(units.push(head(2, false, false), b"fgh")),
            [(b"def".to_vec(), false)]
        );
        assert!(bodies(units.push(head(3, false, false), b"more")).is_empty());
        assert_eq!(units.damaged(), 0);
    }

    #[test]
    fn a_source_that_stuffs_inside_its_units_loses_one_and_is_then_waited_for() {
        let mut units = Units::default();
        units.push(head(0, true, false), &pes(0, 9, b"abc"));
        assert_eq!(bodies(units.push(head(1, false, true), b"d")).len(), 1);
        assert!(bodies(units.push(head(2, false, false), b"e")).is_empty());
        assert_eq!(units.damaged(), 1);
        units.push(head(3, true, false), &pes(0, 9, b"abc"));
        assert!(bodies(units.push(head(4, false, true), b"d")).is_empty());
        units.push(head(5, false, false), b"e");
        assert_eq!(
            bodies(units.push(head(6, true, false), &pes(0, 9, b"x"))),
            [(b"abcde".to_vec(), false)]
        );
    }

    #[test]
    fn a_lost_packet_damages_its_unit_and_one_sent_twice_does_not() {
        let mut units = Units::default();
        units.push(head(0, true, false), &pes(0, 9, b"abc"));
        units.push(head(1, false, false), b"d");
        units.push(head(1, false, false), b"d");
        assert_eq!(
            bodies(units.push(head(2, false, true), b"e")),
            [(b"abcde".to_vec(), false)]
        );
        units.push(head(3, true, false), &pes(0, 9, b"abc"));
        assert_eq!(
            bodies(units.push(head(5, false, true), b"e")),
            [(b"abce".to_vec(), true)]
        );
        assert_eq!(units.damaged(), 1);
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
                for unit in units.push(head(counter, is_start, has_stuffing), &payload).into_iter().flatten() {
                    prop_assert!(!unit.bytes.is_empty());
                    prop_assert!(unit.pts.is_none_or(|pts| (0..1 << 33).contains(&pts)));
                }
            }
        }
    }
}
