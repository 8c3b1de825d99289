//! How far the output got: the newest picture that went out, read from its bytes. Pure.

use framerill_media::{PesHead, TransportFound, TransportPackets};

/// Pts of transport streams are counted modulo this.
pub(super) const WRAP: i64 = 1 << 33;

/// The machine.
#[derive(Debug, Default)]
pub(super) struct Written {
    packets: TransportPackets,
    newest: Option<i64>,
}

impl Written {
    /// More of the output. Returns the pts of the newest picture that has begun, 33 bits.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Option<i64> {
        let newest = &mut self.newest;
        self.packets.push(bytes, |found| {
            if let TransportFound::Packet { packet, .. } = found
                && packet.begins_picture()
            {
                let pts = PesHead::parse(packet.payload).and_then(|head| head.pts);
                *newest = pts.and_then(|pts| i64::try_from(pts).ok()).or(*newest);
            }
        });
        *newest
    }
}

/// The time on the running timeline that `wrapped` stands for, given one close to it.
pub(crate) fn unwrapped(wrapped: i64, near: i64) -> i64 {
    let turns = (near - wrapped + WRAP / 2).div_euclid(WRAP);
    wrapped + turns * WRAP
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::replay::tests::picture, *};

    #[test]
    fn the_newest_picture_counts() {
        let mut written = Written::default();
        assert_eq!(written.push(b"none"), None);
        let stream = [picture(7, true), picture(3007, false)].concat();
        let mut written = Written::default();
        assert_eq!(written.push(&stream), Some(3007));
    }

    proptest! {
        #[test]
        fn a_time_is_found_again_from_any_one_close_to_it(time in 0i64..1 << 40, off in -1_000_000i64..1_000_000) {
            prop_assert_eq!(unwrapped(time.rem_euclid(WRAP), time + off), time);
        }
    }
}
