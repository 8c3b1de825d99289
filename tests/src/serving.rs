//! `framerill` as tests start it: told by the test alone, and not by the environment that the tests run in.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::bin;

/// Variables that containers have (runner contract §9).
const OF_CONTAINERS: [&str; 11] = [
    "PIPELINE",
    "MODEL_ID",
    "HOST",
    "PORT",
    "AUTH_TOKEN",
    "VERSION",
    "MODEL_DIR",
    "HUGGINGFACE_HUB_CACHE",
    "DIFFUSERS_CACHE",
    "FRAMERILL_AUTH_TOKEN",
    "FRAMERILL_SERVER",
];

/// `framerill` without arguments, and without what the environment says of a server.
///
/// # Panics
///
/// If it is not built.
#[must_use]
pub fn framerill() -> Command {
    let mut command = Command::new(bin("framerill"));
    told_by_nobody(&mut command);
    command
}

/// Takes what the environment says of a server from a command.
pub fn told_by_nobody(command: &mut Command) {
    for name in OF_CONTAINERS {
        command.env_remove(name);
    }
}

/// Starts a server that says where it listens in the first line of its stdout; what it says on stderr goes to a file.
/// Returns with that line.
///
/// # Panics
///
/// If it says no such thing; the message is what it said instead.
#[must_use]
pub fn listening(command: &mut Command, stderr: &Path) -> (Child, Value) {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(fs::File::create(stderr).expect("a file"))
        .spawn()
        .expect("it runs");
    let stdout = child.stdout.take().expect("piped above");
    let mut line = String::new();
    // Nothing that can be read is no address either.
    drop(BufReader::new(stdout).read_line(&mut line));
    let said: Value = serde_json::from_str(&line).unwrap_or_default();
    if !said["url"].is_string() {
        drop(child.kill());
        drop(child.wait());
        let said = fs::read_to_string(stderr).unwrap_or_default();
        panic!("it does not listen: {line}\n{said}");
    }
    (child, said)
}

/// The address in what a server said.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn address(said: &Value) -> String {
    let url = said["url"].as_str().expect("an URL");
    url.trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned()
}
