//! One `framerill serve` with an infer that a test directs.

use std::{
    ffi::OsStr,
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use framerill_tests::{
    bin,
    http::{Answer, request},
    process::is_running,
    serving, skip, wait_for,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// What a test waits for comes within this, or not at all.
const SOON: Duration = Duration::from_secs(30);
/// What it says goes there, in its folder.
const STDERR: &str = "stderr.txt";

/// What `serve` and the infer below it are told.
pub(crate) struct Stage {
    folder: tempfile::TempDir,
    args: Vec<String>,
    env: Vec<(String, String)>,
    is_contained: bool,
}

/// Lends no further namespaces from here on, and becomes the program.
const CONTAIN: &str = r#"echo 0 > /proc/sys/user/max_pid_namespaces && exec "$@""#;

/// The program as the first process of a container, which lends it no namespaces.
fn contain(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--pid", "--fork"])
        .args(["--kill-child", "--mount-proc", "--"])
        .args(["sh", "-c", CONTAIN, "sh"])
        .arg(program);
    command
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
}

/// A `serve` that runs.
pub(crate) struct Runner {
    stage: Stage,
    child: Option<Child>,
    pub(crate) address: String,
    pub(crate) announced: Value,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            args: Vec::new(),
            env: Vec::new(),
            is_contained: false,
        }
    }

    pub(crate) fn arg(mut self, name: &str, value: &str) -> Self {
        self.args.extend([name.to_owned(), value.to_owned()]);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As a container's first process; none, loudly, where the machine lends no namespaces.
    pub(crate) fn contained(mut self) -> Option<Self> {
        let tried = contain("true").stderr(Stdio::null()).status();
        if !tried.is_ok_and(|it| it.success()) {
            skip("no namespaces for a container");
            return None;
        }
        self.is_contained = true;
        Some(self)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How infer behaves from now on.
    pub(crate) fn behave(self, behaviour: &Value) -> Self {
        self.set(behaviour);
        self
    }

    fn set(&self, behaviour: &Value) {
        // In one step: infer reads it at any time.
        let new = self.path("behaviour.new");
        fs::write(&new, behaviour.to_string()).expect("a file");
        fs::rename(new, self.path("behaviour.json")).expect("a file");
    }

    fn command(&self) -> Command {
        let mut command = if self.is_contained {
            let mut command = contain(bin("framerill"));
            serving::told_by_nobody(&mut command);
            command
        } else {
            serving::framerill()
        };
        command
            .args(["serve", "--json", "--internal-port", "0"])
            .args(&self.args)
            .current_dir(self.folder.path())
            .env("FRAMERILL_PORT", "0")
            .env("FRAMERILL_INFER_PROGRAM", bin("framerill-fake-infer"))
            .env("FAKE_INFER", self.folder.path())
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A start that comes to nothing.
    pub(crate) fn refused(&self) -> Ended {
        let stderr = fs::File::create(self.path(STDERR)).expect("a file");
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let status = command.stderr(stderr).status();
        Ended {
            code: status.expect("framerill runs").code(),
            stderr: self.stderr(),
        }
    }

    /// Starts `serve` for the pipeline `noop` as an image does, and waits until it listens.
    pub(crate) fn noop(self) -> Runner {
        self.env("PIPELINE", "live-video-to-video")
            .env("MODEL_ID", "noop")
            .start()
    }

    /// Starts `serve` and waits until it listens.
    pub(crate) fn start(self) -> Runner {
        let (child, announced) = serving::listening(&mut self.command(), &self.path(STDERR));
        Runner {
            address: serving::address(&announced),
            child: Some(child),
            stage: self,
            announced,
        }
    }

    /// How infer was started, each time.
    pub(crate) fn boots(&self) -> Vec<Value> {
        self.lines("boots.jsonl")
    }

    fn stderr(&self) -> String {
        fs::read_to_string(self.path(STDERR)).expect("a file")
    }

    fn lines(&self, file: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(file)).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}

impl Runner {
    /// With an infer that answers.
    pub(crate) fn well(stage: Stage) -> Self {
        let runner = stage.noop();
        runner.until_infer_answered(1);
        runner
    }

    pub(crate) fn behave(&self, behaviour: &Value) {
        self.stage.set(behaviour);
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        request(&self.address, "GET", path, &[], b"")
    }

    pub(crate) fn post(&self, body: &Value) -> Answer {
        let json = [("Content-Type", "application/json")];
        let path = "/live-video-to-video";
        request(
            &self.address,
            "POST",
            path,
            &json,
            body.to_string().as_bytes(),
        )
    }

    /// How infer was started, each time.
    pub(crate) fn boots(&self) -> Vec<Value> {
        self.stage.boots()
    }

    /// What was posted to infer.
    pub(crate) fn starts(&self) -> Vec<Value> {
        self.stage.lines("starts.jsonl")
    }

    /// What infer was asked about streams.
    pub(crate) fn asked(&self) -> Vec<Value> {
        self.stage.lines("asked.jsonl")
    }

    pub(crate) fn was_told_to_leave(&self) -> bool {
        self.stage.path("told-to-leave").exists()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stage.stderr()
    }

    /// The process of infer, at its nth start.
    pub(crate) fn infer(&self, nth: usize) -> u32 {
        self.until("infer starts", || {
            let boots = self.boots();
            let boot = boots.get(nth - 1)?;
            u32::try_from(boot["pid"].as_u64()?).ok()
        })
    }

    /// Waits until serve has seen that infer answers, for the nth time.
    pub(crate) fn until_infer_answered(&self, nth: usize) {
        self.until("infer answers", || {
            let said = self.stderr();
            let times = said.matches("message=infer answers").count();
            (times >= nth).then_some(())
        });
        // The keeper's word for it comes right after.
        self.until("infer is up", || {
            let page = self.get("/metrics").text();
            page.contains("framerill_infer_up 1.0").then_some(())
        });
    }

    pub(crate) fn until<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        let found = wait_for(SOON, look);
        found.unwrap_or_else(|| panic!("in half a minute: {what}\n{}", self.stderr()))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a number"), signal).expect("it runs");
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> (Ended, Stage) {
        let mut child = self.child.take().expect("it runs");
        let mut status = None;
        let ended = wait_for(SOON, || {
            status = child.try_wait().expect("it is ours");
            status
        });
        if ended.is_none() {
            drop(child.kill());
            drop(child.wait());
        }
        let stderr = self.stderr();
        let ended = Ended {
            code: ended
                .unwrap_or_else(|| panic!("it goes on: {stderr}"))
                .code(),
            stderr,
        };
        (ended, std::mem::replace(&mut self.stage, Stage::new()))
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A test that ends leaves nothing behind.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// The least that starts a stream.
pub(crate) fn least() -> Value {
    json!({"subscribe_url": "http://127.0.0.1:3389/in", "publish_url": "http://127.0.0.1:3389/out"})
}

/// Whether a process is gone within `deadline`.
pub(crate) fn is_gone_within(pid: u32, deadline: Duration) -> bool {
    framerill_tests::wait_until(deadline, || !is_running(pid))
}
