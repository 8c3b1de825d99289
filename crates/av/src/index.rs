//! Whether a file was cut off, as its own structure tells: an mp4 or mov by its boxes, a mkv or webm by its segment.

use std::os::fd::AsFd;

use rustix::{fs::fstat, io::pread};

/// Boxes at the top of a file that are looked at.
const MOST_BOXES: usize = 64;

/// Boxes whose length is believed; what else may stand behind a file is no sign of a cut.
const KNOWN: [&[u8; 4]; 9] = [
    b"ftyp", b"moov", b"moof", b"mdat", b"sidx", b"mfra", b"free", b"skip", b"wide",
];
/// Fragments of a long recording are boxes, too.
const MOST_FRAGMENTS: usize = 1 << 20;
const EBML: u64 = 0x1A45_DFA3;
const SEGMENT: u64 = 0x1853_8067;

/// A box at the top of a file.
struct TopBox {
    kind: [u8; 4],
    /// Where it ends; none when that is the file's end.
    end: Option<u64>,
}

/// The boxes at the top of a file, until there is none or the structure breaks.
fn boxes(fd: impl AsFd) -> impl Iterator<Item = TopBox> {
    let mut at = Some(0u64);
    std::iter::from_fn(move || {
        let mut head = [0u8; 16];
        let got = pread(fd.as_fd(), &mut head, at?).unwrap_or(0);
        if got < 8 {
            return None;
        }
        let [a, b, c, d, kind @ ..] = *head.first_chunk::<8>().expect("eight of sixteen bytes");
        let length = match u32::from_be_bytes([a, b, c, d]) {
            0 => None,
            1 if got < 16 => return None,
            1 => Some(u64::from_be_bytes(
                *head[8..].as_array().expect("eight bytes"),
            )),
            length => Some(u64::from(length)),
        };
        if length.is_some_and(|length| length < 8) {
            return None;
        }
        let end = length.and_then(|length| at?.checked_add(length));
        at = end;
        Some(TopBox { kind, end })
    })
}

/// True when the file begins as an mp4 or mov and no `moov` box follows.
pub(crate) fn has_no_index(fd: impl AsFd) -> bool {
    let mut boxes = boxes(fd).take(MOST_BOXES).peekable();
    let first = boxes.peek().map(|it| it.kind);
    let begins = [b"ftyp", b"mdat", b"wide", b"free", b"skip"];
    first.is_some_and(|kind| begins.contains(&&kind)) && !boxes.any(|it| &it.kind == b"moov")
}

/// True when the file's structure reaches beyond its end.
pub(crate) fn is_cut(fd: impl AsFd) -> bool {
    let Ok(stat) = fstat(fd.as_fd()) else {
        return false;
    };
    let length = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
    if let Some(end) = segment_end(fd.as_fd()) {
        return end > length;
    }
    let mut known = boxes(fd)
        .take(MOST_FRAGMENTS)
        .take_while(|it| KNOWN.contains(&&it.kind))
        .peekable();
    let is_mp4 = known.peek().is_some_and(|it| &it.kind == b"ftyp");
    is_mp4 && known.any(|it| it.end.is_some_and(|end| end > length))
}

/// Where the segment of a Matroska file ends; none when it is no such file, or does not say.
fn segment_end(fd: impl AsFd) -> Option<u64> {
    let (id, header, at) = element(&fd, 0)?;
    if id != EBML {
        return None;
    }
    let (id, length, at) = element(&fd, at.checked_add(header?)?)?;
    if id != SEGMENT {
        return None;
    }
    at.checked_add(length?)
}

/// Id, length (none: unknown) and start of the content of an EBML element (RFC 8794).
fn element(fd: impl AsFd, at: u64) -> Option<(u64, Option<u64>, u64)> {
    let mut head = [0u8; 12];
    let got = pread(fd.as_fd(), &mut head, at).ok()?;
    let head = &head[..got];
    let width = |first: &u8| first.leading_zeros() as usize + 1;
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let id_bytes = head.first().map(width).filter(|width| *width <= 4)?;
    let id = number(head.get(..id_bytes)?);
    let rest = head.get(id_bytes..)?;
    let length_bytes = rest.first().map(width).filter(|width| *width <= 8)?;
    let mask = (1u64 << (7 * length_bytes)) - 1;
    let length = number(rest.get(..length_bytes)?) & mask;
    let start = at + (id_bytes + length_bytes) as u64;
    Some((id, (length != mask).then_some(length), start))
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write};

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn a_file_of_boxes_without_moov_has_no_index() {
        let ftyp = b"\0\0\0\x10ftypisom\0\0\0\0";
        let mdat = b"\0\0\0\x0cmdatabcd";
        let moov = b"\0\0\0\x08moov";
        assert!(has_no_index(file(&[&ftyp[..], mdat].concat())));
        assert!(!has_no_index(file(&[&ftyp[..], mdat, moov].concat())));
        assert!(!has_no_index(file(b"hello, this is text, not a video")));
        assert!(!has_no_index(file(b"")));
        assert!(has_no_index(file(
            &[&ftyp[..], b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff"].concat()
        )));
    }

    #[test]
    fn a_box_that_reaches_beyond_the_file_is_a_cut() {
        let ftyp = b"\0\0\0\x10ftypisom\0\0\0\0";
        let moof = b"\0\0\0\x08moof";
        let mdat = b"\0\0\0\x0cmdatabcd";
        assert!(!is_cut(file(&[&ftyp[..], moof, mdat].concat())));
        assert!(is_cut(file(&[&ftyp[..], moof, &mdat[..11]].concat())));
        assert!(!is_cut(file(
            &[&ftyp[..], mdat, b"junk at the end"].concat()
        )));
        assert!(!is_cut(file(b"\0\0\xff\x0cmdatabcd")));
        assert!(!is_cut(file(b"")));
    }

    #[test]
    fn a_segment_that_reaches_beyond_the_file_is_a_cut() {
        let header = b"\x1a\x45\xdf\xa3\x82ab";
        let known = b"\x18\x53\x80\x67\x84abcd";
        let unknown = b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xffab";
        assert!(!is_cut(file(&[&header[..], known].concat())));
        assert!(is_cut(file(&[&header[..], &known[..8]].concat())));
        assert!(!is_cut(file(&[&header[..], unknown].concat())));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_judged_without_a_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let ebml = [&b"\x1a\x45\xdf\xa3"[..], &bytes].concat();
            for bytes in [bytes, ebml] {
                let whole = file(&bytes);
                is_cut(&whole);
                has_no_index(&whole);
            }
        }
    }
}
