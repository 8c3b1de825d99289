//! What `framerill serve` does before it serves: installing (`AUTO_INSTALL_PIPELINE`) and preparing (`PREPARE_MODELS`).

use std::{fs, path::PathBuf, process::Child, time::Duration};

use framerill_tests::{bin, http::request, serving, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::rig::{Ended, Rig, code, package};

/// A `serve` that runs, until it is dropped.
pub(crate) struct Served {
    child: Child,
    address: String,
    stderr: PathBuf,
}

impl Served {
    pub(crate) fn start(rig: &Rig, env: &[(&str, &str)]) -> Self {
        let stderr = rig.path("stderr.txt");
        let mut command = rig.command(&["serve", "--json", "--internal-port", "0", "--port", "0"]);
        let (child, said) = serving::listening(command.envs(env.iter().copied()), &stderr);
        let address = serving::address(&said);
        Self {
            child,
            address,
            stderr,
        }
    }

    fn get(&self, path: &str) -> Value {
        request(&self.address, "GET", path, &[], b"").json()
    }

    /// A worker of the pipeline has loaded.
    pub(crate) fn is_ready(&self) -> bool {
        let ready = || request(&self.address, "GET", "/readyz", &[], b"").status == 200;
        wait_for(Duration::from_secs(60), || ready().then_some(())).is_some()
    }

    /// Waits until it has said this.
    pub(crate) fn says(&self, text: &str) -> bool {
        let says = || self.said().contains(text).then_some(());
        wait_for(Duration::from_secs(60), says).is_some()
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.stderr).expect("a file")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a process");
        kill_process(pid, Signal::TERM).expect("a child that nobody has waited for");
        drop(self.child.wait());
    }
}

fn refused(rig: &Rig, env: &[(&str, &str)]) -> Ended {
    let mut command = rig.command(&["serve", "--json", "--internal-port", "0", "--port", "0"]);
    Ended::from(command.envs(env.iter().copied()).output().expect("it runs"))
}

/// Its own child leaves its group, ignores what it can, and outlives every deadline.
const CLINGS: &str = r#"
import os
import signal
import subprocess
import sys

import framerill

signal.signal(signal.SIGTERM, signal.SIG_IGN)


def cling(pids):
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
    with open(pids + ".new", "w") as file:
        file.write(f"{os.getpid()} {child.pid}")
    os.rename(pids + ".new", pids)
    signal.pause()


class Clings(framerill.Pipeline):
    @classmethod
    def prepare_models(cls):
        cling(os.environ["PIDS"])

    def process(self, frame):
        return frame


if os.environ.get("WHEN") == "import":
    cling(os.environ["PIDS"])
"#;

#[test]
fn nothing_outlives_a_command_that_is_killed_while_it_prepares_or_describes() {
    let rig = Rig::bare();
    let file = rig.path("clings.py");
    fs::write(&file, CLINGS).expect("a file");
    let file = file.to_str().expect("text");
    let apart = framerill_supervisor::isolation::probe_with(&bin("framerill"));
    let is_apart = apart.namespace.holds_grandchildren();
    for (verb, when, signal) in [
        ("prepare", "prepare", Signal::KILL),
        ("prepare", "prepare", Signal::TERM),
        ("describe", "import", Signal::KILL),
        ("describe", "import", Signal::TERM),
    ] {
        let pids = rig.path("pids");
        fs::remove_file(&pids).ok();
        let mut command = rig.command(&["pipelines", verb, file]);
        let mut child = command
            .env("PIDS", &pids)
            .env("WHEN", when)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("it runs");
        let begun = wait_for(Duration::from_secs(60), || pids.exists().then_some(()));
        assert!(begun.is_some(), "{verb} never came to the pipeline");
        let is_there = || !running(&pids, is_apart).is_empty();
        assert!(is_there(), "{verb}: nothing to look for");
        let pid = Pid::from_raw(child.id().cast_signed()).expect("a process");
        kill_process(pid, signal).expect("a child that nobody has waited for");
        child.wait().expect("a child");
        let gone = wait_for(Duration::from_secs(60), || (!is_there()).then_some(()));
        let left = running(&pids, is_apart);
        assert!(gone.is_some(), "{verb}, {signal:?}: {left:?} are left");
    }
}

/// Processes that were told the file of pids: their own numbers are those of their namespace. Where there is none, only those that
/// stay in their group can be ended.
fn running(pids: &std::path::Path, with_sessions: bool) -> Vec<String> {
    let mark = format!("PIDS={}", pids.display());
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let told = processes.filter(|it| {
        let environment = fs::read(it.path().join("environ")).unwrap_or_default();
        let is_told = environment
            .split(|byte| *byte == 0)
            .any(|it| it == mark.as_bytes());
        let words = fs::read(it.path().join("cmdline")).unwrap_or_default();
        let is_session = String::from_utf8_lossy(&words).contains("signal.pause");
        is_told && (with_sessions || !is_session)
    });
    told.map(|it| it.file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn auto_install_installs_at_the_start_and_serves_the_one_pipeline_of_the_package() {
    let rig = Rig::new();
    rig.wheels(&[package("glow", "1.0", &["glow-live"], &code(""))]);
    for turn in ["first", "again"] {
        let served = Served::start(&rig, &[("AUTO_INSTALL_PIPELINE", "glow")]);
        assert_eq!(served.get("/version")["model_id"], "glow-live");
        assert!(served.is_ready(), "{}", served.said());
        let installs = served.said().contains("was installed in environment");
        assert_eq!(installs, turn == "first", "{}", served.said());
        drop(served);
        // Nothing is needed once it is there.
        drop(fs::remove_dir_all(rig.path("wheels")));
    }
}

#[test]
fn auto_install_of_several_pipelines_names_them_and_model_id_chooses() {
    let rig = Rig::new();
    rig.wheels(&[package("glow", "1.0", &["glow", "glow-fast"], &code(""))]);
    let ended = refused(&rig, &[("AUTO_INSTALL_PIPELINE", "glow")]);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("glow, glow-fast"), "{}", ended.stderr);
    let chosen = [
        ("AUTO_INSTALL_PIPELINE", "glow"),
        ("PIPELINE", "live-video-to-video"),
        ("MODEL_ID", "glow-fast"),
    ];
    let served = Served::start(&rig, &chosen);
    assert_eq!(served.get("/version")["model_id"], "glow-fast");
    assert!(served.is_ready(), "{}", served.said());
}

#[test]
fn an_install_that_fails_stops_the_start_with_the_installers_last_lines() {
    let rig = Rig::new();
    let ended = refused(&rig, &[("AUTO_INSTALL_PIPELINE", "nobody-has-this")]);
    assert_eq!(ended.code, Some(3), "{ended:#?}");
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(
        last.contains("No matching distribution found for nobody-has-this"),
        "{last}"
    );
    let ended = refused(&rig, &[("AUTO_INSTALL_PIPELINE", "--upgrade")]);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
}

/// Prints what it is told, and fails where it is asked to.
const PREPARES: &str = r#"
    @classmethod
    def prepare_models(cls):
        import os

        if os.environ.get("FAIL_TO_PREPARE"):
            raise RuntimeError("no room for models")
        for name in ("MODEL_DIR", "HUGGINGFACE_HUB_CACHE", "DIFFUSERS_CACHE", "HF_HUB_OFFLINE"):
            print(f"{name}={os.environ[name]}", flush=True)
"#;

#[test]
fn preparing_runs_where_the_pipeline_lives_and_says_how_it_went() {
    let rig = Rig::new();
    rig.wheels(&[package("glow", "1.0", &["glow"], &code(PREPARES))]);
    assert_eq!(rig.install(&["glow"]).code, Some(0));
    let models = rig.path("models").display().to_string();
    let image = [
        ("MODEL_DIR", models.as_str()),
        ("HF_HUB_OFFLINE", "1"),
        ("MODEL_ID", "glow"),
        ("PIPELINE", "glow"),
    ];
    let told = [
        format!("MODEL_DIR={models}"),
        format!("HUGGINGFACE_HUB_CACHE={models}"),
        format!("DIFFUSERS_CACHE={models}"),
        "HF_HUB_OFFLINE=0".to_owned(),
    ];
    let prepares = [("PREPARE_MODELS", "1")];
    let served = [&image[..], &prepares[..]].concat();
    for (args, env) in [
        (&["pipelines", "prepare", "glow"][..], &image[..]),
        (&["serve"], &served),
    ] {
        let run = |more: &[(&str, &str)]| {
            let mut command = rig.command(args);
            command
                .envs(env.iter().copied())
                .envs(more.iter().copied())
                .output()
                .expect("it runs")
        };
        let done = run(&[]);
        let out = String::from_utf8_lossy(&done.stdout);
        let lines: Vec<_> = out.lines().collect();
        assert_eq!(
            (done.status.code(), &lines[..]),
            (Some(0), &told.each_ref().map(String::as_str)[..]),
            "{done:?}"
        );
        let failed = run(&[("FAIL_TO_PREPARE", "1")]);
        let said = String::from_utf8_lossy(&failed.stderr);
        assert_eq!(failed.status.code(), Some(1), "{said}");
        assert!(said.contains("RuntimeError: no room for models"), "{said}");
    }
    assert_eq!(
        rig.json(&["pipelines", "prepare", "nobody-has-this"]).code,
        Some(2)
    );
    assert_eq!(rig.json(&["pipelines", "prepare", "noop"]).code, Some(0));
}

#[test]
fn a_pipeline_may_be_told_whole_as_a_specification() {
    let rig = Rig::bare();
    let spec = json!({
        "name": "mine", "pipeline_cls": "pkg.mod:GreenPipeline", "params_cls": null,
        "initial_params": {"strength": 1, "size": 2},
    });
    let spec = spec.to_string();
    let folder = rig.path(".").display().to_string();
    let fake = bin("framerill-fake-infer").display().to_string();
    let served = Served::start(
        &rig,
        &[
            ("FRAMERILL_PIPELINE", &spec),
            ("FRAMERILL_INFER_PROGRAM", &fake),
            ("FAKE_INFER", &folder),
        ],
    );
    assert_eq!(served.get("/version")["model_id"], "mine");
    let boots = wait_for(Duration::from_secs(60), || {
        let text = fs::read_to_string(rig.path("boots.jsonl")).ok()?;
        text.ends_with('\n').then_some(text)
    });
    let boots = boots.expect("infer was started");
    let boot: Value = serde_json::from_str(boots.lines().next().expect("a line")).expect("JSON");
    let args: Vec<_> = boot["args"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(args.contains(&spec.as_str()), "{boot:#}");
    for (wrong, named) in [("{", "EOF"), (r#"{"name": "x"}"#, "pipeline_cls")] {
        for command in [
            &["infer", "--pipeline"][..],
            &["run", "clip.mp4", "--pipeline"],
            &["serve", "--pipeline"],
        ] {
            let done = rig.command(&[command, &[wrong]].concat()).output();
            let ended = Ended::from(done.expect("it runs"));
            assert_eq!(ended.code, Some(2), "{ended:#?}");
            assert!(ended.stderr.contains(named), "{}", ended.stderr);
        }
    }
}
