//! Files of models.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Missing, ModelError, entry::Entry};

/// The most bytes of a model: of what is larger no hash is looked for, and none is downloaded.
pub const MOST_BYTES: u64 = 4 << 30;

/// What is known of a model's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// It is the one that was declared; or it is there, and no hash was declared.
    Good,
    /// It is not there.
    Missing,
    /// It is another one, or cannot be read; one sentence.
    Bad(String),
}

/// Of a file, in hexadecimal digits.
///
/// # Errors
/// It cannot be read, or has more than [`MOST_BYTES`].
pub fn sha256_of(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    if bytes > MOST_BYTES {
        return Err(too_large(bytes));
    }
    // It may grow meanwhile.
    let (mut file, mut left) = (file.take(MOST_BYTES + 1), MOST_BYTES);
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            read if read as u64 > left => return Err(too_large(MOST_BYTES + 1)),
            read => {
                left -= read as u64;
                hash.update(&buffer[..read]);
            }
        }
    }
}

fn too_large(bytes: u64) -> io::Error {
    let most = MOST_BYTES >> 30;
    let text = format!(
        "it has {bytes} bytes, and no model has more than {most} GiB: is it the right file?"
    );
    io::Error::new(io::ErrorKind::FileTooLarge, text)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        text.extend(
            [byte >> 4, byte & 15].map(|it| char::from(b"0123456789abcdef"[usize::from(it)])),
        );
        text
    })
}

/// Whether the file of `entry` in `dir` is there and is the one that was declared.
pub(super) fn verified(entry: &Entry, dir: &Path) -> Result<(), ModelError> {
    let path = dir.join(&entry.file);
    if !path.is_file() {
        return Err(ModelError::Missing {
            missing: vec![Missing::of(entry)],
            dir: dir.to_owned(),
        });
    }
    let broken = |source| ModelError::Read {
        path: path.clone(),
        source,
    };
    let Some(expected) = &entry.sha256 else {
        let bytes = path.metadata().map_err(broken)?.len();
        return match bytes > MOST_BYTES {
            true => Err(broken(too_large(bytes))),
            false => Ok(()),
        };
    };
    let found = sha256_of(&path).map_err(broken)?;
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(ModelError::Hash {
        name: entry.name.clone(),
        path,
        expected: expected.to_lowercase(),
        found,
    })
}

impl Missing {
    pub(super) fn of(entry: &Entry) -> Self {
        Self {
            name: entry.name.clone(),
            role: entry.role,
            licence: entry.licence.clone(),
        }
    }
}

impl Check {
    pub(super) fn of(entry: &Entry, dir: &Path) -> Self {
        match verified(entry, dir) {
            Ok(()) => Self::Good,
            Err(ModelError::Missing { .. }) => Self::Missing,
            Err(it) => Self::Bad(it.to_string()),
        }
    }
}
