//! The codecs that a transport stream may hold and that are read. Pure.

/// Of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoCodec {
    /// MPEG-1.
    Mpeg1,
    /// MPEG-2.
    Mpeg2,
    /// MPEG-4 part 2.
    Mpeg4,
    /// H.264.
    H264,
    /// H.265.
    Hevc,
}

/// Of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioCodec {
    /// MPEG-1 and -2.
    Mpeg {
        /// 1 to 3; 0 before any was heard.
        layer: u8,
    },
    /// AAC, each packet with a header.
    Aac,
    /// AC-3.
    Ac3,
    /// E-AC-3.
    Eac3,
    /// Opus; channels as its descriptor numbers them.
    Opus {
        /// 1 to 8.
        channels: u8,
    },
}

impl AudioCodec {
    /// Its name, as FFmpeg writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mpeg { layer: 1 } => "mp1",
            Self::Mpeg { layer: 2 } => "mp2",
            Self::Mpeg { .. } => "mp3",
            Self::Aac => "aac",
            Self::Ac3 => "ac3",
            Self::Eac3 => "eac3",
            Self::Opus { .. } => "opus",
        }
    }
}

impl VideoCodec {
    /// Whether a decoder that knows nothing can begin with this picture, or with one that soon follows: parameters or an
    /// independent picture are in it.
    #[must_use]
    pub fn is_entry(self, unit: &[u8]) -> bool {
        codes(unit).any(|at| {
            let code = unit[at];
            match self {
                Self::Mpeg1 | Self::Mpeg2 => code == 0xb3,
                // A visual object sequence, a video object layer, or a plane that begins with an I.
                Self::Mpeg4 => {
                    matches!(code, 0xb0 | 0x20..=0x2f)
                        || (code == 0xb6 && unit.get(at + 1).is_some_and(|byte| byte >> 6 == 0))
                }
                Self::H264 => matches!(code & 0x1f, 5 | 7),
                Self::Hevc => matches!((code >> 1) & 0x3f, 16..=23 | 33),
            }
        })
    }

    /// Whether there is anything of a picture in it, and not only what stands before one.
    #[must_use]
    pub fn has_picture(self, unit: &[u8]) -> bool {
        codes(unit).any(|at| match self {
            Self::H264 => matches!(unit[at] & 0x1f, 1..=5),
            Self::Hevc => (unit[at] >> 1) & 0x3f < 32,
            Self::Mpeg1 | Self::Mpeg2 => unit[at] == 0,
            Self::Mpeg4 => unit[at] == 0xb6,
        })
    }

    /// Where the pictures of a complete unit begin, when it holds several: the first always does.
    #[must_use]
    pub fn pictures(self, unit: &[u8]) -> Vec<usize> {
        let mut begins = vec![0];
        let mut has_picture = false;
        for at in codes(unit) {
            let code = unit[at];
            let next = unit.get(at + 1).copied().unwrap_or(0);
            let (is_picture, may_begin) = match self {
                // A slice whose first macroblock is 0 begins a picture; so does what may only stand before one.
                Self::H264 => match code & 0x1f {
                    1 | 2 | 5 => (true, next & 0x80 != 0),
                    6..=9 => (false, true),
                    _ => (false, false),
                },
                Self::Hevc => match (code >> 1) & 0x3f {
                    0..=31 => {
                        let is_first = unit.get(at + 2).is_some_and(|byte| byte & 0x80 != 0);
                        (true, is_first)
                    }
                    32..=35 | 39 => (false, true),
                    _ => (false, false),
                },
                Self::Mpeg1 | Self::Mpeg2 => (code == 0, matches!(code, 0x00 | 0xb3 | 0xb8)),
                Self::Mpeg4 => (code == 0xb6, matches!(code, 0xb6 | 0xb0 | 0xb3)),
            };
            if may_begin && has_picture {
                // The start code has three bytes, and often a zero before it.
                let begin = at - 3;
                let has_zero = begin > 0 && unit[begin - 1] == 0;
                begins.push(begin - usize::from(has_zero));
                has_picture = false;
            }
            has_picture |= is_picture;
        }
        begins
    }
}

/// Where the bytes behind start codes lie.
fn codes(unit: &[u8]) -> impl Iterator<Item = usize> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at + 3 < unit.len() {
            // Two steps of three where none can begin: pictures are large.
            match unit[at + 2] {
                0 => at += 1,
                1 if unit[at] == 0 && unit[at + 1] == 0 => {
                    at += 3;
                    return Some(at);
                }
                _ => at += 3,
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unit(nals: &[&[u8]]) -> Vec<u8> {
        let coded = nals.iter().flat_map(|nal| [&[0, 0, 0, 1], *nal].concat());
        coded.collect()
    }

    #[test]
    fn a_decoder_begins_with_parameters_or_with_an_independent_picture() {
        assert!(VideoCodec::H264.is_entry(&unit(&[&[9, 0x10], &[0x67, 1, 2], &[0x65, 0x88]])));
        assert!(!VideoCodec::H264.is_entry(&unit(&[&[9, 0x30], &[0x41, 0x9a, 0]])));
        assert!(VideoCodec::Hevc.is_entry(&unit(&[&[0x26, 1, 0xaf]])));
        assert!(!VideoCodec::Hevc.is_entry(&unit(&[&[0x02, 1, 0xd0]])));
        assert!(VideoCodec::Mpeg2.is_entry(&[0, 0, 1, 0xb3, 0]));
    }

    #[test]
    fn pictures_that_share_a_unit_are_parted_and_slices_are_not() {
        let one = unit(&[&[9, 0x10], &[0x67, 1], &[0x65, 0x88], &[0x65, 0x08]]);
        assert_eq!(VideoCodec::H264.pictures(&one), [0]);
        let two = [one.clone(), unit(&[&[9, 0x30], &[0x41, 0x9a]])].concat();
        assert_eq!(VideoCodec::H264.pictures(&two), [0, one.len()]);
        let bare = unit(&[&[0x41, 0x9a], &[0x41, 0x9a]]);
        assert_eq!(VideoCodec::H264.pictures(&bare), [0, bare.len() / 2]);
    }

    proptest! {
        #[test]
        fn parts_of_any_bytes_are_in_order_and_inside(bytes in proptest::collection::vec(0u8..4, 0..400)) {
            for codec in [VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Mpeg2, VideoCodec::Mpeg4] {
                let begins = codec.pictures(&bytes);
                prop_assert!(begins.is_sorted_by(|one, two| one < two));
                prop_assert!(begins.iter().all(|at| *at == 0 || *at < bytes.len()));
                let _entry = codec.is_entry(&bytes);
            }
        }

        #[test]
        fn every_start_code_is_found(bytes in proptest::collection::vec(0u8..3, 0..200)) {
            let plain: Vec<usize> = (3..bytes.len()).filter(|at| bytes[at - 3..*at] == [0, 0, 1]).collect();
            prop_assert_eq!(codes(&bytes).collect::<Vec<_>>(), plain);
        }
    }
}
