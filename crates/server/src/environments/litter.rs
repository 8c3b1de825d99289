//! Folders of environments that are being made, and those that nobody needs any more.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use super::{home::Home, record};
use crate::failure::Failure;

/// Held as long as an environment is being made.
pub(super) const LOCK: &str = "being-made";

/// A folder in which an environment is being made; removed with everything in it unless it is kept.
pub(super) struct Site {
    pub(super) folder: PathBuf,
    temporary: Option<TempDir>,
    _lock: fs::File,
}

impl Site {
    pub(super) fn new(home: &Home) -> Result<Self, Failure> {
        let place = home.environments();
        let cannot = |error| Home::cannot_write(&error, &place);
        fs::create_dir_all(&place).map_err(cannot)?;
        // Nobody clears it away between its beginning and its lock: an empty folder is passed over.
        let temporary = tempfile::Builder::new()
            .prefix(".")
            .tempdir_in(&place)
            .map_err(cannot)?;
        let lock = fs::File::create(temporary.path().join(LOCK)).map_err(cannot)?;
        flock(&lock, FlockOperation::LockShared).map_err(|error| cannot(error.into()))?;
        Ok(Self {
            folder: temporary.path().to_owned(),
            temporary: Some(temporary),
            _lock: lock,
        })
    }

    /// The folder's name.
    pub(super) fn name(&self) -> String {
        let name = self.folder.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    pub(super) fn keep(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            // From now on the record says that it stays.
            drop(temporary.keep());
        }
    }
}

/// Removes what no record names, nobody makes and no process uses. What cannot be removed stays until the next time.
pub(super) fn clear(home: &Home) {
    let needed: BTreeSet<_> = record::all(home).iter().map(|it| it.path(home)).collect();
    for entry in fs::read_dir(home.environments())
        .into_iter()
        .flatten()
        .flatten()
    {
        let path = entry.path();
        let is_site = entry.file_name().to_string_lossy().starts_with('.')
            && entry.file_type().is_ok_and(|it| it.is_dir());
        if is_site && !needed.contains(&path) && is_left(&path) && !is_used(&path) {
            fs::remove_dir_all(&path).ok();
        }
    }
}

fn is_left(path: &Path) -> bool {
    let lock = fs::File::open(path.join(LOCK));
    lock.is_ok_and(|it| flock(&it, FlockOperation::NonBlockingLockExclusive).is_ok())
}

/// Whether a process was started from it, or has something of it in its memory.
fn is_used(path: &Path) -> bool {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (Some(path), Some(whole)) = (path.to_str(), whole.to_str()) else {
        return true;
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.into_iter().any(|process| {
        ["cmdline", "maps"].iter().any(|file| {
            let text = fs::read(process.path().join(file)).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            text.contains(path) || text.contains(whole)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{super::record::example, *};

    #[test]
    fn what_is_neither_recorded_nor_being_made_nor_used_is_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(&folder.path().canonicalize().unwrap());
        let mut kept = Site::new(&home).unwrap();
        let mut record = example("kept", &[]);
        record.folder = kept.name();
        record.write(&home).unwrap();
        kept.keep();
        let mut left = Site::new(&home).unwrap();
        left.keep();
        let folder = left.folder.clone();
        drop(left);
        let left = folder;
        let mut used = Site::new(&home).unwrap();
        used.keep();
        let folder = used.folder.clone();
        drop(used);
        let used = folder;
        let program = used.join("program");
        fs::copy("/bin/sleep", &program).unwrap();
        let mut child = std::process::Command::new(&program)
            .arg("600")
            .spawn()
            .unwrap();
        let being_made = Site::new(&home).unwrap();
        clear(&home);
        assert!(kept.folder.is_dir() && being_made.folder.is_dir() && used.is_dir());
        assert!(!left.exists());
        child.kill().unwrap();
        child.wait().unwrap();
        clear(&home);
        assert!(!used.exists());
        let folder = being_made.folder.clone();
        drop(being_made);
        assert!(!folder.exists());
    }
}
