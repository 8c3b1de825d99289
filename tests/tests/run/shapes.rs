//! Pipelines that do not answer one frame with one picture, one after the other.

use serde_json::{Value, json};

use crate::{
    scene::{Scene, pipeline},
    video::{probe, pts},
};

fn frames(report: &Value, name: &str) -> Value {
    report["frames"][name].clone()
}

/// Runs two seconds through a pipeline, and compares the counts; the times of the input and of the output.
fn run(class: &str, out: u64, skipped: u64) -> (Vec<f64>, Vec<f64>) {
    let scene = Scene::new();
    let clip = scene.clip("clip.mp4", 2, &[]);
    let (ended, report) = scene.report(&["clip.mp4", "-p", &pipeline(class), "-o", "out.mp4"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let counted = ["in", "out", "skipped", "dropped"].map(|it| frames(&report, it));
    assert_eq!(counted, [json!(60), json!(out), json!(skipped), json!(0)]);
    assert_eq!(report["restarts"], 0);
    (pts(&clip), pts(&scene.path("out.mp4")))
}

#[test]
fn frames_of_a_batch_keep_their_places() {
    let (before, after) = run("Batched", 60, 0);
    assert_eq!(before, after);
}

#[test]
fn what_a_pipeline_with_loops_of_its_own_keeps_is_skipped_and_the_rest_keeps_its_place() {
    let (before, after) = run("Queued", 57, 3);
    assert_eq!(before[..57], after);
}

#[test]
fn two_pictures_for_each_frame_are_twice_as_many_a_second() {
    let (before, after) = run("Twice", 114, 3);
    assert_eq!(after.len(), 114);
    for (frame, two) in before.iter().zip(after.chunks_exact(2)) {
        assert!((two[0] - frame).abs() < 1e-4, "{two:?} for {frame}");
        assert!(
            (two[1] - frame - 1.0 / 60.0).abs() < 1e-3,
            "{two:?} for {frame}"
        );
    }
}

#[test]
fn an_upscalers_file_has_its_own_size() {
    // `Larger` says a size of its own, and its pictures of 640x480 are scaled to it.
    for (class, size) in [("Doubles", "640,480"), ("Larger", "1024,1024")] {
        let scene = Scene::new();
        let clip = scene.clip("clip.mp4", 2, &[]);
        let args = [
            "clip.mp4",
            "-p",
            &pipeline(class),
            "-o",
            "out.mp4",
            "--preview",
        ];
        let (ended, report) = scene.report(&args);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(
            (frames(&report, "out"), &report["restarts"]),
            (json!(60), &json!(0))
        );
        let out = scene.path("out.mp4");
        assert_eq!(probe(&out, "v:0", "width,height"), size, "{class}");
        assert_eq!(pts(&clip), pts(&out));
    }
}
