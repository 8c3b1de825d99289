//! A stage of a user's own: a Python class, or a program in Rust, that reads plates in place of the built-in reader.

use std::{
    fs,
    path::PathBuf,
    process::{Command, ExitStatus},
    time::Duration,
};

use framerill_plates::store::Record;
use framerill_tests::{bin, repository, skip, wait_until};

use serde_json::{Value, json};

use crate::scene::{Ended, Scene, ended, has_onnxruntime};

/// Reads `OWN 123`. A frame that it sees for the first time may harm it: it fails, or dies.
const STAGE: &str = r#"
import os
import pathlib

from framerill.plates import Later, Stage, Text


class Reads(Stage):
    category = "ocr"

    def process(self, task, picture):
        height, width, channels = picture.shape
        assert channels == 3 and width > height > 5
        return Text("own 123", 0.95)


class Troubled(Reads):
    def process(self, task, picture):
        seen = pathlib.Path(os.environ["SEEN"]) / str(task.frame_idx)
        if not seen.exists():
            seen.touch()
            if task.frame_idx % 3 == 1:
                os._exit(7)
            raise Later("not now")
        return super().process(task, picture)


class Starts(Reads):
    def load(self):
        import subprocess

        for new in (False, True):
            subprocess.Popen(["sleep", os.environ["SEEN_BY"]], start_new_session=new)


class Raises(Reads):
    def process(self, task, picture):
        raise ValueError("no such letter")
"#;

/// A folder with a drawn clip `in/clip.mp4` and `stage.py`; none without what draws and computes.
fn scene() -> Option<Scene> {
    if !has_onnxruntime() {
        skip("no ONNX Runtime; ORT_DYLIB_PATH names it");
        return None;
    }
    let scene = Scene::new();
    fs::write(scene.path("stage.py"), STAGE).expect("a file");
    scene.draw("AB12CD", 40, "in/clip.mp4");
    Some(scene)
}

fn run(scene: &Scene, class: &str) -> Ended {
    run_with(scene, &format!("ocr=./stage.py:{class}"), &[])
}

fn run_with(scene: &Scene, stage: &str, more: &[&str]) -> Ended {
    let models: PathBuf = repository().join("crates/plates/tests/models");
    let mut args = vec![
        "run",
        "in",
        "--work-dir",
        "work",
        "--json",
        "--num-gpu-workers",
        "1",
        "--num-cpu-workers",
        "1",
        "--stage",
        stage,
        "--models",
        models.to_str().expect("text"),
    ];
    args.extend(more);
    fs::create_dir_all(scene.path("seen")).expect("a folder");
    let mut command = scene.command(&args);
    command
        .env("SEEN", scene.path("seen"))
        .env("SEEN_BY", marker())
        .env("FLEET", scene.path("fleet.txt"))
        .env("FRAMERILL_PYTHON", repository().join(".venv/bin/python"));
    ended(scene.start_command(command))
}

#[test]
fn a_python_class_reads_plates_and_its_faults_cost_no_record() {
    let Some(scene) = scene() else { return };
    let troubled = run(&scene, "Troubled");
    assert_eq!(troubled.code, Some(0), "{}", troubled.stderr);
    let rows = scene.rows("vehicles");
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["final_plate"], "OWN123");
    assert_eq!(troubled.json()["dead_letters"], 0, "{}", troubled.stderr);
    assert!(
        troubled.stderr.contains("worker 200 is process"),
        "{}",
        troubled.stderr
    );
    assert!(
        troubled.stderr.contains("restarts: 1"),
        "{}",
        troubled.stderr
    );

    let calm = Scene::new();
    for name in ["stage.py", "in/clip.mp4"] {
        fs::copy(scene.path(name), calm.path(name)).expect("a copy");
    }
    let undisturbed = run(&calm, "Reads");
    assert_eq!(undisturbed.code, Some(0), "{}", undisturbed.stderr);
    for table in ["vehicles", "tracks", "track_motion"] {
        assert_eq!(
            of_any_settings(&scene, table),
            of_any_settings(&calm, table)
        );
    }

    let other = run(&scene, "Reads");
    assert_eq!(
        other.json()["videos"][0]["status"],
        "complete",
        "another stage is another setting: {}",
        other.stderr
    );
}

/// Rows without the hash of the settings, which knows the name of the class.
fn of_any_settings(scene: &Scene, table: &str) -> Vec<Record> {
    let mut rows = scene.rows(table);
    for row in &mut rows {
        row.remove("settings_hash");
        row.remove("global_id");
    }
    rows
}

/// Final and raw texts of all records.
fn texts(scene: &Scene) -> Vec<(Value, Value)> {
    let rows = scene.rows("vehicles").into_iter();
    let of = |it: Record| (it["final_plate"].clone(), it["raw_plate"].clone());
    rows.map(of).collect()
}

#[test]
fn a_rust_program_is_a_stage_and_a_plate_format_puts_its_look_alikes_right() {
    let Some(scene) = scene() else { return };
    fs::write(scene.path("fleet.txt"), "A812CD\n").expect("a file");
    let stage = format!("ocr={}", bin("framerill-own-stage").display());
    let read = run_with(&scene, &stage, &[]);
    assert_eq!(read.code, Some(0), "{}", read.stderr);
    let of_fleet = (json!("A812CD"), json!("A812CD"));
    assert_eq!(texts(&scene), [of_fleet], "{}", read.stderr);

    let formatted = run_with(&scene, &stage, &["--plate-format", "aaddaa"]);
    assert_eq!(formatted.code, Some(0), "{}", formatted.stderr);
    let right = (json!("AB12CD"), json!("A812CD"));
    assert!(texts(&scene).contains(&right), "{:?}", texts(&scene));
}

#[test]
fn a_program_that_is_none_ends_the_run_with_its_name() {
    let Some(scene) = scene() else { return };
    for wrong in ["./nowhere", "./in/clip.mp4"] {
        let refused = run_with(&scene, &format!("ocr={wrong}"), &[]);
        assert_eq!(refused.code, Some(3), "{}", refused.stderr);
        assert!(refused.stderr.contains(wrong), "{}", refused.stderr);
    }
}

#[test]
fn another_model_and_provider_are_named_and_wrong_ones_refused() {
    let Some(scene) = scene() else { return };
    let stage = "ocr=./stage.py:Reads";
    let none = run_with(&scene, stage, &["--model", "plate=atlantis"]);
    assert_eq!(none.code, Some(3), "{}", none.stderr);
    assert!(none.stderr.contains("atlantis"), "{}", none.stderr);
    let named = ["--model", "plate=tiny_plate", "--provider", "cpu"];
    let named = run_with(&scene, stage, &named);
    assert_eq!(named.code, Some(0), "{}", named.stderr);
}

#[test]
fn what_a_python_class_raises_is_told_with_its_task_and_set_aside() {
    let Some(scene) = scene() else { return };
    let raises = run(&scene, "Raises");
    assert_eq!(raises.code, Some(1), "{}", raises.stderr);
    assert!(raises.json()["dead_letters"].as_u64() > Some(0));
    let letters = fs::read_to_string(scene.path("work/dead-letters.jsonl")).expect("it is there");
    assert!(letters.contains("ValueError: no such letter"), "{letters}");
    assert!(
        raises.stderr.contains("of clip)"),
        "the task is named: {}",
        raises.stderr
    );
    assert!(scene.rows("vehicles").is_empty());
}

/// Seconds that no other process sleeps.
fn marker() -> String {
    format!("86399.{}", std::process::id())
}

/// Whether a process of this machine has the marker among its arguments.
fn is_marked_alive() -> bool {
    let marker = marker();
    let processes = fs::read_dir("/proc").expect("it is there").flatten();
    processes
        .filter_map(|it| fs::read(it.path().join("cmdline")).ok())
        .any(|it| {
            it.split(|byte| *byte == 0)
                .any(|it| it == marker.as_bytes())
        })
}

#[test]
fn what_a_stage_starts_ends_with_the_run() {
    let namespaces =
        ["-pf", "-Urpf"].map(|how| Command::new("unshare").args([how, "true"]).status());
    if !namespaces.iter().flatten().any(ExitStatus::success) {
        return skip("no pid namespaces");
    }
    let Some(scene) = scene() else { return };
    let done = run(&scene, "Starts");
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(scene.rows("vehicles").len(), 1);
    assert!(wait_until(Duration::from_secs(1), || !is_marked_alive()));
}

#[test]
fn a_stage_that_never_begins_ends_the_run_with_its_name() {
    let Some(scene) = scene() else { return };
    let refused = run_with(&scene, "ocr=/bin/false", &[]);
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(refused.stderr.contains("/bin/false"), "{}", refused.stderr);
}

#[test]
fn a_python_class_that_is_not_there_ends_the_run_with_its_name() {
    let Some(scene) = scene() else { return };
    let missing = run(&scene, "Missing");
    assert_eq!(missing.code, Some(3), "{}", missing.stderr);
    assert!(
        missing.stderr.contains("stage.py:Missing") && missing.stderr.contains("it has `Reads`, "),
        "{}",
        missing.stderr
    );
}
