//! Transport packets out of bytes (ISO/IEC 13818-1, 2.4.3). Pure.

/// Bytes of a packet.
pub(super) const PACKET: usize = 188;
/// What each packet begins with.
pub(super) const SYNC: u8 = 0x47;
/// The identifier of packets that hold nothing.
const NULL_PID: u16 = 0x1fff;

/// What a packet says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Which elementary stream or table it belongs to.
    pub(super) pid: u16,
    /// A PES packet or a section begins in it.
    pub(super) is_start: bool,
    /// Counts the packets of a pid that hold something, modulo 16.
    pub(super) counter: u8,
    /// The counter may jump here.
    pub(super) discontinuous: bool,
    /// It holds less than it could: what it is a part of ends with it.
    pub(super) has_stuffing: bool,
}

/// The machine: finds packets, and finds them again behind bytes that are none.
#[derive(Debug, Default)]
pub(super) struct Packets {
    rest: Vec<u8>,
    /// Bytes in a row that belong to no packet.
    lost: u64,
    /// Places where packets were lost from sight.
    breaks: u64,
}

impl Packets {
    /// Takes bytes and tells each packet that is complete.
    pub(super) fn push(&mut self, bytes: &[u8], mut tell: impl FnMut(Head, &[u8])) {
        self.rest.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(packet) = self.rest.get(at..at + PACKET) {
            // Behind a break one sync byte is not enough.
            let next = self.rest.get(at + PACKET);
            if self.lost > 0 && packet[0] == SYNC && next.is_none() {
                break;
            }
            if packet[0] != SYNC || (self.lost > 0 && next != Some(&SYNC)) {
                self.breaks += u64::from(self.lost == 0);
                self.lost += 1;
                at += 1;
                continue;
            }
            self.lost = 0;
            if let Some((head, payload)) = parse(packet) {
                tell(head, payload);
            }
            at += PACKET;
        }
        self.rest.drain(..at);
    }

    /// Bytes since the last packet.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Places where packets were lost from sight.
    pub(super) fn breaks(&self) -> u64 {
        self.breaks
    }
}

/// Head and payload, of packets that hold some which can be read.
fn parse(packet: &[u8]) -> Option<(Head, &[u8])> {
    let has_error = packet[1] & 0x80 != 0;
    let is_scrambled = packet[3] & 0xc0 != 0;
    let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
    if has_error || is_scrambled || pid == NULL_PID {
        return None;
    }
    let has_adaptation = packet[3] & 0x20 != 0;
    let has_payload = packet[3] & 0x10 != 0;
    if !has_payload {
        return None;
    }
    let adaptation = if has_adaptation {
        let length = usize::from(packet[4]);
        packet.get(5..5 + length)?
    } else {
        &[]
    };
    let begin = if has_adaptation {
        5 + adaptation.len()
    } else {
        4
    };
    let head = Head {
        pid,
        is_start: packet[1] & 0x40 != 0,
        counter: packet[3] & 0x0f,
        discontinuous: adaptation.first().is_some_and(|flags| flags & 0x80 != 0),
        has_stuffing: has_adaptation && used(adaptation) < adaptation.len().max(1),
    };
    Some((head, &packet[begin..]))
}

/// Bytes of an adaptation field that say something. An empty one is a byte of stuffing itself.
fn used(adaptation: &[u8]) -> usize {
    let flags = match adaptation.first() {
        // Two bytes are filled with a length of one and no flag.
        None | Some(0) => return 0,
        Some(flags) => flags,
    };
    let mut used = 1;
    for (flag, bytes) in [(0x10, 6), (0x08, 6), (0x04, 1)] {
        used += if flags & flag != 0 { bytes } else { 0 };
    }
    for flag in [0x02, 0x01] {
        if flags & flag != 0 {
            used += 1 + adaptation
                .get(used)
                .map_or(0, |length| usize::from(*length));
        }
    }
    used
}

/// Whether bytes are a transport stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sniff {
    /// They are, from that byte on.
    Transport(usize),
    /// They are something else.
    Other,
    /// More have to come first.
    Unclear,
}

/// What bytes at the beginning of a stream are. `is_all`: no more will come.
pub(super) fn sniff(bytes: &[u8], is_all: bool) -> Sniff {
    /// Packets in a row that show it, at the first byte and behind others.
    const SURE: [usize; 2] = [3, 5];
    let shows = |at: usize, count: usize| {
        let places = (0..count).map(|n| at + n * PACKET);
        let seen = places.clone().take_while(|place| *place < bytes.len());
        let all = seen.clone().all(|place| bytes[place] == SYNC);
        (all, seen.count() == count)
    };
    match shows(0, SURE[0]) {
        (true, true) => return Sniff::Transport(0),
        (true, false) if is_all && bytes.len() >= PACKET => return Sniff::Transport(0),
        (true, false) if !is_all => return Sniff::Unclear,
        _ => {}
    }
    for at in 1..PACKET {
        if shows(at, SURE[1]) == (true, true) {
            return Sniff::Transport(at);
        }
    }
    if is_all || bytes.len() >= PACKET * (SURE[1] + 1) {
        Sniff::Other
    } else {
        Sniff::Unclear
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(pid: u16, counter: u8, fill: u8) -> Vec<u8> {
        let [high, low] = pid.to_be_bytes();
        let mut packet = vec![SYNC, high, low, 0x10 | counter & 0x0f];
        packet.resize(PACKET, fill);
        packet
    }

    fn read(packets: &mut Packets, bytes: &[u8]) -> Vec<(Head, Vec<u8>)> {
        let mut all = Vec::new();
        packets.push(bytes, |head, payload| all.push((head, payload.to_vec())));
        all
    }

    #[test]
    fn packets_behind_foreign_bytes_are_found_again() {
        let mut bytes = packet(256, 0, 1);
        bytes.extend(b"<html>G</html>");
        for n in 1..4 {
            bytes.extend(packet(256, n, 1));
        }
        let mut packets = Packets::default();
        let found = read(&mut packets, &bytes);
        let counters: Vec<u8> = found.iter().map(|(head, _)| head.counter).collect();
        assert_eq!(counters, [0, 1, 2, 3]);
        assert_eq!((packets.breaks(), packets.lost()), (1, 0));
    }

    #[test]
    fn stuffing_is_what_an_adaptation_field_holds_beside_its_own() {
        let with = |adaptation: &[u8]| {
            let mut bytes = packet(256, 0, 9);
            bytes[3] |= 0x20;
            bytes[4] = u8::try_from(adaptation.len()).unwrap();
            bytes[5..5 + adaptation.len()].copy_from_slice(adaptation);
            read(&mut Packets::default(), &bytes)[0].0.has_stuffing
        };
        assert!(with(&[]), "the byte of its length");
        assert!(!with(&[0x10, 1, 2, 3, 4, 5, 6]), "a clock only");
        assert!(with(&[0x10, 1, 2, 3, 4, 5, 6, 0xff]));
        assert!(!with(&[0x02, 2, 7, 7]), "private data only");
        assert!(with(&[0x00, 0xff]));
        assert!(with(&[0x00]), "two bytes");
        assert!(!with(&[0x40]), "a flag only");
    }

    #[test]
    fn a_transport_stream_is_told_from_a_page_and_from_a_file() {
        let stream: Vec<u8> = (0..5).flat_map(|n| packet(0, n, 0)).collect();
        assert_eq!(sniff(&stream, false), Sniff::Transport(0));
        assert_eq!(sniff(&stream[100..], false), Sniff::Unclear);
        assert_eq!(sniff(&stream[..200], false), Sniff::Unclear);
        assert_eq!(sniff(&stream[..200], true), Sniff::Transport(0));
        assert_eq!(sniff(b"<html>not found</html>", true), Sniff::Other);
        assert_eq!(sniff(&[b'x'; 2000], false), Sniff::Other);
        assert_eq!(sniff(b"GIF89a", true), Sniff::Other);
    }

    proptest! {
        #[test]
        fn any_cut_of_any_bytes_gives_the_same_packets(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..3000),
            syncs in any::<bool>(), cuts in proptest::collection::vec(1usize..400, 1..20),
        ) {
            if syncs {
                for at in (0..bytes.len()).step_by(PACKET) {
                    bytes[at] = SYNC;
                }
            }
            let whole = read(&mut Packets::default(), &bytes);
            let (mut packets, mut parts, mut left) = (Packets::default(), Vec::new(), &bytes[..]);
            for cut in cuts.iter().cycle() {
                if left.is_empty() {
                    break;
                }
                let (now, later) = left.split_at((*cut).min(left.len()));
                parts.extend(read(&mut packets, now));
                left = later;
                prop_assert!(packets.rest.len() <= PACKET);
            }
            prop_assert_eq!(parts, whole);
        }
    }
}
