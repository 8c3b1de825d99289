//! `framerill demo`: the whole live runner, seen from outside.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use framerill_tests::{
    bin,
    process::{descendants, is_running},
    python, wait_until,
};
use rustix::process::Signal;
use serde_json::Value;

use crate::rig::signal;

/// What was started is gone within this.
const GONE_WITHIN: Duration = Duration::from_secs(10);

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(bin("framerill"));
    fs::create_dir_all(folder.join("out")).expect("a folder");
    fs::write(folder.join("out/.env"), "FRAMERILL_MAX_RESTARTS=none\n").expect("a file");
    command
        .args(["demo", "--output", "out"])
        .args(args)
        .current_dir(folder)
        .env("FRAMERILL_PYTHON", python())
        // Of another server, and not the demo's.
        .env("AUTH_TOKEN", "hush")
        .env("PORT", "1")
        .env("FRAMERILL_MAX_RESTARTS", "none")
        .stdin(Stdio::null());
    command
}

fn said(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Pictures of a video, as FFmpeg's own tool counts them.
fn pictures(video: &Path) -> u64 {
    let args = ["-v", "error", "-count_frames", "-select_streams", "v:0"];
    let shown = ["-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"];
    let out = Command::new("ffprobe")
        .args(args)
        .args(shown)
        .arg(video)
        .output()
        .expect("ffprobe runs");
    let text = String::from_utf8_lossy(&out.stdout);
    let count = text.trim().trim_end_matches(',');
    count.parse().unwrap_or_else(|_| panic!("{text}"))
}

/// A demo in the background, and everything that it started.
fn begin(folder: &Path, args: &[&str], line: &str) -> (Child, Vec<u32>) {
    let mut command = command(folder, args);
    let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
    let stderr = BufReader::new(child.stderr.take().expect("piped above"));
    let mut lines = stderr.lines().map_while(Result::ok);
    let found = lines.any(|it| it.contains(line));
    assert!(found, "it never said {line}");
    // It goes on speaking; somebody has to listen.
    std::thread::spawn(move || lines.for_each(drop));
    let below = descendants(child.id()).iter().map(|it| it.pid).collect();
    (child, below)
}

fn all_gone(pids: &[u32]) -> bool {
    wait_until(GONE_WITHIN, || !pids.iter().any(|it| is_running(*it)))
}

#[test]
fn the_demo_leaves_video_and_picture_and_counts_what_the_viewer_saw() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = command(folder.path(), &["--seconds", "3", "--json"]);
    let output = command.output().expect("framerill runs");
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said:#}");
    assert_eq!(
        (&said["status"], &said["pipeline"]),
        (&"done".into(), &"neon".into())
    );
    let path = |name: &str| folder.path().join("out").join(name);
    let frames = said["frames"]["out"].as_u64().expect("a count");
    assert_eq!(pictures(&path("demo.mp4")), frames);
    // What a busy machine drops it counts.
    let lost = said["frames"]["dropped"].as_u64().expect("a count");
    assert!(frames + lost >= 80, "{said:#}");
    assert!(
        said["delay_ms"][0].as_f64().is_some_and(|it| it > 0.0),
        "{said:#}"
    );
    let picture = fs::read(path("demo.png")).expect("a picture");
    assert!(picture.starts_with(b"\x89PNG"));
    for name in ["demo.ts", "demo.log", "demo_pipeline.py"] {
        assert!(path(name).is_file(), "{name}");
    }
}

#[test]
fn the_demo_runs_with_the_users_edits_and_keeps_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("out/demo_pipeline.py");
    fs::create_dir_all(folder.path().join("out")).expect("a folder");
    let edited = "from framerill import Pipeline\n\n\nclass Mine(Pipeline):\n    def process(self, frame):\n        return frame\n";
    fs::write(&file, edited).expect("a file");
    let mut command = command(folder.path(), &["--seconds", "1", "--json"]);
    let output = command.output().expect("framerill runs");
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said:#}");
    assert_eq!(said["pipeline"], "mine");
    assert_eq!(fs::read_to_string(&file).expect("it is there"), edited);
}

#[test]
fn without_a_python_a_filter_takes_its_place_and_the_demo_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["--seconds", "1", "--json", "--python", "/nowhere/python3"];
    let output = command(folder.path(), &args).output().expect("it runs");
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said:#}");
    assert_eq!(said["pipeline"], "edges");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("NO PYTHON") && stderr.contains("edges"),
        "{stderr}"
    );
}

#[test]
fn with_stay_it_goes_on_until_ctrl_c_and_leaves_nothing_running() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["--seconds", "1", "--stay"];
    let (mut child, below) = begin(folder.path(), &args, "until Ctrl-C");
    assert!(below.len() >= 4, "{below:?}");
    assert!(folder.path().join("out/demo.mp4").is_file());
    signal(&child, Signal::INT);
    let status = child.wait().expect("it is ours");
    assert_eq!(status.code(), Some(130));
    assert!(all_gone(&below));
}

#[test]
fn a_demo_that_is_killed_leaves_nothing_running() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut child, below) = begin(folder.path(), &["--seconds", "60"], " fps out");
    assert!(below.len() >= 4, "{below:?}");
    child.kill().expect("it runs");
    child.wait().expect("it is ours");
    assert!(all_gone(&below));
}
