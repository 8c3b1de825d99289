//! What is said before anything is read.

use std::{
    fs,
    time::{Duration, Instant},
};

use framerill_tests::material;

use crate::scene::Scene;

#[test]
#[expect(clippy::disallowed_methods, reason = "measures")]
fn an_empty_folder_is_a_warning_and_a_missing_one_an_error_that_names_it() {
    let scene = Scene::new();
    let began = Instant::now();
    let empty = scene.plates(&["run", "in", "--json"]);
    assert_eq!(empty.code, Some(0), "{}", empty.stderr);
    assert!(empty.stderr.contains("no video"), "{}", empty.stderr);
    assert_eq!(empty.json()["status"], "done");
    assert!(began.elapsed() < Duration::from_secs(2));
    let missing = scene.plates(&["no/such"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("no/such"), "{}", missing.stderr);
    let default = scene.plates(&[]);
    assert_eq!(default.code, Some(2));
    assert!(default.stderr.contains("`inputs`"), "{}", default.stderr);
}

#[test]
fn a_bad_value_is_one_line_that_names_its_variable() {
    let scene = Scene::new();
    for (name, value) in [
        ("NUM_GPU_WORKERS", "two"),
        ("MAX_CPU_BACKLOG", "-1"),
        ("QUEUE_HARD_LIMIT", "0"),
        ("QUEUE_SOFT_LIMIT", "200"),
    ] {
        let output = scene
            .command(&["run", "in"])
            .env(name, value)
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains(name) && said.trim().lines().count() == 1,
            "{said}"
        );
    }
}

#[test]
fn models_that_are_missing_or_wrong_are_named_before_anything_starts() {
    let scene = Scene::new();
    fs::write(scene.path("in/a.mp4"), "x").expect("a file");
    let none = scene.plates(&["run", "in", "--models", "nowhere"]);
    assert_eq!(none.code, Some(3), "{}", none.stderr);
    let line = none.stderr.lines().last().unwrap_or_default();
    assert!(
        line.contains("models pull") && line.contains("licence"),
        "{line}"
    );
    let Some(material) = material() else { return };
    fs::create_dir(scene.path("models")).expect("a folder");
    for it in fs::read_dir(material.join("models")).expect("models") {
        let it = it.expect("a file");
        fs::copy(it.path(), scene.path("models").join(it.file_name())).expect("a copy");
    }
    let wrong = scene.path("models/yolox_nano.onnx");
    fs::remove_file(&wrong).expect("it is there");
    fs::write(&wrong, "this is no model").expect("a file");
    let corrupt = scene.plates(&["run", "in", "--models", "models"]);
    assert_eq!(corrupt.code, Some(3), "{}", corrupt.stderr);
    assert!(
        corrupt.stderr.contains("yolox_nano.onnx"),
        "{}",
        corrupt.stderr
    );
}

#[test]
fn a_work_directory_that_cannot_be_written_is_named() {
    let scene = Scene::new();
    fs::write(scene.path("file"), "").expect("a file");
    let ended = scene.plates(&["run", "in", "--work-dir", "file/x"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("file/x"), "{}", ended.stderr);
}
