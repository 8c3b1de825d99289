//! Names that are never resolved: DNS hangs, for one program and everything below it.
//!
//! The program runs in a mount namespace of its own, where the list of hosts that is asked first is a pipe into which
//! nobody writes. A question waits for ever, which is worse than a server for names that does not answer.

use std::{
    fs,
    process::{Command, Stdio},
};

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::{bin, serving::told_by_nobody, skip};

/// Puts both files in their places, and becomes the program.
const SCRIPT: &str =
    r#"mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/nsswitch.conf && shift && exec "$@""#;

/// Where names are not resolved.
#[derive(Debug)]
pub struct HangingNames {
    folder: tempfile::TempDir,
}

impl HangingNames {
    /// Makes one; `None`, loudly, where the kernel lends no namespaces.
    ///
    /// # Panics
    ///
    /// If there is no folder for it.
    #[must_use]
    pub fn make() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        mkfifoat(CWD, folder.path().join("hosts"), Mode::RUSR | Mode::WUSR).expect("a pipe");
        fs::write(folder.path().join("nsswitch.conf"), "hosts: files\n").expect("a file");
        let names = Self { folder };
        let tried = names.command("true").stderr(Stdio::null()).status();
        if tried.is_ok_and(|it| it.success()) {
            return Some(names);
        }
        skip("no namespaces for a resolver that hangs");
        None
    }

    /// `framerill` where names hang.
    #[must_use]
    pub fn framerill(&self) -> Command {
        let mut command = self.command(bin("framerill"));
        told_by_nobody(&mut command);
        command
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--mount", "--"])
            .args(["sh", "-c", SCRIPT])
            .arg(self.folder.path().join("hosts"))
            .arg(self.folder.path().join("nsswitch.conf"))
            .arg(program);
        command
    }
}
