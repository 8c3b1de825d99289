//! `framerill run`, judged by the checker: order, gaps, pts and sound of what it wrote.
//!
//! The soak is here too: `make soak`.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use framerill_tests::{
    bin, ffmpeg_is_here,
    judge::{Expectation, Report, judge},
    process::{descendants_called, kill_9},
    python,
    recording::Recording,
    reference::Reference,
    repository, skip,
    source::Source,
    wait_for,
};
use serde_json::Value;

/// The soak goes on for so long, and a worker dies so often.
const SOAK_SECONDS: f64 = 600.0;
const KILL_EVERY: Duration = Duration::from_secs(2);
const MOST_KILLS: usize = 30;

/// A folder with a source.
struct Stage {
    folder: tempfile::TempDir,
    source: PathBuf,
}

impl Stage {
    fn new(name: &str, source: &Source) -> Option<Self> {
        if !ffmpeg_is_here() {
            skip("no ffmpeg; `make test` installs it");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        source.make(&path).expect("a source");
        Some(Self {
            folder,
            source: path,
        })
    }

    fn start(&self, pipeline: &str, output: &str, more: &[&str]) -> Child {
        Command::new(bin("framerill"))
            .arg("run")
            .arg(&self.source)
            .args(["--pipeline", pipeline, "--json", "--output", output])
            .args(more)
            .current_dir(self.folder.path())
            .env("FRAMERILL_PYTHON", python())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("framerill starts")
    }

    fn judge(&self, output: &str, expected: &Expectation) -> Report {
        let source = Recording::read(&self.source, None).expect("the source can be decoded");
        let reference = Reference::recorded(&source).expect("a whole source");
        let output = self.folder.path().join(output);
        let output = Recording::read(&output, Some(reference.size())).expect("it can be decoded");
        judge(&output, &reference, expected)
    }

    /// Runs to the end; what it says it did, and what the checker says.
    fn run(&self, pipeline: &str, output: &str, more: &[&str]) -> (Value, Report) {
        let said = finish(self.start(pipeline, output, more));
        let expected = Expectation {
            missing: held(&said),
            ..Expectation::default()
        };
        let report = self.judge(output, &expected);
        (said, report)
    }
}

fn finish(run: Child) -> Value {
    let ended = run.wait_with_output().expect("it ends");
    assert!(ended.status.success(), "{:?}", ended.status);
    serde_json::from_slice(&ended.stdout).expect("one JSON object")
}

/// The frames that a run says it lost.
fn held(said: &Value) -> std::collections::BTreeSet<u32> {
    let held = said["held"].as_array().expect("a list");
    held.iter()
        .filter_map(|it| u32::try_from(it["frame"].as_u64()?).ok())
        .collect()
}

fn assert_green(report: &Report) {
    assert!(report.green, "{:#?}", report.faults);
}

fn faulty(class: &str) -> String {
    let file = repository().join("tests/pipelines/faults.py");
    format!("{}:{class}", file.display())
}

#[test]
fn every_frame_keeps_its_place_its_pts_and_its_sound() {
    for name in ["source.mp4", "source.mkv", "source.ts", "source.webm"] {
        let Some(stage) = Stage::new(name, &Source::default()) else {
            return;
        };
        let (_, report) = stage.run("noop", "out.mp4", &["--size", "512x512"]);
        assert_green(&report);
        assert_eq!((report.frames, report.inverted), (300, false), "{name}");
    }
}

#[test]
fn every_container_that_is_written_holds_every_frame() {
    let Some(stage) = Stage::new("source.mp4", &Source::default()) else {
        return;
    };
    for output in ["out.mp4", "out.mkv", "out.ts", "out.webm"] {
        let (_, report) = stage.run("invert", output, &[]);
        assert_green(&report);
        assert!(report.inverted, "{output}");
    }
}

#[test]
fn uneven_times_stay_as_they_are() {
    let uneven = Source {
        vfr: true,
        ..Source::default()
    };
    let Some(stage) = Stage::new("source.mp4", &uneven) else {
        return;
    };
    assert_green(&stage.run("noop", "out.mp4", &[]).1);
}

#[test]
fn a_lost_worker_costs_exactly_the_frames_that_the_report_names() {
    let Some(stage) = Stage::new("source.mp4", &Source::default()) else {
        return;
    };
    let params = ["--params", r#"{"at": [20, 150, 299]}"#];
    let (said, report) = stage.run(&faulty("Killed"), "out.mp4", &params);
    assert_eq!(said["restarts"], 3);
    assert_eq!(report.missing, [20, 150, 299]);
    assert_green(&report);
}

#[test]
fn ten_minutes_with_a_worker_killed_every_twenty_seconds_lose_only_what_is_named() {
    let long = Source {
        seconds: 600.0,
        size: (320, 240),
        ..Source::default()
    };
    let Some(stage) = Stage::new("source.mp4", &long) else {
        return;
    };
    let kills: Vec<u32> = (1..30).map(|n| n * 600).collect();
    let params = format!(r#"{{"at": {kills:?}}}"#);
    let more = ["--params", &params, "--max-restarts", "100"];
    let (said, report) = stage.run(&faulty("Killed"), "out.mp4", &more);
    assert_eq!(said["restarts"], kills.len());
    assert_eq!(report.missing, kills);
    assert_green(&report);
}

#[test]
#[ignore = "ten minutes of video; `make soak`"]
fn ten_minutes_with_a_worker_killed_every_two_seconds_lose_only_what_is_named() {
    let long = Source {
        seconds: SOAK_SECONDS,
        ..Source::default()
    };
    let Some(stage) = Stage::new("source.mp4", &long) else {
        return;
    };
    let mut run = stage.start("noop", "out.mp4", &["--max-restarts", "1000", "--quiet"]);
    let mut killed = Vec::new();
    let over = |run: &mut Child| run.try_wait().expect("it is ours").is_some();
    while killed.len() < MOST_KILLS
        && wait_for(KILL_EVERY, || over(&mut run).then_some(())).is_none()
    {
        let worker = descendants_called(run.id(), "worker")
            .into_iter()
            .find(|process| process.command.get(1).is_some_and(|word| word == "worker"));
        if let Some(worker) = worker.filter(|worker| !killed.contains(&worker.pid)) {
            // It may have ended in this moment.
            drop(kill_9(worker.pid));
            killed.push(worker.pid);
        }
    }
    let said = finish(run);
    assert!(killed.len() > 3, "only {} kills", killed.len());
    let expected = Expectation {
        missing: held(&said),
        ..Expectation::default()
    };
    let report = stage.judge("out.mp4", &expected);
    assert_green(&report);
    assert!(
        report.missing.len() <= killed.len(),
        "{} for {} kills",
        report.missing.len(),
        killed.len()
    );
}
