//! Paths of videos in a folder that all machines see, each at a place of its own.

use std::{
    fmt, io,
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// As long as Linux takes them.
const LONGEST: usize = 4096;
/// Of one name in it.
const LONGEST_NAME: usize = 255;

/// Why a text is no path of a share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a path of a share is relative, goes up nowhere and has no control character: {0}")]
pub struct Outside(&'static str);

/// A file's path relative to the root of a share: names alone, parted by `/`. It cannot say a path outside of the share;
/// [`beneath`](Self::beneath) holds that for links in the share, too.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SharePath(String);

impl SharePath {
    /// From what an item says.
    ///
    /// # Errors
    /// It is absolute, goes up, is empty, too long, or has what no name of a file may have.
    pub fn parsed(text: &str) -> Result<Self, Outside> {
        if text.is_empty() || text.len() > LONGEST {
            return Err(Outside("it is empty or too long"));
        }
        if text.chars().any(char::is_control) {
            return Err(Outside("it has a control character"));
        }
        for name in text.split('/') {
            match name {
                "" => return Err(Outside("it is absolute, or has an empty name")),
                "." | ".." => return Err(Outside("it has `.` or `..`")),
                _ if name.len() > LONGEST_NAME => return Err(Outside("a name is too long")),
                _ => {}
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// Of a file under the root of a share, both as the kernel names them.
    ///
    /// # Errors
    /// It is not under the root, or its name is no text.
    pub fn of(root: &Path, file: &Path) -> Result<Self, Outside> {
        let below = file.strip_prefix(root);
        let below = below.map_err(|_| Outside("it is not under the share"))?;
        let names = below.components().map(|it| match it {
            Component::Normal(name) => name.to_str(),
            _ => None,
        });
        let names: Option<Vec<_>> = names.collect();
        Self::parsed(&names.ok_or(Outside("its name is no text"))?.join("/"))
    }

    /// The regular file itself, links followed: it lies under `root`, whatever links there are.
    ///
    /// # Errors
    /// It is not there, is no regular file, or a link leads out of the share (`PermissionDenied`).
    pub fn beneath(&self, root: &Path) -> io::Result<PathBuf> {
        let root = root.canonicalize()?;
        let file = root.join(&self.0).canonicalize()?;
        if !file.starts_with(&root) {
            let what = "a link leads out of the share";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
        }
        if !file.metadata()?.is_file() {
            let what = "it is no regular file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        Ok(file)
    }

    /// As an item says it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SharePath {
    type Error = Outside;

    fn try_from(text: String) -> Result<Self, Outside> {
        Self::parsed(&text)
    }
}

impl From<SharePath> for String {
    fn from(it: SharePath) -> Self {
        it.0
    }
}

impl fmt::Display for SharePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
