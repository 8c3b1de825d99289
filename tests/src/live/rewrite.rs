//! Moves the times of transport packets and renumbers them, so that a clip can be replayed at any time, again and again,
//! and behind another one.

use framerill_media::{TRANSPORT_CLOCK, TRANSPORT_PACKET_BYTES, transport_stamp};

/// Packets of one stream that goes on.
#[derive(Debug)]
pub struct Rewriter {
    /// The next number by PID.
    numbers: Vec<u8>,
}

impl Default for Rewriter {
    fn default() -> Self {
        Self::new()
    }
}

impl Rewriter {
    /// From number 0 on.
    #[must_use]
    pub fn new() -> Self {
        Self {
            numbers: vec![0; 1 << 13],
        }
    }

    /// Adds `ticks` of 1/90000 s to every time in `packets`, modulo 2^33, and numbers them behind the ones before.
    ///
    /// # Panics
    ///
    /// If these are no whole packets of a muxer.
    pub fn rewrite(&mut self, packets: &mut [u8], ticks: u64) {
        for packet in packets.chunks_exact_mut(TRANSPORT_PACKET_BYTES) {
            let pid = usize::from(u16::from_be_bytes([packet[1] & 0x1f, packet[2]]));
            let control = packet[3];
            if control & 0x10 != 0 {
                packet[3] = control & 0xf0 | self.numbers[pid];
                self.numbers[pid] = (self.numbers[pid] + 1) & 0x0f;
            }
            let mut payload = 4;
            if control & 0x20 != 0 {
                let length = usize::from(packet[4]);
                payload += 1 + length;
                if length > 6 && packet[5] & 0x10 != 0 {
                    move_clock(&mut packet[6..12], ticks);
                }
            }
            let starts = packet[1] & 0x40 != 0 && control & 0x10 != 0;
            if starts && packet.get(payload..payload + 3) == Some(&[0, 0, 1]) {
                let flags = packet[payload + 7];
                if flags & 0x80 != 0 {
                    move_stamp(&mut packet[payload + 9..payload + 14], ticks);
                }
                if flags & 0xc0 == 0xc0 {
                    move_stamp(&mut packet[payload + 14..payload + 19], ticks);
                }
            }
        }
    }
}

/// `now` and `ticks` later, on a clock of 33 bits.
pub(crate) fn later(now: u64, ticks: u64) -> u64 {
    now.wrapping_add(ticks) % TRANSPORT_CLOCK
}

/// One octet of a time.
fn part(time: u64, shift: u32, mask: u64) -> u8 {
    u8::try_from(time >> shift & mask & 0xff).expect("masked")
}

fn move_stamp(stamp: &mut [u8], ticks: u64) {
    let old: [u8; 5] = stamp.try_into().expect("five bytes");
    let time = later(transport_stamp(old), ticks);
    stamp[0] = old[0] & 0xf1 | part(time, 30, 7) << 1;
    stamp[1] = part(time, 22, 0xff);
    stamp[2] = part(time, 15, 0x7f) << 1 | 1;
    stamp[3] = part(time, 7, 0xff);
    stamp[4] = part(time, 0, 0x7f) << 1 | 1;
}

/// The program's clock: 33 bits in 1/90000 s, then 6 reserved and 9 finer ones.
fn move_clock(clock: &mut [u8], ticks: u64) {
    let old = clock[..4]
        .iter()
        .fold(0, |sum, &it| sum << 8 | u64::from(it))
        << 1
        | u64::from(clock[4] >> 7);
    let time = later(old, ticks);
    for (byte, shift) in clock.iter_mut().zip([25, 17, 9, 1]) {
        *byte = part(time, shift, 0xff);
    }
    clock[4] = clock[4] & 0x7f | part(time, 0, 1) << 7;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_moves_over_the_end_of_the_clock() {
        let mut stamp = [0x31, 0, 1, 0, 1];
        for (by, want) in [
            (90_000, 90_000),
            (TRANSPORT_CLOCK - 1, 89_999),
            (1 << 32, 4_295_057_295),
        ] {
            move_stamp(&mut stamp, by);
            assert_eq!(transport_stamp(stamp), want);
            assert_eq!(stamp[0] & 0xf1, 0x31);
        }
    }

    #[test]
    fn a_clock_moves_and_keeps_its_finer_bits() {
        let mut clock = [0, 0, 0, 0, 0x7e, 0x55];
        move_clock(&mut clock, TRANSPORT_CLOCK - 1);
        assert_eq!(clock, [0xff, 0xff, 0xff, 0xff, 0xfe, 0x55]);
        move_clock(&mut clock, 1);
        assert_eq!(clock, [0, 0, 0, 0, 0x7e, 0x55]);
    }
}
