//! What hangs while answers are timed: names that are never resolved, files that are never read or written.

use std::{
    io,
    path::PathBuf,
    process::{Command, Stdio},
};

use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::json;

use super::system::{System, this};

/// Puts both files in their places, and becomes the program: the list of hosts that is asked first is a pipe into which
/// nobody writes.
const SCRIPT: &str =
    r#"mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/nsswitch.conf && shift && exec "$@""#;

/// Where everything hangs.
pub(super) struct Stalls(tempfile::TempDir);

impl Stalls {
    pub(super) fn make() -> io::Result<Self> {
        let stalls = Self(tempfile::tempdir()?);
        std::fs::write(stalls.0.path().join("nsswitch.conf"), "hosts: files\n")?;
        for name in ["hosts", "params.json", "in.ts", "out.ts"] {
            mkfifoat(CWD, stalls.0.path().join(name), Mode::RUSR | Mode::WUSR)?;
        }
        Ok(stalls)
    }

    /// Parameters that are never read.
    pub(super) fn params(&self) -> String {
        self.path("params.json").display().to_string()
    }

    /// This program, in a mount namespace where no name is resolved; none where the kernel lends no namespaces.
    pub(super) fn without_names(&self) -> io::Result<Option<Command>> {
        let command = |program: PathBuf| {
            let mut command = Command::new("unshare");
            command
                .args(["--user", "--map-root-user", "--mount", "--"])
                .args(["sh", "-c", SCRIPT])
                .args([self.path("hosts"), self.path("nsswitch.conf"), program]);
            command
        };
        let tried = command("true".into()).stderr(Stdio::null()).status();
        let lends = tried.is_ok_and(|it| it.success());
        Ok(lends.then_some(command(this()?)))
    }

    /// Starts a stream between channels whose names have to be looked up, and one between files.
    pub(super) async fn streams(&self, system: &System) -> io::Result<()> {
        let request = system.request("nowhere");
        let request = request.replace("127.0.0.1", "channels.test");
        system.ask("/live-video-to-video", &request).await?;
        let request = json!({"source": self.path("in.ts"), "sink": self.path("out.ts")});
        system.ask("/v1/streams", &request.to_string()).await?;
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
