//! A file on a disk that stalls: a pipe in its place, into which nobody writes. Whoever opens it waits.

use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, mkfifoat, open};

/// A file whose readers wait.
#[derive(Debug, Clone)]
pub struct Stalled(PathBuf);

impl Stalled {
    /// Makes one.
    ///
    /// # Panics
    ///
    /// If it cannot be made there.
    #[must_use]
    pub fn make(path: PathBuf) -> Self {
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).expect("a pipe");
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Lets whoever waits read an empty file; whether anybody did.
    #[must_use]
    pub fn release(&self) -> bool {
        // The kernel lets nobody write where nobody reads.
        open(&self.0, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty()).is_ok()
    }
}
