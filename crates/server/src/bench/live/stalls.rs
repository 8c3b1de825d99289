//! What hangs while answers are timed: names that are never resolved, a model whose file cannot be read.

use std::{
    io,
    path::PathBuf,
    process::{Command, Stdio},
};

use rustix::fs::{CWD, Mode, OFlags, mkfifoat, open};
use serde_json::json;

use super::system::{System, this};

/// Puts both files in their places, and becomes the program. The list of hosts is what is asked first.
const SCRIPT: &str =
    r#"mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/nsswitch.conf && shift && exec "$@""#;

/// Files in whose places pipes are, into which nobody writes: who opens them waits.
const FILES: [&str; 2] = ["hosts", "model.bin"];

/// Where everything hangs.
pub(super) struct Stalls(tempfile::TempDir);

impl Stalls {
    pub(super) fn make() -> io::Result<Self> {
        let stalls = Self(tempfile::tempdir()?);
        std::fs::write(stalls.0.path().join("nsswitch.conf"), "hosts: files\n")?;
        for name in FILES {
            mkfifoat(CWD, stalls.0.path().join(name), Mode::RUSR | Mode::WUSR)?;
        }
        Ok(stalls)
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

    /// Starts a stream between channels whose names have to be looked up, and one whose model is in such a file; how
    /// many they are.
    pub(super) async fn streams(&self, system: &System) -> io::Result<usize> {
        let request = system.request("nowhere");
        let request = request.replace("127.0.0.1", "channels.test");
        system.ask("/live-video-to-video", &request).await?;
        // An input that stays away for a minute ends its stream, and with it the worker that waits.
        let source = "lavfi:testsrc2=size=320x240:rate=15:duration=600";
        let request = json!({
            "source": source, "sink": system.channel("stalled-out"),
            "binding": "prompt", "params": {"model": self.path("model.bin")},
        });
        system.ask("/v1/streams", &request.to_string()).await?;
        Ok(2)
    }

    /// Ends it; an error if something waited for none of it.
    pub(super) fn release(&self, names_hang: bool) -> io::Result<()> {
        // The kernel lets nobody write where nobody reads.
        let how = OFlags::WRONLY | OFlags::NONBLOCK;
        for name in FILES.into_iter().filter(|it| names_hang || *it != "hosts") {
            open(self.path(name), how, Mode::empty())
                .map_err(|error| io::Error::other(format!("nobody waits for `{name}`: {error}")))?;
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
