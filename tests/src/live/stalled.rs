//! Files on a disk that stalls: pipes in their place. Whoever opens one to read it waits, and whoever writes into a full
//! one does.

use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, Mode, OFlags, mkfifoat, open},
    io::{Errno, write},
};

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

/// A file whose writers wait.
#[derive(Debug)]
pub struct Full {
    /// The pipe stays one as long as somebody could read it.
    _end: OwnedFd,
}

impl Full {
    /// Makes one.
    ///
    /// # Panics
    ///
    /// If it cannot be made there, or filled.
    #[must_use]
    pub fn make(path: &Path) -> Self {
        mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).expect("a pipe");
        let end = open(path, OFlags::RDWR | OFlags::NONBLOCK, Mode::empty()).expect("a pipe");
        let bytes = [b'.'; 4096];
        let full = loop {
            if let Err(why) = write(&end, &bytes) {
                break why;
            }
        };
        assert_eq!(full, Errno::AGAIN);
        Self { _end: end }
    }
}
