//! Files of models.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Missing, ModelError, entry::Entry};

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
pub fn sha256_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
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
    let Some(expected) = &entry.sha256 else {
        return Ok(());
    };
    let found = sha256_of(&path).map_err(|source| ModelError::Read {
        path: path.clone(),
        source,
    })?;
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
