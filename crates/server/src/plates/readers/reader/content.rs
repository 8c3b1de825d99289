//! A video file by its content: open for reading, its length and its hash.

use std::{
    fmt::Write as _,
    io::{self, ErrorKind},
    os::fd::OwnedFd,
    path::Path,
};

use rustix::{
    fs::{self, Advice, FileType, Mode, OFlags, fadvise, fstat},
    io::{Errno, pread, retry_on_intr},
};
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// Bytes that are read and hashed at once.
const PIECE: usize = 1 << 20;

/// A file that was looked at. The descriptor can be read from its beginning, by whoever gets it.
#[derive(Debug)]
pub struct Looked {
    /// Open for reading.
    pub file: OwnedFd,
    /// Its content's, in hexadecimal.
    pub content_sha256: String,
    /// Its length. That of a file which is still being written is what was hashed.
    pub size_bytes: u64,
}

/// Opens a regular file for reading.
pub(in crate::plates) fn open(path: &Path) -> Result<OwnedFd, Failure> {
    // A pipe that nobody writes is not waited for.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = fs::open(path, flags, Mode::empty()).map_err(|errno| failed(path, errno))?;
    let stat = fstat(&file).map_err(|errno| failed(path, errno))?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
        return Ok(file);
    }
    let text = format!("`{}` is not a regular file", path.display());
    Err(Failure::failed("input_kind", text))
}

/// Opens a file and reads all of it. Takes as long as that takes: no event loop calls it.
pub fn look(path: &Path) -> Result<Looked, Failure> {
    hashed(open(path)?, path)
}

/// Reads all of an open file; its path is for messages. It blocks.
pub(in crate::plates) fn hashed(file: OwnedFd, path: &Path) -> Result<Looked, Failure> {
    // Advice only: where it is not taken, reading is slower.
    let _advised = fadvise(&file, 0, None, Advice::Sequential);
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut size_bytes = 0;
    loop {
        let got = retry_on_intr(|| pread(&file, &mut piece, size_bytes))
            .map_err(|errno| failed(path, errno))?;
        if got == 0 {
            break;
        }
        hash.update(&piece[..got]);
        size_bytes += got as u64;
    }
    Ok(Looked {
        file,
        content_sha256: hexadecimal(&hash.finalize()),
        size_bytes,
    })
}

fn failed(path: &Path, errno: Errno) -> Failure {
    let shown = path.display();
    let error = io::Error::from(errno);
    match error.kind() {
        ErrorKind::NotFound => {
            Failure::failed("input_missing", format!("there is no file `{shown}`"))
        }
        ErrorKind::PermissionDenied => {
            Failure::failed("input_permission", format!("`{shown}` may not be read"))
                .hint("change its permissions (`chmod +r`)")
        }
        _ => Failure::failed("input_open", format!("cannot read `{shown}`: {error}")),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_known_by_its_content_wherever_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["a:b ünï.MP4", "c.mp4"].map(|name| folder.path().join(name));
        fs::write(&one, "abc").unwrap();
        fs::write(&other, "abc").unwrap();
        let looked = look(&one).unwrap();
        assert_eq!(
            looked.content_sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(looked.size_bytes, 3);
        assert_eq!(look(&other).unwrap().content_sha256, looked.content_sha256);
    }

    #[test]
    fn more_than_a_piece_is_hashed_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        fs::write(&path, vec![7; PIECE + 1]).unwrap();
        let looked = look(&path).unwrap();
        assert_eq!(looked.size_bytes, PIECE as u64 + 1);
        let whole = hexadecimal(&Sha256::digest(vec![7; PIECE + 1]));
        assert_eq!(looked.content_sha256, whole);
    }

    #[test]
    fn what_is_no_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = look(&folder.path().join("no.mp4")).unwrap_err();
        assert_eq!(missing.code, "input_missing");
        assert!(missing.message.contains("no.mp4"));
        assert_eq!(look(folder.path()).unwrap_err().code, "input_kind");
    }
}
