//! Sound: carried over where the container takes it, encoded anew where not, always beside its pictures.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by a panic, and its numbers are small"
)]

mod media;

use std::path::{Path, PathBuf};

use media::{folder, generated, make, plan, probe, read, tool, transcode};
use serde_json::json;

/// 3 s of pictures; sound is silent but for a beep from 1 s to 1.5 s.
fn beep(path: &Path, codec: &[&str]) -> PathBuf {
    let sound =
        "sine=frequency=1000:duration=3:sample_rate=48000,volume='between(t,1,1.5)':eval=frame";
    let args = [
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=64x48:rate=25:duration=3",
        "-f",
        "lavfi",
        "-i",
        sound,
        "-pix_fmt",
        "yuv420p",
        "-c:a",
    ];
    make(path, &[&args[..], codec].concat())
}

/// When the beep begins, in seconds of the file's own clock.
fn beep_begins(path: &Path) -> f64 {
    let key = "lavfi.astats.Overall.RMS_level";
    let filter = format!(
        "aresample=48000,asetnsamples=480,astats=metadata=1:reset=1,ametadata=print:key={key}:file=-"
    );
    let file = path.to_str().unwrap();
    let flags = [
        "-v", "error", "-nostdin", "-copyts", "-i", file, "-map", "a:0", "-af", &filter,
    ];
    let out = tool("ffmpeg", &[&flags[..], &["-f", "null", "-"]].concat());
    let mut time = 0.0;
    for line in out.lines() {
        if let Some((_, seconds)) = line.split_once("pts_time:") {
            time = seconds.trim().parse().unwrap();
        }
        let level = line
            .strip_prefix(key)
            .and_then(|rest| rest.strip_prefix('='));
        if level.is_some_and(|level| level.parse().is_ok_and(|level: f64| level > -40.0)) {
            return time;
        }
    }
    panic!("no beep in {}", path.display());
}

#[test]
fn sound_is_carried_over_or_encoded_anew_as_the_container_wants() {
    let folder = folder();
    for (input, codec, output, expected) in [
        ("in.mp4", &["aac"][..], "out.mp4", "aac"),
        ("in.mp4", &["aac"], "out.mkv", "aac"),
        ("in.mp4", &["aac"], "out.ts", "aac"),
        ("in.mp4", &["aac"], "out.webm", "opus"),
        ("in.ts", &["aac"], "out.mp4", "aac"),
        ("in.ts", &["aac"], "out.mkv", "aac"),
        ("in.ts", &["mp2"], "out.ts", "mp2"),
        ("in.mkv", &["libopus"], "out.mp4", "opus"),
        ("in.mkv", &["libopus"], "out.webm", "opus"),
        ("in.mkv", &["flac"], "out.mkv", "flac"),
        ("in.mkv", &["flac"], "out.mp4", "aac"),
        ("in.mkv", &["libvorbis"], "out.webm", "vorbis"),
        ("in.mov", &["pcm_s16le"], "out.mp4", "aac"),
        ("in.avi", &["libmp3lame"], "out.mp4", "mp3"),
        ("in.mp4", &["ac3"], "out.mp4", "ac3"),
    ] {
        let what = format!("{codec:?} {input} to {output}");
        let source = beep(&folder.path().join(input), codec);
        let output = folder.path().join(output);
        transcode(plan(&source, json!({})), &output)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(
            probe(&output, "a:0", "stream=codec_name"),
            [expected],
            "{what}"
        );
        let first = |path: &Path| media::pts_seconds(path)[0];
        let before = beep_begins(&source) - first(&source);
        let after = beep_begins(&output) - first(&output);
        assert!(
            (before - after).abs() < 0.03,
            "{what}: the beep moves from {before} to {after}"
        );
        assert_eq!(probe(&output, "v:0", "frame=pts").len(), 75, "{what}");
    }
}

#[test]
fn sound_stays_in_sync_from_a_start_on() {
    let folder = folder();
    for input in ["in.mp4", "in.mkv", "in.ts"] {
        let source = beep(&folder.path().join(input), &["aac"]);
        for output in ["out.mp4", "out.mkv", "out.ts", "out.webm"] {
            let output = folder.path().join(format!("{input}.{output}"));
            transcode(plan(&source, json!({"start": 0.6})), &output).unwrap();
            let begins = beep_begins(&output) - media::pts_seconds(&output)[0];
            assert!(
                (begins - 0.4).abs() < 0.035,
                "{input} to {output:?}: the beep begins at {begins}"
            );
        }
    }
}

#[test]
fn generated_sound_is_encoded() {
    let folder = folder();
    let graph = "testsrc2=size=64x48:rate=25:duration=2;sine=frequency=440:duration=2";
    for (output, expected) in [("out.mp4", "aac"), ("out.mkv", "aac"), ("out.webm", "opus")] {
        let output = folder.path().join(output);
        transcode(generated(graph, json!({})), &output).unwrap();
        assert_eq!(probe(&output, "a:0", "stream=codec_name"), [expected]);
        let ends: f64 = probe(&output, "a:0", "packet=pts_time")
            .last()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1.9..2.05).contains(&ends), "{ends}");
    }
}

#[test]
fn sound_that_is_not_wanted_is_not_read() {
    let folder = folder();
    let source = beep(&folder.path().join("in.mp4"), &["aac"]);
    let read = read(&plan(&source, json!({"audio": false}))).unwrap();
    assert!(read.sound.is_empty() && read.info.audio.is_none());
}

#[test]
fn sound_whose_times_jump_does_not_fail() {
    let folder = folder();
    let part = |name: &str, offset: &str| {
        let path = folder.path().join(name);
        std::fs::read(beep(&path, &["aac", "-output_ts_offset", offset])).unwrap()
    };
    let both = folder.path().join("both.ts");
    std::fs::write(
        &both,
        [part("one.ts", "900"), part("two.ts", "100")].concat(),
    )
    .unwrap();
    for output in ["out.mp4", "out.mkv", "out.ts", "out.webm"] {
        let output = folder.path().join(output);
        transcode(plan(&both, json!({})), &output).unwrap();
        let times: Vec<f64> = probe(&output, "a:0", "packet=pts_time")
            .iter()
            .map(|time| time.parse().unwrap())
            .collect();
        assert!(times.is_sorted(), "{output:?}");
        assert!(times.len() > 100, "{output:?}: {}", times.len());
    }
}
