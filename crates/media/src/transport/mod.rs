//! Transport streams (ISO/IEC 13818-1), from bytes to what they are packets of. Whatever the bytes are, nothing panics, and
//! nothing is kept that they ask for.
//!
//! `packets` finds packets in bytes, `packet` reads one, `tables` says which of them belong to pictures and sound, `codec`
//! of which kind those are and where a picture begins, `pes` reads what a unit begins with. `scanner`, over all of these,
//! tells units to who judges from outside; `pieces` cuts a whole stream into them.

mod codec;
mod packet;
mod packets;
mod pes;
mod pieces;
mod scanner;
mod tables;

pub use codec::{AudioCodec, VideoCodec};
pub use packet::{TRANSPORT_PACKET_BYTES, TransportPacket};
pub use packets::{TransportFound, TransportPackets};
pub use pes::{PesHead, TRANSPORT_CLOCK, transport_stamp};
pub use pieces::transport_pieces;
pub use scanner::{Pes, Track, TransportScanner};
pub use tables::{Program, ProgramTables};

pub(crate) const SYNC: u8 = 0x47;

/// Streams for the tests of this room.
#[cfg(test)]
mod fixture {
    use super::{SYNC, TRANSPORT_PACKET_BYTES, tables::crc};

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

    /// A section as a packet carries it.
    pub(super) fn pointed(section: Vec<u8>) -> Vec<u8> {
        [vec![0], section].concat()
    }

    /// A program of H.264 at 0x100 and Opus at 0x101.
    pub(super) fn tables() -> Vec<u8> {
        let programs = section(0x00, &[0, 1, 0xf0, 0]);
        let opus = [5, 4, b'O', b'p', b'u', b's'];
        let map = program(&[(0x1b, 0x100, &[]), (0x06, 0x101, &opus)]);
        [
            packet(0, true, false, &pointed(programs)),
            packet(0x1000, true, false, &pointed(map)),
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

    /// A section of a table with its check sum.
    pub(super) fn section(table: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len() + 9).expect("small");
        let [high, low] = length.to_be_bytes();
        let mut bytes = vec![table, 0xb0 | high, low, 0, 1, 0xc1, 0, 0];
        bytes.extend(body);
        let sum = crc(&bytes);
        bytes.extend(sum.to_be_bytes());
        bytes
    }

    /// The table of a program: type, pid and descriptors of each of its streams.
    pub(super) fn program(streams: &[(u8, u16, &[u8])]) -> Vec<u8> {
        let mut body = vec![0xe1, 0x00, 0xf0, 0];
        for (kind, pid, descriptors) in streams {
            let [high, low] = pid.to_be_bytes();
            body.extend([
                *kind,
                0xe0 | high,
                low,
                0xf0,
                u8::try_from(descriptors.len()).expect("small"),
            ]);
            body.extend(*descriptors);
        }
        section(0x02, &body)
    }
}
