//! One `framerill serve` with everything below it, as a container runs it.

use std::{fs, path::Path, process::Child, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{names::HangingNames, stalled::Full};
use crate::{
    http::{self, Answer},
    process::{Process, children, descendants, descendants_called, is_running, is_stopped},
    python, repository, serving, wait_for, wait_until,
};

/// What a test waits for comes within this, or not at all.
pub const SOON: Duration = Duration::from_secs(30);
/// A request that takes longer counts as unanswered.
const WITHIN: Duration = Duration::from_secs(5);

/// What everything of a runner says goes there, in its folder.
const STDERR: &str = "stderr.txt";

/// A process below `serve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `framerill infer`.
    Infer,
    /// `framerill-media`.
    Media,
    /// Whatever holds the pipeline.
    Worker,
}

/// What `serve` is told.
#[derive(Debug)]
pub struct Setup {
    args: Vec<String>,
    env: Vec<(String, String)>,
    names: Option<HangingNames>,
    is_log_stalled: bool,
}

impl Setup {
    /// For a pipeline.
    #[must_use]
    pub fn pipeline(name: &str) -> Self {
        Self {
            args: vec!["--pipeline".to_owned(), name.to_owned()],
            env: Vec::new(),
            names: None,
            is_log_stalled: false,
        }
    }

    /// For a class of `tests/pipelines/FILE.py`.
    #[must_use]
    pub fn python(file: &str, class: &str) -> Self {
        let path = repository().join(format!("tests/pipelines/{file}.py"));
        Self::pipeline(&format!("{}:{class}", path.display()))
    }

    /// What it is told to load.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.args[1]
    }

    /// With another flag.
    #[must_use]
    pub fn flag(mut self, name: &str, value: &str) -> Self {
        self.args.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// With a variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Where names are never resolved.
    #[must_use]
    pub fn names(mut self, names: HangingNames) -> Self {
        self.names = Some(names);
        self
    }

    /// With a stderr that takes nothing.
    #[must_use]
    pub fn stalled_log(mut self) -> Self {
        self.is_log_stalled = true;
        self
    }

    /// Starts it and waits until it listens.
    ///
    /// # Panics
    ///
    /// If it does not.
    #[must_use]
    pub fn start(self) -> Runner {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = match &self.names {
            None => serving::framerill(),
            Some(names) => names.framerill(),
        };
        command
            .args(["serve", "--json", "--port", "0", "--internal-port", "0"])
            .args(&self.args)
            .current_dir(folder.path())
            // What is left for the next start lies there.
            .env("TMPDIR", folder.path())
            .env("FRAMERILL_PYTHON", python())
            .envs(self.env);
        let stderr = folder.path().join(STDERR);
        let stalled_log = self.is_log_stalled.then(|| Full::make(&stderr));
        let (child, said) = serving::listening(&mut command, &stderr);
        Runner {
            address: serving::address(&said),
            child: Some(child),
            folder,
            names: self.names,
            stalled_log,
        }
    }
}

/// A `serve` that runs.
#[derive(Debug)]
pub struct Runner {
    folder: tempfile::TempDir,
    child: Option<Child>,
    /// Where it listens.
    pub address: String,
    /// What it was started with.
    pub names: Option<HangingNames>,
    stalled_log: Option<Full>,
}

impl Runner {
    /// The process of `serve`.
    ///
    /// # Panics
    ///
    /// After its end.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Its folder, which is also where it keeps temporary files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it and everything below it said; nothing of a log that stalls.
    #[must_use]
    pub fn said(&self) -> String {
        if self.stalled_log.is_some() {
            return String::new();
        }
        fs::read_to_string(self.folder.path().join(STDERR)).unwrap_or_default()
    }

    /// The last lines of that.
    #[must_use]
    pub fn last_words(&self) -> String {
        let said = self.said();
        let lines: Vec<_> = said.lines().rev().take(40).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// GET of the container API.
    ///
    /// # Panics
    ///
    /// If it is not answered within five seconds.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        http::get(&self.address, path, WITHIN)
            .unwrap_or_else(|error| panic!("GET {path}: {error}\n{}", self.last_words()))
    }

    /// The word of `/health`; its status if it has none.
    #[must_use]
    pub fn health(&self) -> String {
        let answer = self.get("/health");
        let json = answer.any_json().unwrap_or_default();
        let word = json["status"].as_str().map(ToOwned::to_owned);
        word.unwrap_or_else(|| answer.status.to_string())
    }

    /// Waits until `/health` says one of these words.
    ///
    /// # Panics
    ///
    /// If it does not within that time.
    pub fn until_health(&self, words: &[&str], within: Duration) {
        let mut last = String::new();
        let reached = wait_until(within, || {
            last = self.health();
            words.contains(&last.as_str())
        });
        assert!(
            reached,
            "health is {last}, not {words:?}\n{}",
            self.last_words()
        );
    }

    /// Where infer listens, of the infer that runs now.
    #[must_use]
    pub fn inner(&self) -> Option<String> {
        let infer = Process::of(self.find(Role::Infer)?)?;
        let at = infer
            .command
            .iter()
            .position(|it| it == "--internal-port")?;
        Some(format!("127.0.0.1:{}", infer.command.get(at + 1)?))
    }

    /// The status of infer, if it answers now.
    #[must_use]
    pub fn status(&self) -> Option<Value> {
        let answer = http::get(&self.inner()?, "/api/status", WITHIN).ok()?;
        (answer.status == 200).then(|| answer.json())
    }

    /// Its state, if it answers now.
    #[must_use]
    pub fn state(&self) -> Option<String> {
        self.status()?["state"].as_str().map(ToOwned::to_owned)
    }

    /// Waits until the state is this one.
    ///
    /// # Panics
    ///
    /// If it is not within that time.
    pub fn until_state(&self, state: &str, within: Duration) {
        let mut last = None;
        let reached = wait_until(within, || {
            last = self.state();
            last.as_deref() == Some(state)
        });
        assert!(
            reached,
            "the state is {last:?}, not {state}\n{}",
            self.last_words()
        );
    }

    /// POST to infer.
    ///
    /// # Panics
    ///
    /// If it is not answered within five seconds.
    #[must_use]
    pub fn inner_post(&self, path: &str, body: &Value) -> Answer {
        let inner = self.inner().expect("infer runs");
        http::post(&inner, path, body, WITHIN)
            .unwrap_or_else(|error| panic!("POST {path}: {error}\n{}", self.last_words()))
    }

    /// Every process of that role.
    #[must_use]
    pub fn all(&self, role: Role) -> Vec<u32> {
        let mut below = match role {
            Role::Infer => children(self.pid())
                .into_iter()
                .filter(|it| {
                    it.is_running() && it.command.get(1).is_some_and(|word| word == "infer")
                })
                .collect(),
            Role::Media => descendants_called(self.pid(), "framerill-media"),
            Role::Worker => {
                let mut found = descendants_called(self.pid(), "worker");
                found.extend(descendants_called(self.pid(), "framerill.worker"));
                found
            }
        };
        // A launcher has the words of what it launched.
        let parents: Vec<u32> = below.iter().map(|it: &Process| it.parent).collect();
        below.retain(|it| !parents.contains(&it.pid));
        below.retain(|it| {
            it.command
                .first()
                .is_none_or(|word| !word.ends_with("unshare"))
        });
        below.into_iter().map(|it| it.pid).collect()
    }

    /// One process of that role, if there is one.
    #[must_use]
    pub fn find(&self, role: Role) -> Option<u32> {
        self.all(role).first().copied()
    }

    /// One process of that role, that is not `other`.
    ///
    /// # Panics
    ///
    /// If there is none in half a minute.
    #[must_use]
    pub fn other(&self, role: Role, other: Option<u32>) -> u32 {
        let found = wait_for(SOON, || {
            self.all(role).into_iter().find(|&pid| Some(pid) != other)
        });
        found.unwrap_or_else(|| panic!("no {role:?}\n{}", self.last_words()))
    }

    /// One process of that role.
    ///
    /// # Panics
    ///
    /// If there is none in half a minute.
    #[must_use]
    pub fn process(&self, role: Role) -> u32 {
        self.other(role, None)
    }

    /// Everything below it that runs.
    #[must_use]
    pub fn below(&self) -> Vec<u32> {
        let below = descendants(self.pid());
        let running = below.into_iter().filter(Process::is_running);
        running.map(|it| it.pid).collect()
    }

    /// Sends a signal to `serve`.
    pub fn signal(&self, to: Signal) {
        signal(self.pid(), to);
    }

    /// Waits for its end; its code.
    ///
    /// # Panics
    ///
    /// If it goes on for half a minute.
    pub fn ended(&mut self, within: Duration) -> Option<i32> {
        let child = self.child.as_mut().expect("it runs");
        let status = wait_for(within, || child.try_wait().expect("it is ours"));
        let Some(status) = status else {
            panic!("it goes on:\n{}", self.last_words());
        };
        self.child = None;
        status.code()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let below = descendants(child.id());
            // A test that ends leaves nothing behind, not even what was stopped.
            drop(child.kill());
            drop(child.wait());
            for it in below.iter().filter(|it| is_running(it.pid)) {
                signal(it.pid, Signal::KILL);
            }
        }
    }
}

/// Sends a signal to a process; one that is gone needs none.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        kill_process(pid, signal).ok();
    }
}

/// Stops a process, and returns when each of its threads stands still: on a busy machine one may work on for a while.
///
/// # Panics
///
/// If they do not.
pub fn halt(pid: u32) {
    signal(pid, Signal::STOP);
    let stood = wait_until(WITHIN, || is_stopped(pid));
    assert!(stood, "process {pid} does not stop");
}
