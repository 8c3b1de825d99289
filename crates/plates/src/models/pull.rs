//! Getting models.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    entry::Entry,
    files::{MOST_BYTES, hex},
};
use crate::fetch::{self, Answer, Came};

/// Why a model was not got.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// Nowhere to get it from.
    #[error(
        "nothing is known of where to get the model `{name}`: put its file at {}",
        path.display()
    )]
    NoUrl {
        /// Which.
        name: String,
        /// Where it would be found.
        path: PathBuf,
    },
    /// Without a hash nobody could say whether the right file came.
    #[error("the model `{name}` has no sha256 in the registry: write it there, then pull it")]
    NoHash {
        /// Which.
        name: String,
    },
    /// The folder, or a file in it.
    #[error("cannot write {}", path.display())]
    Write {
        /// What was written.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No address had it.
    #[error("the model `{name}` could not be got: {}", reasons.join("; "))]
    Failed {
        /// Which.
        name: String,
        /// One sentence an address.
        reasons: Vec<String>,
    },
}

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that came.
    pub bytes: u64,
    /// Bytes that will come, as the server says.
    pub total: Option<u64>,
}

/// Gets the file of `entry` into `dir`: from the first of its addresses that has it, under another name until its hash is
/// the one that was declared. Addresses begin with `https://`, `http://` or `file://`; certificates are verified against
/// those of the system.
pub(super) fn pull(
    entry: &Entry,
    dir: &Path,
    tell: &mut dyn FnMut(Progress),
) -> Result<PathBuf, PullError> {
    let path = dir.join(&entry.file);
    let name = || entry.name.clone();
    if entry.urls.is_empty() {
        return Err(PullError::NoUrl { name: name(), path });
    }
    let Some(expected) = &entry.sha256 else {
        return Err(PullError::NoHash { name: name() });
    };
    let cannot = |source| PullError::Write {
        path: path.clone(),
        source,
    };
    fs::create_dir_all(dir).map_err(cannot)?;
    let mut reasons = Vec::new();
    for url in &entry.urls {
        // Named and thrown away by the library until it is kept.
        let mut file = tempfile::Builder::new()
            .prefix(".pull-")
            .tempfile_in(dir)
            .map_err(cannot)?;
        match came(url, file.as_file_mut(), tell) {
            Err(Trouble::Here(source)) => return Err(cannot(source)),
            Err(Trouble::There(reason)) => reasons.push(format!("{url}: {reason}")),
            Ok(found) if !found.eq_ignore_ascii_case(expected) => {
                reasons.push(format!("{url}: its sha256 is {found}, expected {expected}"));
            }
            Ok(_) => {
                file.as_file().sync_all().map_err(cannot)?;
                let readable = fs::Permissions::from_mode(0o644);
                fs::set_permissions(file.path(), readable).map_err(cannot)?;
                file.persist(&path).map_err(|it| cannot(it.error))?;
                return Ok(path);
            }
        }
    }
    Err(PullError::Failed {
        name: name(),
        reasons,
    })
}

enum Trouble {
    /// Of this machine.
    Here(io::Error),
    /// Of the other side.
    There(String),
}

/// Copies what `url` has, and says its hash.
fn came(url: &str, into: &mut File, tell: &mut dyn FnMut(Progress)) -> Result<String, Trouble> {
    let there = |it: &dyn ToString| Trouble::There(it.to_string());
    let (mut body, total): (Box<dyn Read>, _) = match url.strip_prefix("file://") {
        Some(path) => {
            let file = File::open(path).map_err(|it| there(&it))?;
            let total = file.metadata().map_err(|it| there(&it))?.len();
            (Box::new(file), Some(total))
        }
        None => {
            let answer = fetch::get(url, None, MOST_BYTES).map_err(|it| there(&it))?;
            let Answer::Came(Came { body, total, .. }) = answer else {
                return Err(Trouble::There("it does not come".to_owned()));
            };
            (body, total)
        }
    };
    let (mut hash, mut buffer, mut bytes) = (Sha256::new(), vec![0; 1 << 16], 0);
    loop {
        let read = body.read(&mut buffer).map_err(|it| there(&it))?;
        if read == 0 {
            return Ok(hex(&hash.finalize()));
        }
        bytes += read as u64;
        if bytes > MOST_BYTES {
            let most = MOST_BYTES >> 30;
            return Err(Trouble::There(format!("it is larger than {most} GiB")));
        }
        hash.update(&buffer[..read]);
        into.write_all(&buffer[..read]).map_err(Trouble::Here)?;
        tell(Progress { bytes, total });
    }
}
