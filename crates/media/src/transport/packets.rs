//! Packets in bytes however they are cut, and found again behind bytes that are none. Pure.
//!
//! A packet is told when its last byte is there: those behind it may come a frame later. When what comes is none, what was
//! told was perhaps none either, and a [`TransportFound::Break`] says so. Where that is known at once, the packet is not
//! told at all: a stream that breaks off in the middle of one and goes on with another holds what has the length of a
//! packet, the head of the first and bytes of the second.

use super::{SYNC, TRANSPORT_PACKET_BYTES, TransportPacket};

/// Packets in a row that show where they begin.
const SURE: usize = 3;

/// What is in the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportFound<'a> {
    /// A packet.
    Packet {
        /// Where it begins, in bytes since the first.
        at: u64,
        /// What it is.
        packet: TransportPacket<'a>,
    },
    /// Bytes that belong to no packet, and perhaps lost ones.
    Break {
        /// The packet that was told last may be a part of one with other bytes behind.
        is_last_torn: bool,
    },
}

/// The machine.
#[derive(Debug, Default)]
pub struct TransportPackets {
    /// Less than four packets.
    rest: Vec<u8>,
    /// Bytes before them.
    offset: u64,
    /// The first of them was looked at before anything was behind it; whether it was told.
    early: Option<bool>,
    /// Bytes in a row that belong to no packet.
    lost: u64,
    /// Bytes that belong to no packet.
    skipped: u64,
    breaks: u64,
}

impl TransportPackets {
    /// Takes bytes, and tells what is in them.
    pub fn push(&mut self, bytes: &[u8], tell: impl FnMut(TransportFound<'_>)) {
        self.rest.extend_from_slice(bytes);
        self.find(false, tell);
    }

    /// No more bytes come behind these: tells what is left. What is pushed then begins anew.
    pub fn finish(&mut self, tell: impl FnMut(TransportFound<'_>)) {
        self.find(true, tell);
        if self.early.is_none() {
            self.skipped += self.rest.len() as u64;
        }
        self.offset += self.rest.len() as u64;
        self.rest.clear();
        (self.early, self.lost) = (None, 0);
    }

    /// Bytes so far.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.offset + self.rest.len() as u64
    }

    /// Bytes in a row since the last packet.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// All bytes that belong to no packet.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// How often packets were lost from sight.
    #[must_use]
    pub fn breaks(&self) -> u64 {
        self.breaks
    }

    fn find(&mut self, is_all: bool, mut tell: impl FnMut(TransportFound<'_>)) {
        let mut at = 0;
        while let Some(bytes) = self.rest.get(at..at + TRANSPORT_PACKET_BYTES) {
            let begins = |packets: usize| {
                let byte = self.rest.get(at + packets * TRANSPORT_PACKET_BYTES);
                byte.map(|byte| *byte == SYNC)
            };
            let row = (0..SURE).map(begins);
            if row.clone().any(|it| it == Some(false)) {
                if self.lost == 0 {
                    let is_last_torn = self.early.take().unwrap_or(false);
                    tell(TransportFound::Break { is_last_torn });
                    self.breaks += 1;
                }
                (self.lost, self.skipped) = (self.lost + 1, self.skipped + 1);
                at += 1;
                continue;
            }
            if self.lost > 0 && !is_all && row.clone().any(|it| it.is_none()) {
                break;
            }
            self.lost = 0;
            let is_told = self.early.unwrap_or_else(|| {
                let packet = TransportPacket::parse(bytes);
                let at = self.offset + at as u64;
                packet
                    .map(|packet| tell(TransportFound::Packet { at, packet }))
                    .is_some()
            });
            if begins(1).is_none() {
                self.early = Some(is_told);
                break;
            }
            self.early = None;
            at += TRANSPORT_PACKET_BYTES;
        }
        self.rest.drain(..at);
        self.offset += at as u64;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::fixture::packet, *};

    /// Pid and payload of what is told, without what was torn.
    fn read(packets: &mut TransportPackets, parts: &[&[u8]]) -> Vec<(u64, u16, Vec<u8>)> {
        let mut all = Vec::new();
        let mut take = |found: TransportFound<'_>| match found {
            TransportFound::Packet { at, packet } => {
                all.push((at, packet.pid, packet.payload.to_vec()));
            }
            TransportFound::Break { is_last_torn: true } => drop(all.pop()),
            TransportFound::Break { .. } => {}
        };
        for part in parts {
            packets.push(part, &mut take);
        }
        packets.finish(take);
        all
    }

    fn numbered(count: u16) -> Vec<u8> {
        let packets = (0..count).map(|n| packet(n, false, false, b"payload"));
        packets.collect::<Vec<_>>().concat()
    }

    #[test]
    fn a_packet_is_told_with_its_last_byte() {
        let mut packets = TransportPackets::default();
        let stream = numbered(2);
        let mut count = 0;
        for (n, byte) in stream.iter().enumerate() {
            packets.push(&[*byte], |_| count += 1);
            assert_eq!(count, (n + 1) / TRANSPORT_PACKET_BYTES);
        }
    }

    #[test]
    fn packets_behind_foreign_bytes_are_found_again() {
        let page = b"<html>G</html>";
        let stream = [page, &numbered(4)[..]].concat();
        let mut packets = TransportPackets::default();
        let found = read(&mut packets, &[&stream]);
        assert_eq!(found.len(), 4);
        assert_eq!(found[0].0, 14);
        assert_eq!((packets.breaks(), packets.skipped()), (1, 14));
    }

    #[test]
    fn a_packet_that_goes_on_as_another_one_is_none_and_the_other_one_is_there() {
        let stream = numbered(8);
        for cut in TRANSPORT_PACKET_BYTES + 1..2 * TRANSPORT_PACKET_BYTES {
            let (left, rest) = (&stream[..cut], &stream[2 * TRANSPORT_PACKET_BYTES..]);
            for parts in [&[left, rest][..], &[left, &[9; 1000], rest]] {
                let found = read(&mut TransportPackets::default(), parts);
                let pids: Vec<u16> = found.into_iter().map(|(_, pid, _)| pid).collect();
                assert_eq!(pids, [0, 2, 3, 4, 5, 6, 7], "{cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_cut_of_packets_gives_the_same(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..3000),
            cuts in proptest::collection::vec(1usize..400, 1..20),
        ) {
            for byte in bytes.iter_mut().step_by(TRANSPORT_PACKET_BYTES) {
                *byte = SYNC;
            }
            let mut packets = TransportPackets::default();
            let whole = read(&mut packets, &[&bytes]);
            let (mut parts, mut left) = (Vec::new(), &bytes[..]);
            for cut in cuts.iter().cycle() {
                if left.is_empty() {
                    break;
                }
                let (now, later) = left.split_at((*cut).min(left.len()));
                parts.push(now);
                left = later;
            }
            let mut packets = TransportPackets::default();
            prop_assert_eq!(read(&mut packets, &parts), whole);
            prop_assert_eq!(packets.taken(), bytes.len() as u64);
        }

        #[test]
        fn little_is_kept_of_any_bytes(parts in proptest::collection::vec(
            proptest::collection::vec(prop_oneof![Just(SYNC), any::<u8>()], 0..300), 0..20)) {
            let (mut packets, mut all) = (TransportPackets::default(), Vec::new());
            for part in parts {
                all.extend(&part);
                packets.push(&part, |found| {
                    if let TransportFound::Packet { at, packet } = found {
                        let at = usize::try_from(at).unwrap();
                        let bytes = &all[at..at + TRANSPORT_PACKET_BYTES];
                        assert_eq!(TransportPacket::parse(bytes), Some(packet));
                    }
                });
                prop_assert_eq!(packets.taken(), all.len() as u64);
                prop_assert!(packets.rest.len() <= SURE * TRANSPORT_PACKET_BYTES);
            }
        }
    }
}
