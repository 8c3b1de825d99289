//! Which plates are stored in clear: all of them, none (a keyed hash stands for each), or those of a list.
//!
//! A hash still answers an exact search, since the query is hashed with the same key. Without the key nobody can try all
//! plates against the stored hashes.

use std::{
    collections::BTreeSet,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::{
    plate,
    row::Record,
    table::{self, Table},
};

/// Shorter keys can be tried out.
const LEAST_KEY: usize = 16;

/// A key file that holds more is none.
const MOST_KEY: u64 = 64 * 1024;

/// Plates of a list, in bytes of its file.
const MOST_LIST: u64 = 16 * 1024 * 1024;

/// Columns that say what the plate is, in words or as a picture.
const TELLING: [&str; 5] = [
    "raw_plate",
    "readings",
    "crop",
    "plate_search",
    "plate_fold",
];

/// A file of keys or plates that does not do.
#[derive(Debug, thiserror::Error)]
pub enum PrivacyError {
    /// It cannot be read.
    #[error("cannot read {}: {error}", file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is too short or too long.
    #[error("{} holds {size} bytes: {wanted}", file.display())]
    Size {
        /// Which file.
        file: PathBuf,
        /// Its size.
        size: u64,
        /// What is wanted.
        wanted: &'static str,
    },
}

/// The key of the hashes.
#[derive(Clone)]
pub struct HashKey(Vec<u8>);

impl HashKey {
    /// Reads the key file: any bytes, at least 16; a line end at its end does not count. It blocks.
    ///
    /// # Errors
    /// The file cannot be read, or is too short.
    pub fn read(file: &Path) -> Result<Self, PrivacyError> {
        let bytes = read(file, MOST_KEY, "at most 64 KiB are wanted")?;
        let key = bytes.trim_ascii_end();
        if key.len() < LEAST_KEY {
            return Err(PrivacyError::Size {
                file: file.to_owned(),
                size: key.len() as u64,
                wanted: "16 are wanted at least; make one with `head -c 32 /dev/urandom | base64`",
            });
        }
        Ok(Self(key.to_vec()))
    }

    /// A key that is at hand.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// HMAC-SHA256 of a text, in hexadecimal digits.
    #[must_use]
    pub fn hash(&self, text: &str) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(text.as_bytes());
        let bytes = mac.finalize().into_bytes();
        bytes.iter().map(|it| format!("{it:02x}")).collect()
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(…)")
    }
}

/// Which plates are stored in clear.
#[derive(Clone, Debug, Default)]
pub struct Privacy {
    /// Plates that may not be stored in clear are hashed with it; without it they are left out.
    pub key: Option<HashKey>,
    /// Plates that may be stored in clear, as [`plate::normal`] writes them; none: with a key none may, else all.
    pub allowed: Option<BTreeSet<String>>,
}

impl Privacy {
    /// By a key file and a list of plates, as far as they are given. It blocks.
    ///
    /// # Errors
    /// A file cannot be read, or is too short or too long.
    pub fn of(key: Option<&Path>, list: Option<&Path>) -> Result<Self, PrivacyError> {
        Ok(Self {
            key: key.map(HashKey::read).transpose()?,
            allowed: list.map(Self::read_list).transpose()?,
        })
    }

    /// Reads a list of plates: one a line, `#` begins a remark. It blocks.
    ///
    /// # Errors
    /// The file cannot be read, or is too long.
    pub fn read_list(file: &Path) -> Result<BTreeSet<String>, PrivacyError> {
        let bytes = read(file, MOST_LIST, "at most 16 MiB are wanted")?;
        let text = String::from_utf8_lossy(&bytes);
        let plates = text
            .lines()
            .map(|it| plate::normal(it.split('#').next().unwrap_or_default()));
        Ok(plates.filter(|it| !it.is_empty()).collect())
    }

    /// Its name in the audit.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        match (&self.allowed, &self.key) {
            (None, None) => "clear",
            (None, Some(_)) => "hashed",
            (Some(_), None) => "listed plates, others left out",
            (Some(_), Some(_)) => "listed plates, others hashed",
        }
    }

    /// A record of `vehicles` as it may be shown: as it is stored. None where its plate is to be left out.
    #[must_use]
    pub fn told(&self, record: &Record) -> Option<Record> {
        self.applied(&table::VEHICLES, record)?.ok()
    }

    /// The record as it may be stored; none if it may not.
    pub(super) fn applied(&self, table: &Table, record: &Record) -> Option<Result<Record, String>> {
        let mut record = record.clone();
        if table.column("final_plate").is_none() {
            return Some(Ok(record));
        }
        // They are ours to fill.
        for name in ["plate_search", "plate_fold", "plate_hash", "fold_hash"] {
            record.remove(name);
        }
        let Some(name) = record.get("final_plate").and_then(Value::as_str) else {
            return Some(Ok(record));
        };
        let normal = plate::normal(name);
        let is_clear = match &self.allowed {
            Some(list) => list.contains(&normal),
            None => self.key.is_none(),
        };
        if is_clear {
            return Some(Ok(record));
        }
        let key = self.key.as_ref()?;
        let hash = key.hash(&normal);
        let fold = key.hash(&plate::folded(name));
        for it in TELLING {
            record.remove(it);
        }
        record.insert("final_plate".into(), format!("hmac-sha256:{hash}").into());
        record.insert("plate_hash".into(), hash.into());
        record.insert("fold_hash".into(), fold.into());
        Some(Ok(record))
    }
}

fn read(file: &Path, most: u64, wanted: &'static str) -> Result<Vec<u8>, PrivacyError> {
    let wrong = |error| PrivacyError::Read {
        file: file.to_owned(),
        error,
    };
    let size = fs::metadata(file).map_err(wrong)?.len();
    if size > most {
        return Err(PrivacyError::Size {
            file: file.to_owned(),
            size,
            wanted,
        });
    }
    fs::read(file).map_err(wrong)
}
