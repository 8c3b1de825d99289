//! One run in a folder of its own, and looks at what it left.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use framerill_tests::{
    bin,
    process::{Process, descendants},
    python, repository, wait_for,
};
use serde_json::Value;

/// What a test waits for comes within this, or not at all.
const SOON: Duration = Duration::from_secs(30);

/// A folder, and the commands that run in it.
pub(crate) struct Scene {
    folder: tempfile::TempDir,
}

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// A pipeline of the tests.
pub(crate) fn pipeline(class: &str) -> String {
    let file = match class {
        "Invert" | "Tunable" | "Batched" => "basic.py",
        "Queued" | "Twice" => "decoupled.py",
        "Larger" | "Doubles" => "upscaler.py",
        _ => "faults.py",
    };
    format!(
        "{}:{class}",
        repository().join("tests/pipelines").join(file).display()
    )
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The names in the folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder.path())
            .expect("the folder is there")
            .map(|it| {
                it.expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    /// Makes a clip with FFmpeg's own command line: picture and, unless `-an` is among the arguments, sound.
    pub(crate) fn clip(&self, name: &str, seconds: u32, args: &[&str]) -> PathBuf {
        let path = self.path(name);
        let video = format!("testsrc2=size=320x240:rate=30:duration={seconds}");
        let audio = format!("sine=frequency=440:duration={seconds}");
        let made = Command::new("ffmpeg")
            .args([
                "-v", "error", "-y", "-f", "lavfi", "-i", &video, "-f", "lavfi", "-i", &audio,
            ])
            .args(["-shortest"])
            .args(args)
            .arg(&path)
            .status()
            .expect("ffmpeg runs");
        assert!(made.success());
        path
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(bin("framerill"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env("FRAMERILL_PYTHON", python())
            .stdin(Stdio::null());
        command
    }

    /// Another command of the program with `--json`, to its end.
    pub(crate) fn json(&self, args: &[&str]) -> (Ended, Value) {
        let args = [args, &["--json"]].concat();
        let ended = Ended::from(self.command(&args).output().expect("framerill runs"));
        let answer = serde_json::from_slice(&ended.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", ended.stderr));
        (ended, answer)
    }

    /// Runs to the end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        let args = [&["run"], args].concat();
        Ended::from(self.command(&args).output().expect("framerill runs"))
    }

    /// Runs with `--json` to the end.
    pub(crate) fn report(&self, args: &[&str]) -> (Ended, Value) {
        let ended = self.run(&[args, &["--json"]].concat());
        let report = serde_json::from_slice(&ended.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", ended.stderr));
        (ended, report)
    }

    /// Starts a run in the background.
    pub(crate) fn start(&self, args: &[&str]) -> Background {
        let child = self
            .command(&[&["run"], args].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("framerill runs");
        Background { child: Some(child) }
    }
}

/// A run that goes on, whose stderr can be looked at meanwhile.
pub(crate) struct Watched {
    run: Background,
    stderr: PathBuf,
}

impl Watched {
    pub(crate) fn start(scene: &Scene, args: &[&str]) -> Self {
        let stderr = scene.path("stderr.txt");
        let child = scene
            .command(&[&["run"], args].concat())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&stderr).expect("a file"))
            .spawn()
            .expect("framerill runs");
        let run = Background { child: Some(child) };
        Self { run, stderr }
    }

    /// Sends a signal once this was said.
    pub(crate) fn signal_after(&self, said: &str, signal: rustix::process::Signal) {
        wait_until(said, || {
            let stderr = fs::read_to_string(&self.stderr).expect("a file");
            stderr.contains(said).then_some(())
        });
        self.run.signal(signal);
    }

    /// Waits until this was said.
    pub(crate) fn said(&self, what: &str) {
        wait_until(what, || {
            let stderr = fs::read_to_string(&self.stderr).expect("a file");
            stderr.contains(what).then_some(())
        });
    }

    /// All that was said so far.
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).expect("a file")
    }

    pub(crate) fn into_run(self) -> Background {
        self.run
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ended {
    /// The line that says what is wrong.
    pub(crate) fn complaint(&self) -> &str {
        self.stderr
            .lines()
            .rfind(|line| line.starts_with("framerill: "))
            .unwrap_or_default()
    }
}

/// A run that goes on.
pub(crate) struct Background {
    child: Option<Child>,
}

impl Background {
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// The process of the pipeline itself, below the shims around it.
    pub(crate) fn worker(&self) -> u32 {
        wait_until("the worker runs", || worker_below(self.pid()))
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        signal_to(self.pid(), signal);
    }

    pub(crate) fn end(mut self) -> Ended {
        let child = self.child.take().expect("it runs");
        Ended::from(child.wait_with_output().expect("it ends"))
    }

    /// Kills it with -9 and returns once it is gone.
    pub(crate) fn kill(mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("it runs");
        let status = child.wait().expect("it ends");
        assert_eq!(status.signal(), Some(9));
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A test that failed leaves nothing behind.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Sends a signal to a process of this test's own.
pub(crate) fn signal_to(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("in range")).expect("a pid");
    rustix::process::kill_process(pid, signal).expect("the process is there");
}

/// What `look` finds, once it finds something; panics after half a minute.
pub(crate) fn wait_until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_for(SOON, look).unwrap_or_else(|| panic!("in half a minute: {what}"))
}

/// Everything below a process.
pub(crate) fn below(pid: u32) -> Vec<u32> {
    descendants(pid).iter().map(|it| it.pid).collect()
}

fn worker_below(pid: u32) -> Option<u32> {
    let family = descendants(pid);
    let worker = family.iter().find(|it| is_worker(it))?;
    Some(worker.pid)
}

/// The program itself, not the shims whose arguments name it.
fn is_worker(process: &Process) -> bool {
    let python = process
        .command
        .first()
        .is_some_and(|it| it.contains("python"));
    let rust = process.command.get(1).is_some_and(|it| it == "worker");
    process.is_running() && (rust || (python && process.is_called("framerill.worker")))
}
