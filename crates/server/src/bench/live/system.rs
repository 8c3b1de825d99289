//! A trickle server and a `framerill serve`, with all that it starts.

use std::{
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{http, usage};
use crate::program;

const READY_WITHIN: Duration = Duration::from_secs(60);

/// The processes; they end when it is dropped.
#[derive(Debug)]
pub(super) struct System {
    serve: Child,
    /// It ends after `serve`, which closes its channels there.
    _trickle: Killed,
    /// Where `serve` listens.
    pub(super) address: String,
    channels: String,
    pipeline: String,
    /// What is started writes here.
    _folder: tempfile::TempDir,
}

impl System {
    /// Starts both and waits until the pipeline is loaded.
    pub(super) async fn start(pipeline: &str, more: &[&str]) -> io::Result<Self> {
        Self::start_as(Command::new(this()?), pipeline, more).await
    }

    /// The same, where `serve` is begun by that command.
    pub(super) async fn start_as(
        serve: Command,
        pipeline: &str,
        more: &[&str],
    ) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (trickle, said) = announced(
            Command::new(this()?),
            &["trickle", "serve", "--addr", "127.0.0.1:0", "--json"],
            folder.path(),
        )?;
        let (trickle, channels) = (Killed(trickle), url(&said));
        let args = [
            "serve",
            "--json",
            "--port",
            "0",
            "--internal-port",
            "0",
            "--pipeline",
            pipeline,
        ];
        let (serve, said) = announced(serve, &[&args, more].concat(), folder.path())?;
        let address = url(&said);
        let address = address.trim_start_matches("http://").trim_end_matches('/');
        let system = Self {
            serve,
            _trickle: trickle,
            address: address.to_owned(),
            channels,
            pipeline: pipeline.to_owned(),
            _folder: folder,
        };
        system.until_idle().await?;
        Ok(system)
    }

    pub(super) fn pid(&self) -> u32 {
        self.serve.id()
    }

    /// Everything below `serve`.
    pub(super) fn below(&self) -> Vec<usage::Process> {
        usage::below(self.pid())
    }

    /// The workers that hold its pipeline; those of other pipelines stand by.
    pub(super) fn workers(&self) -> Vec<u32> {
        let below = self.below();
        let holds = |it: &&usage::Process| it.is_worker() && it.command.contains(&self.pipeline);
        below.iter().filter(holds).map(|it| it.pid).collect()
    }

    /// Where infer listens.
    pub(super) fn inner(&self) -> Option<String> {
        self.below().iter().find_map(|it| {
            let at = it
                .command
                .iter()
                .position(|word| word == "--internal-port")?;
            Some(format!("127.0.0.1:{}", it.command.get(at + 1)?))
        })
    }

    /// CPU of everything below `serve`, and of `serve`.
    pub(super) fn cpu(&self) -> (Duration, Duration) {
        let below = self.below().iter().map(|it| usage::cpu(it.pid)).sum();
        (below, usage::cpu(self.pid()))
    }

    /// The URL of a channel.
    pub(super) fn channel(&self, name: &str) -> String {
        format!("{}{name}", self.channels)
    }

    /// The start request for the channels of a name.
    pub(super) fn request(&self, name: &str) -> String {
        let url = |suffix: &str| self.channel(&format!("{name}{suffix}"));
        json!({
            "subscribe_url": url(""),
            "publish_url": url("-out"),
            "control_url": url("-control"),
            "events_url": url("-events"),
            "gateway_request_id": name,
            "manifest_id": name,
        })
        .to_string()
    }

    /// Makes the channels of a name.
    pub(super) async fn create(&self, name: &str) -> io::Result<()> {
        for suffix in ["", "-out", "-control", "-events"] {
            let url = self.channel(&format!("{name}{suffix}"));
            let (address, path) = http::parts(&url);
            http::post(&address, &path, "").await?;
        }
        Ok(())
    }

    /// Starts a stream; how long the answer took.
    pub(super) async fn begin(&self, name: &str) -> io::Result<Duration> {
        self.ask("/live-video-to-video", &self.request(name)).await
    }

    /// The same by a request of any kind.
    pub(super) async fn ask(&self, path: &str, request: &str) -> io::Result<Duration> {
        let answer = http::post(&self.address, path, request).await?;
        if !matches!(answer.status, 200 | 201) {
            let said = String::from_utf8_lossy(&answer.body);
            return Err(io::Error::other(format!("the start was refused: {said}")));
        }
        Ok(answer.took)
    }

    /// Waits until nothing runs and everything is loaded.
    pub(super) async fn until_idle(&self) -> io::Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        let mut last = Value::Null;
        while Instant::now() < deadline {
            if let Ok(answer) = http::get(&self.address, "/health").await {
                last = answer.json();
                if last["status"] == "IDLE" {
                    return Ok(());
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
        Err(io::Error::other(format!("serve is not idle but {last}")))
    }
}

impl Drop for System {
    fn drop(&mut self) {
        let pid = i32::try_from(self.serve.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // It ends what it started; whoever is gone needs no signal.
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
        }
        drop(self.serve.wait());
    }
}

/// A process that is killed when it is dropped.
#[derive(Debug)]
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn url(said: &Value) -> String {
    said["url"].as_str().unwrap_or_default().to_owned()
}

/// This program.
pub(super) fn this() -> io::Result<PathBuf> {
    program::this().map_err(|error| io::Error::other(error.to_string()))
}

/// Starts a command; the first line that it prints is an object with its address.
fn announced(mut command: Command, args: &[&str], folder: &Path) -> io::Result<(Child, Value)> {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("log.txt"))?;
    let mut child = command
        .args(args)
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()?;
    let mut line = String::new();
    let stdout = child.stdout.take().expect("piped above");
    BufReader::new(stdout).read_line(&mut line)?;
    let said: Value = serde_json::from_str(&line).unwrap_or_default();
    if said["url"].is_null() {
        drop(child.kill());
        drop(child.wait());
        let log = std::fs::read_to_string(folder.join("log.txt")).unwrap_or_default();
        return Err(io::Error::other(format!(
            "{} does not start: {log}",
            args[0]
        )));
    }
    Ok((child, said))
}
