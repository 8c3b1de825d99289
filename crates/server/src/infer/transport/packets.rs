//! Packets of a transport stream (ISO/IEC 13818-1, 2.4.3.2) out of bytes however they are cut. Pure.

/// Bytes of a packet.
pub(super) const PACKET: usize = 188;
const SYNC: u8 = 0x47;

/// One packet.
pub(super) struct Packet<'a>(&'a [u8]);

impl Packet<'_> {
    pub(super) fn is_pat(&self) -> bool {
        u16::from_be_bytes([self.0[1] & 0x1F, self.0[2]]) == 0
    }

    /// Whether a decoder can begin here.
    pub(super) fn is_random_access(&self) -> bool {
        let has_field = self.0[3] & 0x20 != 0;
        has_field && self.0[4] > 0 && self.0[5] & 0x40 != 0
    }

    /// The beginning of a video PES packet.
    pub(super) fn video_pes(&self) -> Option<&[u8]> {
        let begins = self.0[1] & 0x40 != 0;
        let payload = match self.0[3] & 0x30 {
            0x10 => 4,
            0x30 => 5 + usize::from(self.0[4]),
            _ => return None,
        };
        let pes = self.0.get(payload..).filter(|_| begins)?;
        matches!(pes, [0, 0, 1, 0xE0..=0xEF, ..]).then_some(pes)
    }
}

/// The pts of a PES packet, 33 bits of 1/90000 s.
pub(super) fn pts(pes: &[u8]) -> Option<i64> {
    let [a, b, c, d, e] = *pes.get(9..14)?.first_chunk()?;
    let has_pts = pes.get(7)? & 0x80 != 0;
    let bits = |byte: u8, mask: u8, shift: u32| i64::from(byte & mask) << shift;
    let high = bits(a, 0x0E, 29);
    let middle = bits(b, 0xFF, 22) | bits(c, 0xFE, 14);
    let low = bits(d, 0xFF, 7) | bits(e, 0xFE, 0) >> 1;
    has_pts.then_some(high | middle | low)
}

/// Finds packets. What is no transport stream has none.
#[derive(Debug, Default)]
pub(super) struct Packets {
    rest: Vec<u8>,
    /// Bytes before `rest`.
    offset: u64,
}

impl Packets {
    /// Takes bytes, and tells of each packet where it begins.
    pub(super) fn push(&mut self, bytes: &[u8], mut each: impl FnMut(u64, Packet<'_>)) {
        self.rest.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(packet) = self.rest.get(at..at + PACKET) {
            if packet[0] == SYNC {
                each(self.offset + at as u64, Packet(packet));
                at += PACKET;
            } else {
                let sync = packet.iter().position(|byte| *byte == SYNC);
                at += sync.unwrap_or(PACKET);
            }
        }
        self.rest.drain(..at);
        self.offset += at as u64;
    }

    /// Bytes so far.
    pub(super) fn taken(&self) -> u64 {
        self.offset + self.rest.len() as u64
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A packet that begins a picture.
    pub(in super::super) fn picture(pts: u64, is_key: bool) -> Vec<u8> {
        let mut packet = vec![0xFF; PACKET];
        packet[..4].copy_from_slice(&[SYNC, 0x41, 0x00, 0x30]);
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
    pub(in super::super) fn pat() -> Vec<u8> {
        let mut packet = vec![0; PACKET];
        packet[..4].copy_from_slice(&[SYNC, 0x40, 0x00, 0x10]);
        packet
    }

    #[test]
    fn a_picture_tells_its_pts_to_the_last_bit() {
        for wanted in [0, 1, 90_000, (1 << 33) - 1, 0x1_2345_6789] {
            let mut found = Vec::new();
            Packets::default().push(&picture(wanted, true), |_, packet| {
                assert!(packet.is_random_access());
                found.push(packet.video_pes().and_then(pts));
            });
            assert_eq!(found, [Some(i64::try_from(wanted).unwrap())]);
        }
    }

    proptest! {
        #[test]
        fn packets_are_found_however_they_are_cut(step in 1usize..500, count in 1usize..20, junk in 0usize..100) {
            let mut stream = vec![0u8; junk];
            for n in 0..count {
                stream.extend(picture(n as u64 * 3000, n == 0));
            }
            let mut packets = Packets::default();
            let mut found = Vec::new();
            for bytes in stream.chunks(step) {
                packets.push(bytes, |at, packet| found.push((at, packet.video_pes().and_then(pts))));
            }
            let expected: Vec<_> = (0..count).map(|n| ((junk + n * PACKET) as u64, Some(n as i64 * 3000))).collect();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(packets.taken(), stream.len() as u64);
        }

        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..2000), step in 1usize..300) {
            let mut packets = Packets::default();
            for bytes in bytes.chunks(step) {
                packets.push(bytes, |_, packet| { packet.is_pat(); packet.is_random_access(); packet.video_pes().and_then(pts); });
            }
            prop_assert!(packets.rest.len() < 2 * PACKET);
        }
    }
}
