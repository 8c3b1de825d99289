//! Pts: the source's own, increasing, and moved only where the page of `source` says so.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by a panic, and its numbers are small"
)]

mod media;

use std::path::Path;

use media::{folder, generated, make, material, plan, pts_seconds, read, transcode};
use serde_json::json;

fn assert_same(one: &[f64], other: &[f64], tolerance: f64, what: &str) {
    assert_eq!(one.len(), other.len(), "{what}");
    for (one, other) in one.iter().zip(other) {
        assert!(
            (one - other).abs() <= tolerance,
            "{what}: {one} and {other}"
        );
    }
}

/// 2 s with B-frames and sound.
fn clip(path: &Path, more: &[&str]) -> std::path::PathBuf {
    let input = [
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=160x120:rate=25:duration=2",
        "-f",
        "lavfi",
        "-i",
        "sine=frequency=440:duration=2",
        "-c:v",
        "libx264",
        "-preset",
        "medium",
        "-pix_fmt",
        "yuv420p",
        "-g",
        "12",
        "-c:a",
        "aac",
    ];
    make(path, &[&input[..], more].concat())
}

#[test]
fn the_output_has_the_times_of_the_source_in_every_container() {
    let folder = folder();
    for input in ["in.mp4", "in.mkv", "in.mov", "in.ts"] {
        let source = clip(&folder.path().join(input), &[]);
        // What we read is what the file says, whatever the container did to the times.
        let expected = pts_seconds(&source);
        for (output, tolerance) in [
            ("out.mp4", 1e-5),
            ("out.mkv", 6e-4),
            ("out.ts", 1e-5),
            ("out.webm", 6e-4),
        ] {
            let output = folder.path().join(format!("{input}.{output}"));
            transcode(plan(&source, json!({})), &output).unwrap();
            let what = output.file_name().unwrap().to_str().unwrap();
            assert_same(&pts_seconds(&output), &expected, tolerance, what);
        }
    }
}

#[test]
fn a_variable_frame_rate_stays_as_it_is() {
    let folder = folder();
    let Some(source) = material("toll_vn.mp4") else {
        return;
    };
    let output = folder.path().join("out.mp4");
    transcode(plan(&source, json!({"size": [128, 128]})), &output).unwrap();
    assert_same(
        &pts_seconds(&output),
        &pts_seconds(&source),
        1e-6,
        "toll_vn",
    );
}

#[test]
fn with_a_start_pts_begin_at_zero_and_end_after_the_duration() {
    let folder = folder();
    for input in ["in.mp4", "in.mkv", "in.ts"] {
        let source = clip(&folder.path().join(input), &[]);
        let first = pts_seconds(&source)[0];
        let cut = json!({"start": 0.98, "duration": 0.6});
        let part = read(&plan(&source, cut.clone())).unwrap();
        assert_eq!(part.pictures.len(), 15, "{input}");
        assert_eq!(part.seconds[0], 0.0, "{input}");
        let whole = read(&plan(&source, json!({}))).unwrap();
        let wanted = whole
            .seconds
            .iter()
            .position(|at| *at - first >= 0.979)
            .unwrap();
        assert_eq!(
            media::difference(&part.pictures[0], &whole.pictures[wanted]),
            0.0,
            "{input}"
        );
        let output = folder.path().join(format!("{input}.mp4"));
        transcode(plan(&source, cut), &output).unwrap();
        let times = pts_seconds(&output);
        assert_eq!((times.len(), times[0]), (15, 0.0), "{input}");
        let sound: Vec<f64> = media::probe(&output, "a:0", "packet=pts_time")
            .iter()
            .map(|time| time.parse().unwrap())
            .collect();
        assert!(
            sound[0].abs() < 0.03,
            "{input}: sound begins at {}",
            sound[0]
        );
        let last = sound.last().unwrap();
        assert!((0.5..0.61).contains(last), "{input}: sound ends at {last}");
    }
}

#[test]
fn a_start_beyond_the_end_is_an_empty_source() {
    let folder = folder();
    let source = clip(&folder.path().join("in.mp4"), &[]);
    let error = read(&plan(&source, json!({"start": 100.0}))).err().unwrap();
    assert_eq!(error.code(), "source_empty");
    assert_eq!(
        read(&plan(&source, json!({"start": -1.0})))
            .err()
            .unwrap()
            .code(),
        "params"
    );
}

#[test]
fn a_rate_makes_a_constant_one() {
    let folder = folder();
    let output = folder.path().join("out.mp4");
    for (rate, expected) in [([10, 1], 20), ([50, 1], 100), ([30000, 1001], 60)] {
        let plan = generated(
            "testsrc2=size=64x64:rate=25:duration=2",
            json!({"fps": rate}),
        );
        transcode(plan, &output).unwrap();
        let times = pts_seconds(&output);
        assert_eq!(times.len(), expected, "{rate:?}");
        let step = f64::from(rate[1]) / f64::from(rate[0]);
        let ideal: Vec<f64> = (0..times.len()).map(|n| n as f64 * step).collect();
        assert_same(&times, &ideal, 1e-5, "constant");
    }
}

#[test]
fn a_transport_stream_that_begins_late_begins_at_zero_and_a_near_start_is_kept() {
    let folder = folder();
    let near = clip(&folder.path().join("near.ts"), &["-output_ts_offset", "3"]);
    let kept = read(&plan(&near, json!({}))).unwrap().seconds[0];
    assert!((3.0..5.0).contains(&kept), "{kept}");
    let late = clip(
        &folder.path().join("late.ts"),
        &["-output_ts_offset", "5000"],
    );
    let begun = read(&plan(&late, json!({}))).unwrap().seconds[0];
    assert!((0.0..0.2).contains(&begun), "{begun}");
}

#[test]
fn jumps_of_a_transport_stream_are_closed_and_counted() {
    let folder = folder();
    let one = clip(&folder.path().join("one.ts"), &["-output_ts_offset", "700"]);
    let two = clip(&folder.path().join("two.ts"), &["-output_ts_offset", "20"]);
    let both = folder.path().join("both.ts");
    let bytes = [std::fs::read(one).unwrap(), std::fs::read(two).unwrap()].concat();
    std::fs::write(&both, bytes).unwrap();
    let read = read(&plan(&both, json!({}))).unwrap();
    assert_eq!(read.end.jumps, 1, "{:?}", read.end);
    assert!(read.pictures.len() >= 98, "{}", read.pictures.len());
    let widest = read
        .seconds
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .fold(0.0, f64::max);
    assert!(widest < 0.5, "a gap of {widest} s");
    let output = folder.path().join("out.mp4");
    transcode(plan(&both, json!({})), &output).unwrap();
    assert!(pts_seconds(&output).len() >= 98);
}

#[test]
fn realtime_takes_as_long_as_the_source() {
    let _folder = folder();
    let graph = "testsrc2=size=64x64:rate=25:duration=0.4";
    #[expect(clippy::disallowed_methods, reason = "the claim is about the clock")]
    let began = std::time::Instant::now();
    read(&generated(graph, json!({"realtime": true}))).unwrap();
    let took = began.elapsed().as_secs_f64();
    assert!(took >= 0.35, "{took}");
}

#[test]
fn an_interrupt_ends_a_realtime_source_at_once() {
    let _folder = folder();
    let plan = generated("testsrc2=size=64x64:rate=1", json!({"realtime": true}));
    let (mut source, _info) = media::open(&plan).unwrap();
    source.next().unwrap();
    source.interrupt().trigger();
    assert!(source.next().is_err());
}
