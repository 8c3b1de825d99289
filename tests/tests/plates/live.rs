//! Rows before the end of a vehicle, and what OCR says as it says it.

use crate::scene::{Scene, everything};

#[test]
fn a_live_run_ends_with_the_rows_of_one_that_is_not() {
    let Some(material) = everything() else { return };
    let of = |more: &[&str]| {
        let scene = Scene::new();
        scene.clip(&material, "pair.mp4", "pair.mp4");
        let run = scene.run(&material, more);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        ["vehicles", "tracks", "track_motion", "video_summary"].map(|it| scene.rows(it))
    };
    let plain = of(&["--every", "1"]);
    assert!(!plain[0].is_empty());
    assert_eq!(plain, of(&["--every", "1", "--live"]));
}

#[test]
fn raw_results_of_ocr_are_logged_where_that_is_asked_for() {
    let Some(material) = everything() else { return };
    let logged = |more: &[(&str, &str)]| {
        let scene = Scene::new();
        scene.clip(&material, "edge/short30.mp4", "a.mp4");
        let models = material.join("models");
        let mut command = scene.command(&["run", "in", "--work-dir", "work", "--single-process"]);
        command.arg("--models").arg(models).envs(more.to_vec());
        let run = crate::scene::ended(scene.start_command(command));
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(!run.stderr.contains("no effect"), "{}", run.stderr);
        let log = std::fs::read_to_string(scene.path("work/logs/main.log")).expect("a log");
        let lines = log.lines();
        lines.filter(|it| it.contains("sharpness")).count()
    };
    assert_eq!(logged(&[]), 0);
    assert_eq!(
        logged(&[("OCR_DEBUG_MAX", "3")]),
        0,
        "a number alone is no wish"
    );
    let both = [("OCR_DEBUG_RESULTS", "1"), ("OCR_DEBUG_MAX", "1")];
    assert_eq!(logged(&both), 1);
}
