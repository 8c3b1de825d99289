//! Where environments, their records and what is remembered of them lie.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
};

use crate::failure::Failure;

/// The folder of everything that framerill keeps for a user.
#[derive(Clone, Debug)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// `FRAMERILL_HOME`, else `framerill` where the user's data lies.
    pub(crate) fn find() -> Result<Self, Failure> {
        let from = |name| {
            env::var_os(name)
                .filter(|it| !it.is_empty())
                .map(PathBuf::from)
        };
        let data = || Some(from("HOME")?.join(".local/share"));
        let folder = from("FRAMERILL_HOME")
            .or_else(|| Some(from("XDG_DATA_HOME").or_else(data)?.join("framerill")));
        let folder = folder.and_then(|it| std::path::absolute(it).ok());
        folder.map(Self).ok_or_else(|| {
            Failure::cannot_start(
                "home",
                "there is no folder for environments: HOME is not set",
            )
            .hint("set FRAMERILL_HOME to a folder")
        })
    }

    #[cfg(test)]
    pub(super) fn at(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Of environments and their records.
    pub(super) fn environments(&self) -> PathBuf {
        self.0.join("environments")
    }

    /// Of wheels that belong together.
    pub(super) fn runtime(&self, digest: &str) -> PathBuf {
        self.0.join("runtime").join(digest)
    }

    /// Of what was found in Pythons.
    pub(super) fn found(&self) -> PathBuf {
        self.0.join("found")
    }

    pub(super) fn cannot_write(error: &io::Error, path: &Path) -> Failure {
        let text = format!("cannot write `{}`: {error}", path.display());
        Failure::cannot_start("home", text)
            .hint("make room or give rights, or name another folder with FRAMERILL_HOME")
    }
}

/// Writes a whole file or none; its folders are made.
pub(super) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = path.with_extension(format!("{}.new", process::id()));
    let written = fs::write(&new, content).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // What is left of it is of no use; its place may not be writable either.
        drop(fs::remove_file(&new));
    }
    written
}
