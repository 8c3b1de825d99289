//! Transport streams (ISO/IEC 13818-1), from bytes to what they are packets of. Whatever the bytes are, nothing panics, and
//! nothing is kept that they ask for.
//!
//! `packets` finds packets in bytes, `packet` reads one, `pes` reads what a unit begins with, `scanner` puts units together
//! for who judges from outside, `pieces` cuts a whole stream into them.

mod packet;
mod packets;
mod pes;
mod pieces;
mod scanner;

pub use packet::{TRANSPORT_PACKET_BYTES, TransportPacket};
pub use packets::{TransportFound, TransportPackets};
pub use pes::{PesHead, TRANSPORT_CLOCK, transport_stamp};
pub use pieces::transport_pieces;
pub use scanner::{Pes, Track, TransportScanner};

pub(crate) const SYNC: u8 = 0x47;

/// Streams for the tests of this room.
#[cfg(test)]
mod fixture {
    use super::{SYNC, TRANSPORT_PACKET_BYTES};

    /// A packet that holds a little, behind stuffing.
    pub(super) fn packet(pid: u16, starts: bool, key: bool, payload: &[u8]) -> Vec<u8> {
        let [high, low] = pid.to_be_bytes();
        let stuffing = TRANSPORT_PACKET_BYTES - 4 - 2 - payload.len();
        let start = if starts { 0x40 } else { 0 };
        let mut bytes = vec![SYNC, high | start, low, 0x30];
        bytes.push(u8::try_from(stuffing + 1).expect("small"));
        bytes.push(if key { 0x40 } else { 0 });
        bytes.extend(std::iter::repeat_n(0xff, stuffing));
        bytes.extend_from_slice(payload);
        bytes
    }

    fn section(body: &[u8]) -> Vec<u8> {
        let length = u8::try_from(body.len() + 4).expect("small");
        let mut table = vec![0, 0, 0xb0, length];
        table.extend_from_slice(body);
        table.extend([0; 4]);
        table
    }

    /// A programme of H.264 at 0x100 and Opus at 0x101.
    pub(super) fn tables() -> Vec<u8> {
        let programmes = section(&[0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0]);
        let map = section(&[
            0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0, 0x1b, 0xe1, 0, 0xf0, 0, 0x06, 0xe1, 1, 0xf0, 2, 5,
            0,
        ]);
        [
            packet(0, true, false, &programmes),
            packet(0x1000, true, false, &map),
        ]
        .concat()
    }

    /// The time `ticks` in five bytes, behind `prefix`.
    pub(super) fn stamp(prefix: u8, ticks: u64) -> [u8; 5] {
        let part = |shift: u32, mask: u64| u8::try_from(ticks >> shift & mask).expect("masked");
        [
            prefix << 4 | 1 | part(30, 7) << 1,
            part(22, 0xff),
            part(15, 0x7f) << 1 | 1,
            part(7, 0xff),
            part(0, 0x7f) << 1 | 1,
        ]
    }

    /// What a picture begins with.
    pub(super) fn head(pts: u64) -> Vec<u8> {
        let mut bytes = vec![0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5];
        bytes.extend(stamp(2, pts));
        bytes
    }
}
