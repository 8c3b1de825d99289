//! Names that are never resolved: DNS hangs, for one program and everything below it.
//!
//! The program runs in a mount namespace of its own, where the list of hosts that is asked first is a file that stalls. A
//! question waits for ever, which is worse than a server for names that does not answer.

use std::{
    fs,
    process::{Command, Stdio},
};

use super::stalled::Stalled;
use crate::{bin, serving::told_by_nobody, skip};

/// Puts both files in their places, and becomes the program.
const SCRIPT: &str =
    r#"mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/nsswitch.conf && shift && exec "$@""#;

/// Where names are not resolved.
#[derive(Debug)]
pub struct HangingNames {
    folder: tempfile::TempDir,
    hosts: Stalled,
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
        fs::write(folder.path().join("nsswitch.conf"), "hosts: files\n").expect("a file");
        let names = Self {
            hosts: Stalled::make(folder.path().join("hosts")),
            folder,
        };
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

    /// Answers that there is no such name; whether anybody waited for it.
    #[must_use]
    pub fn answer(&self) -> bool {
        self.hosts.release()
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--mount", "--"])
            .args(["sh", "-c", SCRIPT])
            .arg(self.hosts.path())
            .arg(self.folder.path().join("nsswitch.conf"))
            .arg(program);
        command
    }
}
