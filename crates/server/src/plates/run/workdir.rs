//! The folder that is a run's own: its lock, its logs, what it needs to go on after a kill.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use crate::failure::Failure;

/// Held while a run is on; the kernel lets go of it with the process.
const LOCK: &str = "run.lock";
const STATUS: &str = "status.json";
const CHECKPOINTS: &str = "checkpoints";
const DOWNLOADS: &str = "downloads";
/// Names of files that are being written begin so.
pub(in crate::plates) const UNFINISHED: &str = ".unfinished-";

/// A run's own folder, locked.
#[derive(Debug)]
pub(crate) struct WorkDir {
    path: PathBuf,
    lock: File,
}

impl WorkDir {
    /// Makes it unless it is there, and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let broken = |error: io::Error| {
            let text = format!("cannot use the work directory `{shown}`: {error}");
            Failure::cannot_start("work_dir", text)
                .hint("name one that can be written with `--work-dir`")
        };
        fs::create_dir_all(path.join("logs")).map_err(broken)?;
        let path = path.canonicalize().map_err(broken)?;
        let lock = locked(&path.join(LOCK)).map_err(broken)?;
        let Some(lock) = lock else {
            let text = format!("another run is on in `{shown}`");
            return Err(Failure::cannot_start("locked", text)
                .hint("wait for its end, or give this one its own `--work-dir`"));
        };
        let it = Self { path, lock };
        it.lock.set_len(0).map_err(broken)?;
        let pid = format!("{}\n", std::process::id());
        (&it.lock).write_all(pid.as_bytes()).map_err(broken)?;
        it.sweep();
        Ok(it)
    }

    /// Removes what a run that was killed was writing.
    fn sweep(&self) {
        for folder in [self.path.clone(), self.checkpoints(), self.downloads()] {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = entry.file_name();
                if name.to_string_lossy().starts_with(UNFINISHED) {
                    // One that stays costs its bytes, not the run.
                    drop(fs::remove_file(entry.path()));
                }
            }
        }
    }

    /// Where it is kept at which frame a video goes on.
    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    /// Where videos lie that were named by their address.
    pub(crate) fn downloads(&self) -> PathBuf {
        self.path.join(DOWNLOADS)
    }

    /// Where it is, as the kernel names it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where logs go.
    pub(crate) fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// Writes how the run stands, for `framerill plates status`.
    pub(crate) fn write_status(&self, json: &[u8]) -> io::Result<()> {
        replace(&self.path.join(STATUS), json)
    }
}

/// The file, locked; none where another run has it.
fn locked(path: &Path) -> io::Result<Option<File>> {
    loop {
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if is_at(&lock, path) => return Ok(Some(lock)),
            // Its run ended between the two, and took the file away: what is locked has no name any more.
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Whether a path still names an open file.
fn is_at(file: &File, path: &Path) -> bool {
    let of = |it: io::Result<fs::Metadata>| it.map(|it| (it.dev(), it.ino())).ok();
    let open = of(file.metadata());
    open.is_some() && open == of(fs::metadata(path))
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        // A lock file that stays is as good as one that is gone: the lock is the kernel's.
        drop(fs::remove_file(self.path.join(LOCK)));
    }
}

/// How the run in a folder stands, and whether it is on.
pub(crate) fn status(path: &Path) -> io::Result<(Vec<u8>, bool)> {
    let status = fs::read(path.join(STATUS))?;
    let is_on = match File::open(path.join(LOCK)) {
        Ok(lock) => flock(&lock, FlockOperation::NonBlockingLockShared).is_err(),
        Err(_) => false,
    };
    Ok((status, is_on))
}

/// Puts a file in another one's place: whoever reads it sees either of them whole.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(it) if it != Path::new("") => it,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map(drop).map_err(|it| it.error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn a_lock_without_its_name_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK);
        let old = locked(&path).unwrap().unwrap();
        assert!(is_at(&old, &path));
        assert!(locked(&path).unwrap().is_none());
        fs::remove_file(&path).unwrap();
        assert!(!is_at(&old, &path));
        let new = locked(&path).unwrap().unwrap();
        assert!(is_at(&new, &path) && !is_at(&old, &path));
    }

    #[test]
    fn a_second_run_in_the_same_folder_is_refused_until_the_first_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let first = WorkDir::open(folder.path()).unwrap();
        let failure = WorkDir::open(folder.path()).unwrap_err();
        assert_eq!(failure.exit, Exit::CannotStart);
        assert!(failure.to_string().contains("--work-dir"));
        first.write_status(b"{}").unwrap();
        assert_eq!(status(folder.path()).unwrap(), (b"{}".to_vec(), true));
        drop(first);
        assert!(!status(folder.path()).unwrap().1);
        WorkDir::open(folder.path()).unwrap();
    }

    #[test]
    fn what_a_killed_run_was_writing_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let first = WorkDir::open(folder.path()).unwrap();
        fs::create_dir(first.checkpoints()).unwrap();
        for within in [first.path(), &first.checkpoints()] {
            let half = tempfile::Builder::new()
                .prefix(UNFINISHED)
                .tempfile_in(within);
            half.unwrap().keep().unwrap();
            replace(&within.join("whole.json"), b"{}").unwrap();
        }
        // A second one that is refused leaves the first one's files alone.
        WorkDir::open(folder.path()).unwrap_err();
        let count = |path: &Path| fs::read_dir(path).unwrap().count();
        assert_eq!(count(&first.checkpoints()), 2);
        drop(first);
        let next = WorkDir::open(folder.path()).unwrap();
        assert_eq!(count(&next.checkpoints()), 1);
        // The lock, the logs, the checkpoints, and what is whole.
        assert_eq!(count(next.path()), 4);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let failure = WorkDir::open(&file.join("x")).unwrap_err();
        assert_eq!(failure.exit, Exit::CannotStart);
        assert!(failure.to_string().contains("file/x"), "{failure}");
    }
}
