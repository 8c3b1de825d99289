//! Whether a JPEG is there to its end: decoders make up what is missing. Pure.

/// Markers of ITU-T T.81, table B.1: the second byte after 0xff.
const START: u8 = 0xd8;
const END: u8 = 0xd9;
const TEMPORARY: u8 = 0x01;

/// Whether bytes that begin as a JPEG stop before its end marker. Pictures inside of its segments, as cameras put them there,
/// count for nothing.
pub(super) fn ends_early(bytes: &[u8]) -> bool {
    let Some(mut rest) = bytes.strip_prefix(&[0xff, START]) else {
        return false;
    };
    loop {
        // What lies between segments is skipped, as decoders do; in a scan it is most of the picture.
        let Some(at) = rest.iter().position(|it| *it == 0xff) else {
            return true;
        };
        let Some((&marker, after)) = rest[at + 1..].split_first() else {
            return true;
        };
        rest = match marker {
            END => return false,
            0xff => &rest[at + 1..],
            // A stuffed byte, or a marker that stands alone.
            0 | TEMPORARY | 0xd0..=START => after,
            _ => {
                let Some((length, _)) = after.split_first_chunk() else {
                    return true;
                };
                let Some(after) = after.get(usize::from(u16::from_be_bytes(*length)).max(2)..)
                else {
                    return true;
                };
                after
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A segment with a thumbnail inside, tables, a scan with a stuffed byte and a restart, the end.
    const WHOLE: [u8; 30] = [
        0xff, 0xd8, 0xff, 0xe1, 0, 8, 0xff, 0xd8, 1, 2, 0xff, 0xd9, 0xff, 0xdb, 0, 3, 7, 0xff,
        0xda, 0, 3, 1, 9, 0xff, 0, 0xff, 0xd3, 5, 0xff, 0xd9,
    ];

    #[test]
    fn a_whole_one_ends_and_whatever_is_cut_off_does_not() {
        assert!(!ends_early(&WHOLE));
        assert!(!ends_early(&[&WHOLE[..], b"what a camera adds"].concat()));
        for length in 2..WHOLE.len() {
            assert!(ends_early(&WHOLE[..length]), "{length}");
        }
    }

    #[test]
    fn what_is_no_jpeg_is_not_judged() {
        assert!(!ends_early(b"\x89PNG"));
        assert!(!ends_early(b""));
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            ends_early(&[&[0xff, 0xd8][..], &bytes].concat());
        }
    }
}
