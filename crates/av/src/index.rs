//! Whether an mp4 or mov was cut off before its index was written.

use std::os::fd::AsFd;

use rustix::io::pread;

/// Boxes at the top of a file that are looked at.
const MOST_BOXES: usize = 64;

/// True when the file begins as an mp4 or mov and no `moov` box follows.
pub(crate) fn has_no_index(fd: impl AsFd) -> bool {
    let mut at = 0u64;
    let mut begins_right = false;
    for number in 0..MOST_BOXES {
        let mut head = [0u8; 16];
        let got = pread(fd.as_fd(), &mut head, at).unwrap_or(0);
        if got < 8 {
            break;
        }
        let kind = &head[4..8];
        if kind == b"moov" {
            return false;
        }
        begins_right |=
            number == 0 && matches!(kind, b"ftyp" | b"mdat" | b"wide" | b"free" | b"skip");
        if !begins_right {
            return false;
        }
        let length = match u32::from_be_bytes([head[0], head[1], head[2], head[3]]) {
            0 => break,
            1 if got == 16 => {
                u64::from_be_bytes(head[8..].try_into().expect("eight of sixteen bytes"))
            }
            length => u64::from(length),
        };
        if length < 8 {
            break;
        }
        let Some(next) = at.checked_add(length) else {
            break;
        };
        at = next;
    }
    begins_right
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
}
