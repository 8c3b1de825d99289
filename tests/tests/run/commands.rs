//! The commands beside `run`.

use serde_json::Value;

use crate::scene::{Scene, pipeline};

fn strings<'a>(all: &'a Value, key: &str) -> Vec<&'a str> {
    let all = all.as_array().expect("a list");
    all.iter().filter_map(|it| it[key].as_str()).collect()
}

#[test]
fn every_built_in_pipeline_is_listed_and_described_with_its_parameters() {
    let scene = Scene::new();
    let (ended, list) = scene.json(&["pipelines", "list"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let names = strings(&list["pipelines"], "name");
    for name in ["noop", "invert", "grayscale", "blur", "edges", "overlay"] {
        assert!(names.contains(&name), "{names:?}");
        let (ended, about) = scene.json(&["pipelines", "describe", name]);
        assert_eq!(ended.code, Some(0));
        assert_eq!(about["name"], name);
        assert_eq!(about["params_schema"]["type"], "object");
        assert!(about["defaults"].is_object());
    }
}

#[test]
fn a_file_is_described_without_loading_it() {
    let scene = Scene::new();
    let (ended, about) = scene.json(&["pipelines", "describe", &pipeline("Raises")]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(about["language"], "python");
    assert!(about["params_schema"]["properties"]["at"].is_object());
}

#[test]
fn a_name_that_nobody_knows_is_answered_with_a_near_one() {
    let scene = Scene::new();
    let output = scene.command(&["pipelines", "describe", "grayscal"]);
    let output = { output }.output().expect("framerill runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("did you mean `grayscale`"));
}

#[test]
fn doctor_is_ready_where_runs_work_and_says_what_media_can() {
    let scene = Scene::new();
    let (ended, said) = scene.json(&["doctor"]);
    assert_eq!(ended.code, Some(0), "{said:#}");
    assert_eq!(said["ready"], true);
    let names = strings(&said["findings"], "name");
    for name in [
        "kernel",
        "framerill-media",
        "ffmpeg",
        "encoders",
        "python framerill",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
}

#[test]
fn doctor_without_media_says_what_is_missing_and_what_to_do() {
    let scene = Scene::new();
    let mut command = scene.command(&["doctor", "--json"]);
    let output = command.env("FRAMERILL_MEDIA", scene.path("not-there"));
    let output = output.output().expect("framerill runs");
    assert_eq!(output.status.code(), Some(3));
    let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(said["ready"], false);
    let findings = said["findings"].as_array().expect("a list");
    let media = findings.iter().find(|it| it["name"] == "framerill-media");
    let media = media.expect("it is looked at");
    assert_eq!(media["state"], "missing");
    assert!(
        media["remedy"]
            .as_str()
            .is_some_and(|it| it.contains("make build"))
    );
}

#[test]
fn with_json_a_wrong_request_is_one_object_too() {
    let scene = Scene::new();
    for args in [
        ["run", "clip.mp4", "--size", "huge"].as_slice(),
        &["run", "clip.mp4"],
        &["pipelines", "describe", "nothing-of-that-name"],
    ] {
        let (ended, said) = scene.json(args);
        assert_eq!(ended.code, Some(2), "{args:?}");
        assert_eq!(said["status"], "failed");
        let message = said["error"]["message"].as_str().expect("a message");
        assert!(!message.is_empty() && !message.contains('\n'), "{message}");
    }
}
