//! A stage of a user's own: a Python class that reads plates in place of the built-in reader.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use framerill_tests::{repository, skip};

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
    let mut draw = Command::new("python3")
        .arg(repository().join("scripts/tiny_models.py"))
        .args(["draw", "AB12CD", "--frames", "40"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 draws");
    let packed = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"])
        .args(["-s", "640x360", "-r", "25", "-i", "-"])
        .arg(scene.path("in/clip.mp4"))
        .stdin(draw.stdout.take().expect("a pipe"))
        .status()
        .expect("ffmpeg packs");
    assert!(packed.success() && draw.wait().expect("it ends").success());
    Some(scene)
}

fn run(scene: &Scene, class: &str) -> Ended {
    let models: PathBuf = repository().join("crates/plates/tests/models");
    let stage = format!("ocr=./stage.py:{class}");
    let args = [
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
        &stage,
        "--models",
        models.to_str().expect("text"),
    ];
    fs::create_dir_all(scene.path("seen")).expect("a folder");
    let mut command = scene.command(&args);
    command
        .env("SEEN", scene.path("seen"))
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

    let undisturbed = run(&scene, "Reads");
    assert_eq!(undisturbed.code, Some(0), "{}", undisturbed.stderr);
    let videos = undisturbed.json();
    assert_eq!(
        videos["videos"][0]["status"], "complete",
        "another stage is another setting: {}",
        undisturbed.stderr
    );
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

#[test]
fn a_python_class_that_is_not_there_ends_the_run_with_its_name() {
    let Some(scene) = scene() else { return };
    let missing = run(&scene, "Missing");
    assert_eq!(missing.code, Some(3), "{}", missing.stderr);
    assert!(
        missing.stderr.contains("stage.py:Missing"),
        "{}",
        missing.stderr
    );
}
