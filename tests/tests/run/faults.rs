//! Workers that die, hang or lie; runs that are interrupted or killed.

use std::{process::Stdio, time::Duration};

use framerill_tests::process::is_running;
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    scene::{Background, Scene, Watched, below, pipeline, signal_to, wait_until},
    video::pts,
};

/// In and out differ by exactly the frames that are named as held; the others have their times.
fn only_held_frames_are_missing(scene: &Scene, report: &Value) {
    let source = pts(&scene.path("clip.mp4"));
    let out = pts(&scene.path("out.mp4"));
    let held: Vec<usize> = report["held"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| usize::try_from(it["frame"].as_u64().expect("a number")).expect("small"))
        .collect();
    let expected: Vec<f64> = source
        .iter()
        .enumerate()
        .filter(|(id, _)| !held.contains(id))
        .map(|(_, pts)| *pts)
        .collect();
    assert_eq!(expected.len(), out.len(), "held {held:?}");
    let offset = out[0] - expected[0];
    for (a, b) in expected.iter().zip(&out) {
        assert!((b - a - offset).abs() < 0.001, "{a} {b}");
    }
}

/// A pipeline that fails at two frames costs two frames and two restarts.
fn survives(class: &str) {
    let scene = Scene::new();
    scene.clip("clip.mp4", 3, &[]);
    let params = r#"{"at": [20, 60]}"#;
    let name = pipeline(class);
    let args = [
        "clip.mp4",
        "-p",
        &name,
        "--params",
        params,
        "--max-frame-time",
        "1",
        "-o",
        "out.mp4",
    ];
    let (ended, report) = scene.report(&args);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(report["restarts"], 2, "{}", ended.stderr);
    let held: Vec<u64> = report["held"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|it| it["frame"].as_u64())
        .collect();
    assert_eq!(held, [20, 60]);
    only_held_frames_are_missing(&scene, &report);
}

#[test]
fn a_pipeline_that_raises_costs_the_frame_and_shows_its_traceback() {
    survives("Raises");
    let scene = Scene::new();
    scene.clip("clip.mp4", 2, &[]);
    let ended = scene.run(&["clip.mp4", "-p", &pipeline("Raises"), "-o", "out.mp4"]);
    assert!(
        ended.stderr.contains("Traceback (most recent call last)"),
        "{}",
        ended.stderr
    );
    assert!(
        ended
            .stderr
            .contains("ValueError: the frame is wrong in a way that names itself")
    );
    assert!(ended.stderr.contains("faults.py"));
}

#[test]
fn a_pipeline_that_exits_costs_the_frame() {
    survives("Exits");
}

#[test]
fn a_pipeline_that_kills_itself_costs_the_frame() {
    survives("Killed");
}

#[test]
fn a_pipeline_that_segfaults_costs_the_frame() {
    survives("Segfaults");
}

#[test]
fn a_pipeline_that_hangs_costs_the_frame() {
    survives("Hangs");
}

#[test]
fn a_frame_of_the_wrong_size_costs_the_frame() {
    survives("WrongSize");
}

#[test]
fn an_answer_of_the_wrong_type_costs_the_frame() {
    survives("WrongType");
}

#[test]
fn an_answer_of_none_costs_the_frame() {
    survives("Nothing");
}

#[test]
fn a_skip_is_no_fault_and_is_counted() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 2, &[]);
    let (ended, report) = scene.report(&["clip.mp4", "-p", &pipeline("Skips"), "-o", "out.mp4"]);
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        (&report["restarts"], &report["frames"]["skipped"]),
        (&0.into(), &1.into())
    );
    assert_eq!(pts(&scene.path("out.mp4")).len(), 59);
}

#[test]
fn after_the_budget_the_run_fails_and_what_was_written_plays() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 3, &[]);
    let params = r#"{"at": [10, 20, 30, 40, 50]}"#;
    let name = pipeline("Exits");
    let args = [
        "clip.mp4",
        "-p",
        &name,
        "--params",
        params,
        "--max-restarts",
        "2",
        "-o",
        "out.mp4",
    ];
    let ended = scene.run(&args);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.complaint().contains("2 restarts"), "{}", ended.stderr);
    assert_eq!(scene.names(), ["clip.mp4", "out.partial.mp4"]);
    assert_eq!(pts(&scene.path("out.partial.mp4")).len(), 28);
}

#[test]
fn killing_the_worker_changes_one_frame() {
    for name in ["overlay".to_owned(), pipeline("Slow")] {
        let scene = Scene::new();
        scene.clip("clip.mp4", 20, &["-an"]);
        let run = scene.start(&["clip.mp4", "-p", &name, "--json", "-o", "out.mp4"]);
        let worker = run.worker();
        wait_until("pictures are written", || {
            let bytes = std::fs::metadata(scene.path("out.partial.mp4")).map_or(0, |it| it.len());
            (bytes > 20_000).then_some(())
        });
        signal_to(worker, Signal::KILL);
        let ended = run.end();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let report: Value = serde_json::from_slice(&ended.stdout).expect("a report");
        assert_eq!(report["restarts"], 1, "{name}: {}", ended.stderr);
        assert!(report["held"].as_array().expect("a list").len() <= 1);
        only_held_frames_are_missing(&scene, &report);
    }
}

#[test]
fn ctrl_c_completes_the_output_and_ends_with_130() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 20, &[]);
    let run = scene.start(&["clip.mp4", "-p", &pipeline("Slow"), "-o", "out.mp4"]);
    wait_until("pictures are written", || {
        let bytes = std::fs::metadata(scene.path("out.partial.mp4")).map_or(0, |it| it.len());
        (bytes > 20_000).then_some(())
    });
    run.signal(Signal::INT);
    let ended = run.end();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert_eq!(scene.names(), ["clip.mp4", "out.mp4"]);
    let frames = pts(&scene.path("out.mp4")).len();
    assert!((10..600).contains(&frames), "{frames}");
}

/// A run without end that has written something.
fn endless(scene: &Scene, pipeline: &str) -> Background {
    let source = "lavfi:testsrc2=size=160x120:rate=25";
    let run = scene.start(&[source, "-p", pipeline, "-o", "out.mp4"]);
    wait_until("pictures are written", || {
        let bytes = std::fs::metadata(scene.path("out.partial.mp4")).map_or(0, |it| it.len());
        (bytes > 20_000).then_some(())
    });
    run
}

#[test]
fn sigterm_and_a_terminal_that_goes_away_complete_the_output_and_end_with_143() {
    for signal in [Signal::TERM, Signal::HUP] {
        let scene = Scene::new();
        let run = endless(&scene, &pipeline("Slow"));
        run.signal(signal);
        assert_eq!(run.end().code, Some(143), "{signal:?}");
        assert_eq!(scene.names(), ["out.mp4"], "{signal:?}");
    }
}

#[test]
fn a_second_ctrl_c_ends_a_run_at_once_while_the_first_waits_for_a_frame() {
    let scene = Scene::new();
    let hangs = pipeline("Hangs");
    let source = "lavfi:testsrc2=size=160x120:rate=25";
    let run = Watched::start(&scene, &[source, "-p", &hangs, "-o", "out.mp4"]);
    run.signal_after("hangs at 40", Signal::INT);
    run.signal_after("once more to stop at once", Signal::INT);
    let run = run.into_run();
    let (pid, family) = (run.pid(), below(run.pid()));
    // A frame may take 10 s, the default of `--max-frame-time`.
    let is_at_once = framerill_tests::wait_until(Duration::from_secs(5), || !is_running(pid));
    assert!(is_at_once);
    assert_eq!(run.end().code, Some(130));
    let within_a_second = framerill_tests::wait_until(Duration::from_secs(1), || {
        family.iter().all(|pid| !is_running(*pid))
    });
    assert!(within_a_second, "something of {family:?} is left");
    assert!(!scene.path("out.mp4").exists());
}

#[test]
fn no_process_outlives_a_killed_run_and_what_was_written_plays() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 20, &["-an"]);
    let run = scene.start(&["clip.mp4", "-p", &pipeline("Spawns"), "-o", "out.mp4"]);
    run.worker();
    wait_until("pictures are written", || {
        let bytes = std::fs::metadata(scene.path("out.partial.mp4")).map_or(0, |it| it.len());
        (bytes > 200_000).then_some(())
    });
    let family = below(run.pid());
    assert!(family.len() >= 3, "{family:?}");
    run.kill();
    let within_a_second = framerill_tests::wait_until(Duration::from_secs(1), || {
        family.iter().all(|pid| !is_running(*pid))
    });
    assert!(within_a_second, "something of {family:?} is left");
    assert!(pts(&scene.path("out.partial.mp4")).len() > 10);
    assert!(!scene.path("out.mp4").exists());
}

#[test]
fn what_a_pipeline_prints_is_a_log_and_never_part_of_the_video() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 1, &["-an"]);
    let ended = scene.run(&["clip.mp4", "-p", &pipeline("Prints"), "-o", "-"]);
    assert_eq!(ended.code, Some(0));
    assert!(ended.stdout.len().is_multiple_of(188) && ended.stdout[0] == 0x47);
    assert!(ended.stderr.contains("said on stdout 5") && ended.stderr.contains("said on stderr 5"));
}

#[test]
fn a_pipeline_that_holds_every_frame_goes_on() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 2, &["-an"]);
    let (ended, report) = scene.report(&["clip.mp4", "-p", &pipeline("Holds"), "-o", "out.mp4"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(report["frames"]["out"], 60);
}

#[test]
fn in_process_shows_the_traceback_on_the_terminal() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 1, &[]);
    let args = [
        "clip.mp4",
        "-p",
        &pipeline("Raises"),
        "--params",
        r#"{"at": [5]}"#,
        "--in-process",
        "-o",
        "out.mp4",
    ];
    let ended = scene.run(&args);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended
            .stderr
            .contains("ValueError: the frame is wrong in a way that names itself")
    );
}

#[test]
fn in_process_ends_with_the_reason_when_the_load_is_refused() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 1, &[]);
    for (target, params, part) in [
        (pipeline("Raises"), r#"{"at": "soon"}"#, "`at`"),
        ("./missing.py".to_owned(), "{}", "missing.py"),
    ] {
        let args = ["clip.mp4", "-p", &target, "--params", params];
        let ended = scene.run(&[args.as_slice(), &["--in-process", "-o", "out.mp4"]].concat());
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
        assert!(!scene.path("out.mp4").exists());
    }
}

#[test]
fn in_process_says_so_when_the_pipeline_leaves_by_itself() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 1, &[]);
    std::fs::write(scene.path("leaves.py"), "import os\nfrom framerill import Pipeline\n\n\nclass Leaves(Pipeline):\n    def process(self, frame):\n        os._exit(0)\n").expect("a file");
    let args = [
        "clip.mp4",
        "-p",
        "./leaves.py",
        "--in-process",
        "-o",
        "out.mp4",
    ];
    let ended = scene.run(&args);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("the worker of `leaves` was lost"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_pipeline_that_asks_for_sound_is_told_that_run_has_none_for_it() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 1, &[]);
    std::fs::write(scene.path("hears.py"), "from framerill import Pipeline\n\n\nclass Hears(Pipeline):\n    audio = True\n\n    def process(self, frame):\n        return frame\n").expect("a file");
    let ended = scene.run(&["clip.mp4", "-p", "./hears.py", "-o", "out.mp4"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("asks for sound"), "{}", ended.stderr);
}

#[test]
fn a_run_whose_terminal_is_gone_still_completes_its_output() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 1, &[]);
    for gone in ["/dev/full", "/dev/null"] {
        let to = std::fs::File::options().write(true).open(gone);
        let mut command = scene.command(&[
            "run",
            "clip.mp4",
            "-p",
            &pipeline("Prints"),
            "-o",
            "out.mp4",
        ]);
        let run = command
            .stderr(to.expect("Linux has one"))
            .stdout(Stdio::null());
        let status = run.status().expect("framerill runs");
        assert_eq!(status.code(), Some(0), "{gone}");
        assert_eq!(pts(&scene.path("out.mp4")).len(), 30);
    }
}

#[test]
fn answers_that_nobody_takes_are_no_crash() {
    let scene = Scene::new();
    for args in [
        ["doctor"].as_slice(),
        &["pipelines", "list"],
        &["doctor", "--json"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let mut command = scene.command(args);
        let output = command.stdout(full.expect("Linux has one")).output();
        let output = output.expect("framerill runs");
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("cannot write to stdout"), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

#[test]
fn a_file_in_the_current_folder_is_no_part_of_pythons_library() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 1, &[]);
    std::fs::write(scene.path("json.py"), "raise SystemExit(9)\n").expect("a file");
    let (ended, list) = scene.json(&["pipelines", "list"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(list["python_error"].is_null(), "{list:#}");
    let ended = scene.run(&["clip.mp4", "-p", &pipeline("Invert"), "-o", "out.mp4"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
