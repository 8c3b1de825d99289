//! What a unit of an elementary stream begins with (2.4.3.6). Pure.

/// First number that is no time: the clock of transport streams has 33 bits.
pub const TRANSPORT_CLOCK: u64 = 1 << 33;

/// The head of a unit of pictures or sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PesHead {
    /// Bytes of the unit with its head, when it says so.
    pub length: Option<usize>,
    /// When it is shown, in 1/90000 s modulo [`TRANSPORT_CLOCK`].
    pub pts: Option<u64>,
    /// When it is decoded, where that is another time.
    pub dts: Option<u64>,
    /// Where its content begins.
    pub content: usize,
}

impl PesHead {
    /// Reads one; none of bytes that are none, or whose times are damaged or not there as yet.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let &[0, 0, 1, kind, _, _, marks, flags, length, ..] = bytes else {
            return None;
        };
        let is_media = matches!(kind, 0xbd | 0xc0..=0xef | 0xfd);
        if !is_media || marks & 0xc0 != 0x80 {
            return None;
        }
        let at = |place: usize| time(*bytes.get(place..)?.first_chunk()?);
        let (pts, dts) = match flags >> 6 {
            2 => (Some(at(9)?), None),
            3 => (Some(at(9)?), Some(at(14)?)),
            _ => (None, None),
        };
        Some(Self {
            length: Self::length(bytes),
            pts,
            dts,
            content: 9 + usize::from(length),
        })
    }

    /// Bytes of a unit with its head, when it says so, as soon as that can be read.
    #[must_use]
    pub fn length(bytes: &[u8]) -> Option<usize> {
        let length = usize::from(u16::from_be_bytes([*bytes.get(4)?, *bytes.get(5)?]));
        (length > 0).then_some(6 + length)
    }
}

/// The time in a stamp of five bytes.
#[must_use]
pub fn transport_stamp(stamp: [u8; 5]) -> u64 {
    let [a, b, c, d, e] = stamp.map(u64::from);
    (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1
}

/// The same where all that stands between its bits is as it has to be.
fn time(stamp: [u8; 5]) -> Option<u64> {
    let [a, _, c, _, e] = stamp;
    let is_whole = matches!(a >> 4, 1..=3) && a & c & e & 1 == 1;
    is_whole.then(|| transport_stamp(stamp))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::fixture::{head, stamp},
        *,
    };

    #[test]
    fn times_are_told_to_the_last_bit() {
        for pts in [0, 1, 90_000, TRANSPORT_CLOCK - 1, 0x1_2345_6789] {
            let told = PesHead::parse(&head(pts)).unwrap();
            assert_eq!((told.pts, told.dts, told.content), (Some(pts), None, 14));
        }
        let mut both = vec![0, 0, 1, 0xe0, 0, 20, 0x80, 0xc0, 10];
        both.extend(stamp(3, 900_000));
        both.extend(stamp(1, 7));
        let told = PesHead::parse(&both).unwrap();
        assert_eq!((told.pts, told.dts), (Some(900_000), Some(7)));
        assert_eq!((told.length, told.content), (Some(26), 19));
    }

    #[test]
    fn a_head_whose_time_is_damaged_is_none() {
        let whole = head(TRANSPORT_CLOCK - 1);
        assert_eq!(PesHead::parse(&whole[..13]), None);
        for (at, value) in [(9, 0x47), (11, 0x40), (13, 0xfe)] {
            let mut damaged = whole.clone();
            damaged[at] = value;
            assert_eq!(PesHead::parse(&damaged), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40), is_head: bool) {
            let begin: &[u8] = if is_head { &[0, 0, 1, 0xe0] } else { &[] };
            if let Some(head) = PesHead::parse(&[begin, &bytes].concat()) {
                prop_assert!(head.pts.is_none_or(|pts| pts < TRANSPORT_CLOCK));
                prop_assert!(head.dts.is_none_or(|dts| dts < TRANSPORT_CLOCK));
            }
        }
    }
}
