//! A server with its infer and its channels, and the commands that talk to it.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use framerill_tests::{
    http::{Answer, request},
    process::{descendants_called, is_running, kill_9},
    serving, wait_for,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// What a test waits for comes within this, or not at all.
const SOON: Duration = Duration::from_secs(30);
/// What the server says goes there, in its folder.
const STDERR: &str = "stderr.txt";

/// A server that runs.
pub(crate) struct Rig {
    folder: tempfile::TempDir,
    child: Child,
    pub(crate) url: String,
    trickle: String,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The object on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A command to its end, without a server of the test's.
pub(crate) fn alone(args: &[&str]) -> Ended {
    finish(serving::framerill().stdin(Stdio::null()).args(args))
}

fn finish(command: &mut Command) -> Ended {
    let output = command.output().expect("framerill runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

impl Rig {
    /// Serves `invert` with channels beside it, and waits until a frame could go through.
    pub(crate) fn ready(args: &[&str]) -> Self {
        let rig = Self::start(args);
        rig.until("a worker is ready", || {
            (rig.get("/readyz").status == 200).then_some(())
        });
        rig
    }

    pub(crate) fn start(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = serving::framerill();
        command
            .args(["serve", "--json", "--port", "0", "--internal-port", "0"])
            .args(["--trickle", "127.0.0.1:0", "--pipeline", "invert"])
            .args(args)
            .current_dir(folder.path());
        let (child, said) = serving::listening(&mut command, &folder.path().join(STDERR));
        let text = |name: &str| said[name].as_str().expect("an URL").to_owned();
        Self {
            folder,
            child,
            url: text("url"),
            trickle: text("trickle"),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A channel's URL.
    pub(crate) fn channel(&self, name: &str) -> String {
        format!("{}{name}", self.trickle)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    pub(crate) fn ask(&self, verb: &str, path: &str, body: &str) -> Answer {
        let address = self.url.trim_start_matches("http://");
        let json = [("Content-Type", "application/json")];
        request(address, verb, path, &json, body.as_bytes())
    }

    /// Kills infer as the kernel would; returns when it is gone.
    pub(crate) fn kill_infer(&self) {
        let infers = descendants_called(self.child.id(), "infer");
        let infer = infers.first().expect("it runs").pid;
        kill_9(infer).expect("it runs");
        self.until("infer is gone", || (!is_running(infer)).then_some(()));
    }

    /// `framerill stream …` in this folder, to its end.
    pub(crate) fn stream(&self, args: &[&str]) -> Ended {
        finish(&mut self.command(args))
    }

    /// The same, in the background.
    pub(crate) fn begin(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("framerill runs")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = serving::framerill();
        command
            .stdin(Stdio::null())
            .arg("stream")
            .args(args)
            .env("FRAMERILL_SERVER", &self.url)
            .current_dir(self.folder.path());
        command
    }

    pub(crate) fn until<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        let found = wait_for(SOON, look);
        found.unwrap_or_else(|| {
            let said = fs::read_to_string(self.path(STDERR)).unwrap_or_default();
            panic!("in half a minute: {what}\n{said}")
        })
    }
}

/// Sends a signal to a child.
pub(crate) fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a number"), signal).expect("it runs");
}

/// How a command in the background ended.
pub(crate) fn ended(mut child: Child) -> Ended {
    let over = wait_for(SOON, || child.try_wait().expect("it is ours"));
    if over.is_none() {
        drop(child.kill());
    }
    let output = child.wait_with_output().expect("it is ours");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let ended = Ended {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    };
    assert!(over.is_some(), "it went on: {ended:?}");
    ended
}

impl Drop for Rig {
    fn drop(&mut self) {
        // Its children die with it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
