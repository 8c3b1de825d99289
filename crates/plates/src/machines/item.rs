//! One video that is to be read, as it lies in the queue.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{MOST_BYTES, SharePath};
use crate::{flow::Mode, picture::Denoise, vote};

/// Of the format.
pub const VERSION: u32 = 1;
/// Of a name that people see.
const LONGEST_NAME: usize = 255;
/// Of a video; larger ones are none.
const LARGEST: u64 = 1 << 42;
/// Formats of plates that an item asks for at most.
pub const MOST_FORMATS: usize = 64;
/// Digits of the settings hash in a key: as in names of checkpoints.
const KEY_DIGITS: usize = 16;

/// Why bytes are no item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// More bytes than any item has.
    #[error("it has {0} bytes, more than an item may have")]
    TooLarge(usize),
    /// Another version wrote it.
    #[error(
        "it has version {0}; this framerill knows version {VERSION}: use one version on all machines"
    )]
    Version(u64),
    /// It is not what an item says.
    #[error("it is no item: {0}")]
    Form(String),
}

/// What an item is called: its content and its settings. Two items of one key are one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// From hexadecimal hashes of the content and of the settings.
    #[must_use]
    pub fn of(content_sha256: &str, settings_hash: &str) -> Self {
        let settings = settings_hash.get(..KEY_DIGITS).unwrap_or(settings_hash);
        Self(format!("{content_sha256}-{settings}"))
    }

    /// The last token of a subject, if it is one.
    #[must_use]
    pub fn parsed(text: &str) -> Option<Self> {
        let (content, settings) = text.split_once('-')?;
        let is_key = is_hex(content, 64) && is_hex(settings, KEY_DIGITS);
        is_key.then(|| Self(text.to_owned()))
    }

    /// Hexadecimal digits and a dash: it may stand in a subject and in a name of a file.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a worker finds the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// In the folder that all machines share.
    Share(SharePath),
    /// In the object bucket, under the item's key.
    Object,
}

/// The settings that records depend on. A worker has everything else of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Where plates are searched.
    pub mode: Mode,
    /// Look at every n-th frame, 1 to 1000.
    pub every: u32,
    /// Readings that a record needs, 1 to 100.
    pub min_samples: u32,
    /// How plates are written, at most [`MOST_FORMATS`] presets and patterns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formats: Vec<String>,
    /// How plates are made clean before they are read; none for not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denoise: Option<Denoise>,
}

/// One video to read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// [`VERSION`].
    pub v: u32,
    /// Which try of a submitter it is: an item that failed is submitted anew as the next one.
    pub round: u32,
    /// Of the file, 64 hexadecimal digits.
    pub content_sha256: String,
    /// Of everything that can change a record, models included, 64 hexadecimal digits.
    pub settings_hash: String,
    /// Of the file.
    pub size_bytes: u64,
    /// As shown to people.
    pub video_id: String,
    /// The last part of its path where it was submitted.
    pub filename: String,
    /// Where the file is.
    pub source: Source,
    /// How it is to be read.
    pub settings: Asked,
    /// Read it once more though it is done.
    pub force: bool,
}

#[derive(Deserialize)]
struct Versioned {
    v: u64,
}

impl Item {
    /// From bytes of the queue: strict, and bounded before anything is parsed.
    ///
    /// # Errors
    /// They are no item of this version, or one of its values is out of bounds.
    pub fn parsed(bytes: &[u8]) -> Result<Self, ItemError> {
        if bytes.len() > MOST_BYTES {
            return Err(ItemError::TooLarge(bytes.len()));
        }
        let form = |error: serde_json::Error| ItemError::Form(error.to_string());
        let Versioned { v } = serde_json::from_slice(bytes).map_err(form)?;
        if v != u64::from(VERSION) {
            return Err(ItemError::Version(v));
        }
        let item: Self = serde_json::from_slice(bytes).map_err(form)?;
        item.checked()
    }

    /// The same, if its values are within bounds.
    ///
    /// # Errors
    /// One is not.
    pub fn checked(self) -> Result<Self, ItemError> {
        let problem = if !is_hex(&self.content_sha256, 64) || !is_hex(&self.settings_hash, 64) {
            "a hash is no 64 hexadecimal digits"
        } else if self.size_bytes > LARGEST {
            "`size_bytes` is out of bounds"
        } else if !is_name(&self.video_id) || !is_name(&self.filename) {
            "a name is empty, too long, or has a control character or a slash"
        } else if !(1..=1000).contains(&self.settings.every) {
            "`every` is out of bounds"
        } else if !(1..=100).contains(&self.settings.min_samples) {
            "`min_samples` is out of bounds"
        } else if self.settings.formats.len() > MOST_FORMATS
            || vote::formats(&self.settings.formats).is_err()
        {
            "`formats` are too many, or one of them is none"
        } else if self.settings.denoise.is_some_and(|it| !it.is_sound()) {
            "`denoise` is out of bounds"
        } else {
            return Ok(self);
        };
        Err(ItemError::Form(problem.into()))
    }

    /// As it lies in the queue.
    ///
    /// # Errors
    /// It would be larger than an item may be.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ItemError> {
        let bytes = serde_json::to_vec(self).map_err(|it| ItemError::Form(it.to_string()))?;
        match bytes.len() {
            0..=MOST_BYTES => Ok(bytes),
            more => Err(ItemError::TooLarge(more)),
        }
    }

    /// What it is called.
    #[must_use]
    pub fn key(&self) -> Key {
        Key::of(&self.content_sha256, &self.settings_hash)
    }

    /// For the queue's own de-duplication: content, settings and round.
    #[must_use]
    pub fn message_id(&self) -> String {
        format!("{}-{}", self.key(), self.round)
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    let is_digit = |it: u8| it.is_ascii_digit() || (b'a'..=b'f').contains(&it);
    text.len() == digits && text.bytes().all(is_digit)
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= LONGEST_NAME
        && !text.chars().any(|it| it.is_control() || it == '/')
}
