//! What a container starts with, run as it is.

use std::{
    fs::{self, Permissions},
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, ExitStatus, Output},
    thread,
    time::Duration,
};

use framerill_tests::{
    bin,
    http::get,
    repository,
    serving::{address, listening, told_by_nobody},
    wait_for,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

fn script(folder: &Path, name: &str, mode: u32, text: &str) {
    let path = folder.join(name);
    fs::write(&path, text).expect("a file");
    fs::set_permissions(&path, Permissions::from_mode(mode)).expect("its mode");
}

/// The entry point with a folder of start-up scripts, and with a `framerill` that says what it was called with.
struct Start {
    folder: TempDir,
}

impl Start {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        fs::create_dir(folder.path().join("d")).expect("a folder");
        script(
            folder.path(),
            "framerill",
            0o755,
            "#!/bin/sh\necho \"framerill $* ${SAID:-}\"\n",
        );
        Self { folder }
    }

    fn with(self, name: &str, mode: u32, text: &str) -> Self {
        script(&self.folder.path().join("d"), name, mode, text);
        self
    }

    fn run(&self, args: &[&str]) -> Output {
        let path = std::env::var("PATH").expect("a path");
        Command::new("sh")
            .arg(repository().join("deploy/docker/entrypoint.sh"))
            .args(args)
            .env("PATH", format!("{}:{path}", self.folder.path().display()))
            .env("FRAMERILL_ENTRYPOINT_D", self.folder.path().join("d"))
            .output()
            .expect("a shell")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn start_up_scripts_run_in_order_and_the_command_takes_their_place() {
    let start = Start::new()
        .with("20-second.sh", 0o755, "#!/bin/sh\necho second\n")
        .with("10-first.sh", 0o755, "#!/bin/sh\necho first\n")
        .with("05-variables.envsh", 0o644, "export SAID=loud\n")
        .with("30-notes.txt", 0o644, "nothing to run");
    let said = start.run(&["framerill", "serve", "--port", "1"]);
    assert_eq!(
        text(&said.stdout),
        "first\nsecond\nframerill serve --port 1 loud\n"
    );
    let told = text(&said.stderr);
    assert!(
        told.contains("30-notes.txt is left out: it is not executable"),
        "{told}"
    );
}

#[test]
fn a_start_up_script_that_fails_ends_the_container_with_its_code() {
    let start = Start::new()
        .with(
            "10-install.sh",
            0o755,
            "#!/bin/sh\necho no such package >&2\nexit 7\n",
        )
        .with("20-never.sh", 0o755, "#!/bin/sh\necho never\n");
    let said = start.run(&["framerill", "serve"]);
    assert_eq!(
        (said.status.code(), text(&said.stdout).as_str()),
        (Some(7), "")
    );
    let told = text(&said.stderr);
    assert!(told.contains("no such package"), "{told}");
    assert!(
        told.contains("10-install.sh failed with 7, and nothing is started"),
        "{told}"
    );
}

#[test]
fn options_and_nothing_go_to_serve_and_other_commands_are_run() {
    let start = Start::new();
    for (args, called) in [
        (&[][..], "framerill serve "),
        (&["--pipeline", "blur"], "framerill serve --pipeline blur "),
        (
            &["framerill", "pipelines", "list"],
            "framerill pipelines list ",
        ),
        (&["sh", "-c", "echo other"], "other"),
    ] {
        assert_eq!(text(&start.run(args).stdout), format!("{called}\n"));
    }
}

fn healthcheck(port: &str) -> Output {
    Command::new("python3")
        .arg(repository().join("deploy/docker/healthcheck.py"))
        .env_remove("FRAMERILL_PORT")
        .env("PORT", port)
        .output()
        .expect("python3 is here")
}

/// A server that answers once.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("the check connects");
        // One read of its head is enough: it sends no body.
        let read = peer.read(&mut [0; 4096]).expect("a request");
        assert!(read > 0);
        write!(peer, "HTTP/1.1 {answer}").expect("it reads");
    });
    port.to_string()
}

#[test]
fn the_health_check_fails_on_errors_and_silence_and_says_why() {
    for (answer, reason) in [
        (
            "200 OK\r\ncontent-length: 18\r\n\r\n{\"status\":\"ERROR\"}",
            "200 ERROR",
        ),
        (
            "500 Oh\r\ncontent-length: 27\r\n\r\n{\"detail\":{\"msg\":\"not now\"}}",
            "no answer from port",
        ),
        (
            "200 OK\r\ncontent-length: 5\r\n\r\n<htm>",
            "no answer from port",
        ),
    ] {
        let said = healthcheck(&answering(answer));
        assert_eq!(said.status.code(), Some(1), "{answer}");
        assert!(
            text(&said.stderr).contains(reason),
            "{}",
            text(&said.stderr)
        );
    }
    for status in ["LOADING", "IDLE", "OK"] {
        let body = format!("{{\"status\":\"{status}\"}}");
        let answer = format!("200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        assert!(
            healthcheck(&answering(answer.leak())).status.success(),
            "{status}"
        );
    }
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = nobody.local_addr().expect("bound").port().to_string();
    drop(nobody);
    assert_eq!(healthcheck(&port).status.code(), Some(1));
}

/// A server that does not outlive its test.
pub(crate) struct Served {
    child: Child,
    port: String,
    folder: TempDir,
}

impl Served {
    /// What the entry point makes of `framerill serve` and these variables, on any free port.
    pub(crate) fn by_entry_point(variables: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut command = Command::new("sh");
        told_by_nobody(&mut command);
        if variables.iter().any(|(name, _)| *name == "VIRTUAL_ENV") {
            command
                .env_remove("FRAMERILL_PYTHON")
                .env_remove("PYTHONPATH");
        }
        command
            .arg(repository().join("deploy/docker/entrypoint.sh"))
            .arg(bin("framerill"))
            .args(["serve", "--json", "--internal-port", "0"])
            .envs([("PORT", "0"), ("HOST", "127.0.0.1")])
            .env("FRAMERILL_ENTRYPOINT_D", folder.path())
            .envs(variables.iter().copied());
        let (child, said) = listening(&mut command, &folder.path().join("stderr"));
        let at = address(&said);
        let (_, port) = at.rsplit_once(':').expect("a port");
        let port = port.to_owned();
        Self {
            child,
            port,
            folder,
        }
    }

    /// Waits until the health check is content.
    pub(crate) fn is_well(&self) {
        let well = wait_for(Duration::from_secs(30), || {
            healthcheck(&self.port).status.success().then_some(())
        });
        let said = fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default();
        assert!(well.is_some(), "{said}");
    }

    /// What `/health` says.
    pub(crate) fn health(&self) -> String {
        let address = format!("127.0.0.1:{}", self.port);
        let answer = get(&address, "/health", Duration::from_secs(10)).expect("an answer");
        answer.json()["status"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Ends it as a container is ended.
    pub(crate) fn stop(mut self) -> ExitStatus {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("it runs"), Signal::TERM).expect("it runs");
        self.child.wait().expect("it ends")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // After `stop` there is nobody.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_runner_that_the_entry_point_starts_is_healthy_and_ends_with_143() {
    let runner =
        Served::by_entry_point(&[("PIPELINE", "live-video-to-video"), ("MODEL_ID", "noop")]);
    runner.is_well();
    assert_eq!(runner.stop().code(), Some(143));
}
