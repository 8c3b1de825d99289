//! Folders of environments that are being made, and those that nobody needs any more.

use std::{
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
        // Without a lock nobody clears it away, and the lock appears with somebody holding it.
        let temporary = tempfile::Builder::new()
            .prefix(".")
            .tempdir_in(&place)
            .map_err(cannot)?;
        let unlocked = temporary.path().join("unlocked");
        let lock = fs::File::create(&unlocked).map_err(cannot)?;
        flock(&lock, FlockOperation::LockShared).map_err(|error| cannot(error.into()))?;
        fs::rename(unlocked, temporary.path().join(LOCK)).map_err(cannot)?;
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
    let entries = fs::read_dir(home.environments())
        .into_iter()
        .flatten()
        .flatten();
    for entry in entries {
        let is_site = entry.file_name().to_string_lossy().starts_with('.')
            && entry.file_type().is_ok_and(|it| it.is_dir());
        if is_site {
            clear_one(home, &entry.path());
        }
    }
}

fn clear_one(home: &Home, path: &Path) {
    // Whoever makes it lets go of it after it is recorded: the records are read with its lock held.
    let Some(_lock) = lock_alone(path) else {
        return;
    };
    let is_needed = record::all(home).iter().any(|it| it.path(home) == path);
    if !is_needed && !is_used(path) {
        fs::remove_dir_all(path).ok();
    }
}

/// None while somebody makes it.
fn lock_alone(path: &Path) -> Option<fs::File> {
    let lock = fs::File::open(path.join(LOCK)).ok()?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(lock)
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
            // Of another user's process only its command line can be read, which has the interpreter.
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
    fn what_is_recorded_while_others_clear_away_stays() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(&folder.path().canonicalize().unwrap());
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                        clear(&home);
                    }
                });
            }
            for at in 0..40 {
                let mut site = Site::new(&home).unwrap();
                let mut record = example(&format!("env{at}"), &[]);
                record.folder = site.name();
                record.write(&home).unwrap();
                site.keep();
                drop(site);
            }
            is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        let all = record::all(&home);
        assert_eq!(all.len(), 40);
        for record in all {
            assert!(record.path(&home).join(LOCK).is_file(), "{}", record.name);
        }
    }

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
