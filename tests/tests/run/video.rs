//! What comes out of a run that goes well.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use crate::scene::{Scene, pipeline};

/// The pts of every picture, in seconds, as FFmpeg's own tool reads them.
pub(crate) fn pts(path: &Path) -> Vec<f64> {
    let out = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-select_streams",
            "v:0",
            "-show_entries",
            "frame=best_effort_timestamp_time",
        ])
        .args(["-of", "csv=p=0"])
        .arg(path)
        .output()
        .expect("ffprobe runs");
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    text.lines()
        .filter_map(|line| line.trim_end_matches(',').parse().ok())
        .collect()
}

/// One entry of a stream.
pub(crate) fn probe(path: &Path, stream: &str, entry: &str) -> String {
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", stream, "-show_entries"])
        .arg(format!("stream={entry}"))
        .args(["-of", "csv=p=0"])
        .arg(path)
        .output()
        .expect("ffprobe runs");
    String::from_utf8_lossy(&out.stdout)
        .trim()
        .trim_end_matches(',')
        .to_owned()
}

/// A small gray picture of the frame at a time, 8×8 samples.
fn picture(path: &Path, seconds: &str) -> Vec<u8> {
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-ss", seconds, "-i"])
        .arg(path)
        .args([
            "-frames:v",
            "1",
            "-vf",
            "scale=8:8,format=gray",
            "-f",
            "rawvideo",
            "-",
        ])
        .output()
        .expect("ffmpeg runs");
    out.stdout
}

fn same_times(a: &[f64], b: &[f64]) {
    assert_eq!(a.len(), b.len());
    let offset = b[0] - a[0];
    for (a, b) in a.iter().zip(b) {
        assert!(
            (b - a - offset).abs() < 0.001,
            "{a} and {b}, offset {offset}"
        );
    }
}

fn inverted(name: &str) {
    let scene = Scene::new();
    let clip = scene.clip("clip.mp4", 3, &[]);
    let ended = scene.run(&["clip.mp4", "--pipeline", name, "-o", "out.mp4"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(scene.names(), ["clip.mp4", "out.mp4"]);
    let out = scene.path("out.mp4");
    same_times(&pts(&clip), &pts(&out));
    assert_eq!(probe(&out, "a:0", "codec_name"), "aac");
    let (before, after) = (picture(&clip, "1"), picture(&out, "1"));
    assert_eq!(before.len(), 64);
    let off = before
        .iter()
        .zip(&after)
        .map(|(a, b)| (255 - i32::from(*a) - i32::from(*b)).abs());
    assert!(off.max() < Some(24), "{before:?} {after:?}");
}

#[test]
fn a_rust_pipeline_changes_every_frame_and_keeps_their_times_and_the_sound() {
    inverted("invert");
}

#[test]
fn a_python_pipeline_changes_every_frame_and_keeps_their_times_and_the_sound() {
    inverted(&pipeline("Invert"));
}

#[test]
fn every_container_goes_in_and_out() {
    let scene = Scene::new();
    let cases: [(&str, &[&str], &str); 6] = [
        ("a.mp4", &[], "a.mkv"),
        ("b.mkv", &[], "b.ts"),
        ("c.mov", &[], "c.mp4"),
        ("d.ts", &[], "d.mp4"),
        (
            "e.webm",
            &["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"],
            "e.mp4",
        ),
        ("f.mp4", &[], "f.webm"),
    ];
    for (input, args, output) in cases {
        let clip = scene.clip(input, 1, args);
        let ended = scene.run(&[input, "-p", "noop", "-o", &format!("out-{output}")]);
        assert_eq!(ended.code, Some(0), "{input}: {}", ended.stderr);
        let out = scene.path(&format!("out-{output}"));
        same_times(&pts(&clip), &pts(&out));
        assert!(
            !probe(&out, "a:0", "codec_name").is_empty(),
            "{output} has sound"
        );
    }
}

#[test]
fn the_default_output_lies_beside_the_input() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 1, &[]);
    assert_eq!(scene.run(&["clip.mp4", "-p", "noop"]).code, Some(0));
    assert_eq!(scene.names(), ["clip.mp4", "clip.noop.mp4"]);
}

#[test]
fn mpegts_goes_to_stdout_and_words_to_stderr() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 1, &[]);
    let ended = scene.run(&["clip.mp4", "-p", "noop", "-o", "-"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.len() > 188 && ended.stdout.len().is_multiple_of(188));
    assert!(ended.stdout.chunks(188).all(|packet| packet[0] == 0x47));
}

#[test]
fn the_json_report_accounts_for_every_frame() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 2, &[]);
    let (ended, report) = scene.report(&["clip.mp4", "-p", "noop", "-o", "out.mp4"]);
    assert_eq!(ended.code, Some(0));
    assert_eq!(report["status"], "done");
    assert_eq!(
        (
            &report["frames"]["in"],
            &report["frames"]["out"],
            &report["frames"]["dropped"],
            &report["frames"]["filler"]
        ),
        (&json!(60), &json!(60), &json!(0), &json!(0))
    );
    assert_eq!(report["restarts"], 0);
    assert!(report["fps"].as_f64() > Some(1.0));
    for stage in ["decode", "queue", "process", "encode", "total"] {
        let row = report["latency_ms"][stage]
            .as_array()
            .expect("three numbers");
        assert!(
            row.len() == 3 && row.is_sorted_by_key(|it| it.as_f64().map(f64::to_bits)),
            "{stage} {row:?}"
        );
    }
    assert_eq!(report["error"], Value::Null);
}

#[test]
fn size_crops_the_centre_and_scales() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 1, &[]);
    assert_eq!(
        scene
            .run(&[
                "clip.mp4", "-p", "noop", "--size", "128x128", "-o", "out.mp4"
            ])
            .code,
        Some(0)
    );
    assert_eq!(
        probe(&scene.path("out.mp4"), "v:0", "width,height"),
        "128,128"
    );
}

#[test]
fn fps_start_and_duration_choose_the_frames() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 4, &[]);
    let args = [
        "clip.mp4",
        "-p",
        "noop",
        "--fps",
        "10",
        "--start",
        "1",
        "--duration",
        "2",
        "-o",
        "out.mp4",
    ];
    let ended = scene.run(&args);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let times = pts(&scene.path("out.mp4"));
    assert_eq!(times.len(), 20);
    assert!(
        times
            .windows(2)
            .all(|it| (it[1] - it[0] - 0.1).abs() < 0.002),
        "{times:?}"
    );
}

#[test]
fn a_generator_needs_no_file() {
    let scene = Scene::new();
    let source = "lavfi:testsrc2=size=160x120:rate=25:duration=1;sine=frequency=440:duration=1";
    let ended = scene.run(&[source, "-p", "noop", "-o", "out.mp4"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(pts(&scene.path("out.mp4")).len(), 25);
    assert!(!probe(&scene.path("out.mp4"), "a:0", "codec_name").is_empty());
}

#[test]
fn a_preview_shows_before_and_after_side_by_side() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 1, &[]);
    assert_eq!(
        scene
            .run(&["clip.mp4", "-p", "invert", "--preview", "-o", "out.mp4"])
            .code,
        Some(0)
    );
    let png = scene.path("out.png");
    assert_eq!(probe(&png, "v:0", "codec_name"), "png");
    let width: u32 = probe(&png, "v:0", "width").parse().expect("a number");
    assert!(width >= 640, "{width}");
}

#[test]
fn latest_drops_what_the_pipeline_cannot_keep_up_with_and_counts_it() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 2, &[]);
    let slow = pipeline("Slow");
    let args = [
        "clip.mp4",
        "-p",
        &slow,
        "--params",
        r#"{"seconds": 0.1}"#,
        "--policy",
        "latest",
        "-o",
        "out.mp4",
    ];
    let (ended, report) = scene.report(&args);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let count = |key: &str| report["frames"][key].as_u64().expect("a count");
    assert!(count("dropped") > 10);
    assert_eq!(count("in"), count("out") + count("dropped"));
}

#[test]
fn material_clips_go_through_a_rust_and_a_python_pipeline() {
    let Some(material) = framerill_tests::material() else {
        return;
    };
    let entries = std::fs::read_dir(material.join("video")).expect("clips");
    let scene = Scene::new();
    for clip in entries.map(|it| it.expect("an entry").path()) {
        if clip.extension().is_none_or(|it| it != "mp4") {
            continue;
        }
        let shown = clip.display().to_string();
        for (name, out) in [
            ("noop".to_owned(), "rust.mp4"),
            (pipeline("Invert"), "python.mp4"),
        ] {
            let ended = scene.run(&[&shown, "-p", &name, "--size", "320x240", "-o", out]);
            assert_eq!(ended.code, Some(0), "{shown}: {}", ended.stderr);
            same_times(&pts(&clip), &pts(&scene.path(out)));
        }
    }
}
