//! One packet (2.4.3.2). Pure.

use super::SYNC;

/// Bytes of a packet.
pub const TRANSPORT_PACKET_BYTES: usize = 188;

/// What a packet says of itself, and what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportPacket<'a> {
    /// Which elementary stream or table it belongs to.
    pub pid: u16,
    /// A unit or a section begins in it.
    pub is_start: bool,
    /// Counts the packets of a pid that carry something, modulo 16.
    pub counter: u8,
    /// It carries something, if only nothing.
    pub has_payload: bool,
    /// What it carries.
    pub payload: &'a [u8],
    /// None without an adaptation field; an empty one is a byte of stuffing.
    adaptation: Option<&'a [u8]>,
}

impl<'a> TransportPacket<'a> {
    /// Reads one; none of bytes that are no packet, or one that is damaged or scrambled.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let &[SYNC, high, low, control, ref rest @ ..] = bytes else {
            return None;
        };
        let has_error = high & 0x80 != 0;
        let is_scrambled = control & 0xc0 != 0;
        if has_error || is_scrambled || bytes.len() != TRANSPORT_PACKET_BYTES {
            return None;
        }
        let (adaptation, payload) = if control & 0x20 != 0 {
            let (length, rest) = rest.split_first()?;
            let (adaptation, payload) = rest.split_at_checked(usize::from(*length))?;
            (Some(adaptation), payload)
        } else {
            (None, rest)
        };
        let has_payload = control & 0x10 != 0;
        Some(Self {
            pid: u16::from_be_bytes([high & 0x1f, low]),
            is_start: high & 0x40 != 0,
            counter: control & 0x0f,
            has_payload,
            payload: if has_payload { payload } else { &[] },
            adaptation,
        })
    }

    /// The counter may jump here.
    #[must_use]
    pub fn is_discontinuous(&self) -> bool {
        self.flags() & 0x80 != 0
    }

    /// A decoder can begin here.
    #[must_use]
    pub fn is_random_access(&self) -> bool {
        self.flags() & 0x40 != 0
    }

    /// It carries less than it could: what it is a part of ends with it.
    #[must_use]
    pub fn has_stuffing(&self) -> bool {
        self.adaptation
            .is_some_and(|field| used(field) < field.len().max(1))
    }

    /// A picture's unit begins in it.
    #[must_use]
    pub fn begins_picture(&self) -> bool {
        self.is_start && matches!(self.payload, [0, 0, 1, 0xe0..=0xef, ..])
    }

    fn flags(&self) -> u8 {
        let field = self.adaptation.unwrap_or_default();
        field.first().copied().unwrap_or(0)
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stuffing_is_what_an_adaptation_field_holds_beside_its_own() {
        let with = |adaptation: &[u8]| {
            let mut bytes = vec![SYNC, 1, 0, 0x30, u8::try_from(adaptation.len()).unwrap()];
            bytes.extend(adaptation);
            bytes.resize(TRANSPORT_PACKET_BYTES, 9);
            TransportPacket::parse(&bytes).unwrap().has_stuffing()
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
    fn damaged_and_scrambled_packets_are_none() {
        let mut bytes = [9; TRANSPORT_PACKET_BYTES];
        bytes[..4].copy_from_slice(&[SYNC, 0x41, 0x00, 0x17]);
        let packet = TransportPacket::parse(&bytes).unwrap();
        assert_eq!(
            (packet.pid, packet.is_start, packet.counter, packet.payload),
            (0x100, true, 7, &[9; 184][..])
        );
        for (at, value) in [(0, 0x48), (1, 0xc1), (3, 0x90)] {
            let mut damaged = bytes;
            damaged[at] = value;
            assert_eq!(TransportPacket::parse(&damaged), None);
        }
        assert_eq!(TransportPacket::parse(&bytes[..187]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..400),
            control in any::<u8>(), length in any::<u8>(), is_whole: bool,
        ) {
            if is_whole {
                bytes.resize(TRANSPORT_PACKET_BYTES, 0xff);
                (bytes[0], bytes[3], bytes[4]) = (SYNC, control, length);
            }
            if let Some(packet) = TransportPacket::parse(&bytes) {
                let has_field = bytes[3] & 0x20 != 0;
                prop_assert!(packet.payload.len() <= 184 && packet.counter < 16 && packet.pid < 1 << 13);
                prop_assert!(!packet.has_stuffing() || has_field);
                prop_assert!(!packet.begins_picture() || packet.has_payload);
                prop_assert!(!packet.is_discontinuous() || has_field);
                prop_assert!(!packet.is_random_access() || has_field);
            }
        }
    }
}
