//! `framerill` as tests start it: told by the test alone, and not by the environment that the tests run in.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::bin;

/// What containers are told in names of their own (runner contract §3.1; DESIGN, Names).
const OF_CONTAINERS: [&str; 15] = [
    "PIPELINE",
    "MODEL_ID",
    "HOST",
    "PORT",
    "AUTH_TOKEN",
    "VERSION",
    "VERBOSE_LOGGING",
    "PREPARE_MODELS",
    "MODEL_DIR",
    "HUGGINGFACE_HUB_CACHE",
    "DIFFUSERS_CACHE",
    "STREAM_PROTOCOL",
    "INFERPY_INITIAL_PARAMS",
    "AUTO_INSTALL_PIPELINE",
    "NUM_GPU_WORKERS",
];

/// Where this machine has what a server starts; everything else that is ours is a setting.
const OF_THE_MACHINE: [&str; 2] = ["FRAMERILL_PYTHON", "FRAMERILL_MEDIA"];

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
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_setting) {
            command.env_remove(name);
        }
    }
}

/// Whether a variable changes what a server does.
fn is_setting(name: &str) -> bool {
    let is_ours = name.starts_with("FRAMERILL_") && !OF_THE_MACHINE.contains(&name);
    is_ours || OF_CONTAINERS.contains(&name)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_taken_away_and_what_the_machine_has_is_left() {
        let settings = include_str!("../../crates/server/src/serve/settings.rs");
        let words = settings.split('"').filter(|word| {
            let mut letters = word.chars();
            word.len() > 3 && letters.all(|it| it.is_ascii_uppercase() || it == '_')
        });
        let kept: Vec<_> = words.filter(|name| !is_setting(name)).collect();
        assert!(
            kept.iter().all(|it| OF_THE_MACHINE.contains(it)),
            "{kept:?}"
        );
        for name in ["FRAMERILL_PYTHON", "PATH", "TMPDIR", "VIRTUAL_ENV"] {
            assert!(!is_setting(name), "{name}");
        }
    }
}
