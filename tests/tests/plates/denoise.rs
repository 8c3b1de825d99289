//! Plates made clean before they are read: `--plate-denoise`.

use std::{
    fs,
    process::{Command, Stdio},
};

use framerill_plates::store::Record;
use framerill_tests::{repository, skip};
use serde_json::Value;

use crate::scene::{Ended, Scene, ended, has_onnxruntime};

/// Text that the drawn plate has.
const PLATE: &str = "AB12CD";

/// A folder with a drawn clip; none without what computes.
fn scene() -> Option<Scene> {
    if !has_onnxruntime() {
        skip("no ONNX Runtime; ORT_DYLIB_PATH names it");
        return None;
    }
    let scene = Scene::new();
    let mut draw = Command::new("python3")
        .arg(repository().join("scripts/tiny_models.py"))
        .args(["draw", PLATE, "--frames", "32"])
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

/// Another folder with the same clip.
fn another(scene: &Scene) -> Scene {
    let it = Scene::new();
    fs::copy(scene.path("in/clip.mp4"), it.path("in/clip.mp4")).expect("a copy");
    it
}

fn run(scene: &Scene, env: &[(&str, &str)], more: &[&str]) -> Ended {
    let models = repository().join("crates/plates/tests/models");
    let mut args = vec!["run", "in", "--work-dir", "work", "--json"];
    args.extend(["--models", models.to_str().expect("text")]);
    args.extend(more);
    let mut command = scene.command(&args);
    command.envs(env.iter().copied());
    ended(scene.start_command(command))
}

/// What a plate says, and what it says it of.
fn told(rows: &[Record]) -> Vec<[Value; 4]> {
    let names = [
        "final_plate",
        "first_frame_idx",
        "last_frame_idx",
        "plate_bbox",
    ];
    rows.iter()
        .map(|row| names.map(|name| row[name].clone()))
        .collect()
}

#[test]
fn plates_made_clean_are_work_of_their_own_kind_and_the_rows_are_those_without() {
    let Some(scene) = scene() else { return };
    let off = run(&scene, &[], &["--num-cpu-workers", "1"]);
    assert_eq!(off.code, Some(0), "{}", off.stderr);
    let plain = scene.rows("vehicles");
    assert_eq!(plain.len(), 1, "{plain:?}");
    assert_eq!(plain[0]["final_plate"], PLATE);
    assert!(!off.stdout.contains("denoise"), "{}", off.stdout);
    let summary = serde_json::to_string(&scene.rows("video_summary")).expect("JSON");
    assert!(!summary.contains("denoise"), "{summary}");

    // What the drawn plates say lies in their greys: these stay.
    let env = [
        ("PLATE_DENOISE", "1"),
        ("PLATE_DENOISE_H", "6"),
        ("PLATE_DENOISE_ENHANCE", "0"),
    ];
    let mut first = None;
    for (gpu, cpu) in [("1", "1"), ("2", "3")] {
        let scene = another(&scene);
        let more = ["--num-gpu-workers", gpu, "--num-cpu-workers", cpu];
        let on = run(&scene, &env, &more);
        assert_eq!(on.code, Some(0), "{}", on.stderr);
        let json = on.json();
        let tasks = &json["tasks"];
        assert!(tasks["plate_denoise"].as_u64() > Some(0), "{tasks}");
        assert_eq!(tasks["plate_denoise"], tasks["ocr"], "{tasks}");
        assert_eq!(told(&scene.rows("vehicles")), told(&plain));
        let summary = scene.rows("video_summary").remove(0);
        assert_eq!(summary["skipped"].get("plate_denoise"), None);
        let tables = ["vehicles", "tracks", "track_motion"].map(|it| scene.rows(it));
        assert_ne!(tables[0][0]["settings_hash"], plain[0]["settings_hash"]);
        match &first {
            None => first = Some(tables),
            Some(first) => assert_eq!(&tables, first, "other workers"),
        }
    }
}

#[test]
fn pictures_of_plates_are_saved_and_a_folder_that_cannot_be_is_told_once() {
    let Some(scene) = scene() else { return };
    let saved = run(
        &scene,
        &[],
        &["--plate-denoise", "--plate-denoise-debug-save", "pictures"],
    );
    assert_eq!(saved.code, Some(0), "{}", saved.stderr);
    let names: Vec<String> = fs::read_dir(scene.path("pictures"))
        .expect("it is made")
        .map(|it| {
            it.expect("a file")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let done = saved.json()["tasks"]["plate_denoise"].as_u64();
    assert_eq!(Some(names.len() as u64), done.map(|it| 2 * it));
    assert!(names.iter().all(|it| it.starts_with("clip-")), "{names:?}");

    fs::write(scene.path("file"), "x").expect("room");
    let env = [
        ("PLATE_DENOISE", "1"),
        ("PLATE_DENOISE_DEBUG_SAVE", "file/below"),
    ];
    let refused = run(&scene, &env, &["--force"]);
    assert_eq!(refused.code, Some(0), "{}", refused.stderr);
    let told = refused.stderr.matches("no pictures of plates are saved");
    assert_eq!(told.count(), 1, "{}", refused.stderr);
}

#[test]
fn a_bad_value_is_named_before_anything_begins() {
    let scene = Scene::new();
    for (name, value) in [
        ("PLATE_DENOISE", "maybe"),
        ("PLATE_DENOISE_H", "-2"),
        ("PLATE_DENOISE_ENHANCE", "2"),
    ] {
        let refused = run(&scene, &[(name, value)], &[]);
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains(name), "{}", refused.stderr);
        assert!(!scene.path("work").exists());
    }
    let without = run(&scene, &[("PLATE_DENOISE_H", "9")], &[]);
    let note = "has no effect without `--plate-denoise`";
    assert_eq!(without.code, Some(0), "an empty folder: {}", without.stderr);
    assert!(without.stderr.contains(note), "{}", without.stderr);
}
