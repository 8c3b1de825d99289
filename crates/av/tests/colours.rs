//! Colours survive: decoded, seen by a worker as RGB, encoded, and decoded again.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by a panic, and its numbers are small"
)]

mod media;

use std::path::Path;

use framerill_media::PixelFormat;
use media::{channel_means, difference, folder, make, plan, probe, read, read_as, tool, transcode};
use serde_json::json;

/// A coloured still in a matrix and a range, encoded nearly without loss.
fn coloured(path: &Path, matrix: &str, range: &str, tagged: bool) -> std::path::PathBuf {
    let convert = format!("scale=out_color_matrix={matrix}:out_range={range},format=yuv420p");
    let space = if matrix == "bt709" {
        "bt709"
    } else {
        "smpte170m"
    };
    let mut args = vec![
        "-f",
        "lavfi",
        "-i",
        "smptehdbars=size=320x240:rate=5:duration=1",
        "-vf",
        &convert,
        "-c:v",
        "libx264",
        "-crf",
        "4",
        "-color_range",
        range,
    ];
    if tagged {
        args.extend([
            "-colorspace",
            space,
            "-color_primaries",
            space,
            "-color_trc",
            space,
        ]);
    }
    make(path, &args)
}

/// The first picture as the `ffmpeg` program shows it.
fn shown(path: &Path, folder: &Path) -> Vec<u8> {
    let raw = folder.join("shown.raw");
    let file = path.to_str().unwrap();
    let out = raw.to_str().unwrap();
    let flags = [
        "-v",
        "error",
        "-nostdin",
        "-y",
        "-i",
        file,
        "-frames:v",
        "1",
        "-pix_fmt",
        "rgb24",
    ];
    tool("ffmpeg", &[&flags[..], &["-f", "rawvideo", out]].concat());
    std::fs::read(raw).unwrap()
}

#[test]
fn a_noop_keeps_colours_of_every_matrix_and_range() {
    let folder = folder();
    for (matrix, range, tagged) in [
        ("bt601", "tv", true),
        ("bt709", "tv", true),
        ("bt709", "pc", true),
        ("bt601", "pc", true),
        ("bt601", "tv", false),
    ] {
        let what = format!("{matrix} {range} {tagged}");
        let source = coloured(&folder.path().join("in.mp4"), matrix, range, tagged);
        let before = shown(&source, folder.path());
        let seen = read(&plan(&source, json!({}))).unwrap();
        let by_worker = difference(&seen.pictures[0], &before);
        assert!(by_worker < 2.0, "{what}: the worker sees {by_worker} off");
        let output = folder.path().join("out.mp4");
        transcode(plan(&source, json!({"video": {"crf": 4}})), &output).unwrap();
        let after = shown(&output, folder.path());
        let off = difference(&before, &after);
        assert!(off < 2.0, "{what}: mean error {off}");
        for (before, after) in channel_means(&before).iter().zip(channel_means(&after)) {
            assert!(
                (before - after).abs() < 1.5,
                "{what}: a channel moves from {before} to {after}"
            );
        }
        let tags = probe(&output, "v:0", "stream=color_range,color_space");
        let expected = match (matrix, tagged) {
            (_, false) => "unknown,unknown",
            ("bt709", _) => "tv,bt709",
            _ => "tv,smpte170m",
        };
        assert_eq!(tags, [expected], "{what}");
    }
}

#[test]
fn every_format_shows_the_same_picture() {
    let folder = folder();
    let source = coloured(&folder.path().join("in.mp4"), "bt709", "tv", true);
    let rgb = read(&plan(&source, json!({})))
        .unwrap()
        .pictures
        .swap_remove(0);
    let floats = read_as(&plan(&source, json!({})), PixelFormat::RgbF32)
        .unwrap()
        .pictures
        .swap_remove(0);
    let values = floats
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes(four.try_into().unwrap()));
    for (value, byte) in values.zip(&rgb) {
        assert!(
            (value * 255.0 - f32::from(*byte)).abs() < 0.01,
            "{value} and {byte}"
        );
    }
    let gray = read_as(&plan(&source, json!({})), PixelFormat::Gray8)
        .unwrap()
        .pictures
        .swap_remove(0);
    let luma: Vec<u8> = rgb
        .chunks_exact(3)
        .map(|p| {
            (0.2126 * f32::from(p[0]) + 0.7152 * f32::from(p[1]) + 0.0722 * f32::from(p[2])) as u8
        })
        .collect();
    assert!(
        difference(&gray, &luma) < 2.5,
        "{}",
        difference(&gray, &luma)
    );
    let nv12 = read_as(&plan(&source, json!({})), PixelFormat::Nv12)
        .unwrap()
        .pictures
        .swap_remove(0);
    // Limited range: 16 to 235.
    let scaled: Vec<u8> = gray
        .iter()
        .map(|y| (16.0 + f32::from(*y) * 219.0 / 255.0) as u8)
        .collect();
    let off = difference(&nv12[..scaled.len()], &scaled);
    assert!(off < 1.5, "{off}");
}

#[test]
fn every_format_can_be_encoded_and_comes_out_alike() {
    let folder = folder();
    let source = coloured(&folder.path().join("in.mp4"), "bt601", "tv", true);
    let before = shown(&source, folder.path());
    for (format, most) in [
        (PixelFormat::RgbF32, 2.5),
        (PixelFormat::Nv12, 2.5),
        (PixelFormat::Rgb24, 2.5),
    ] {
        let output = folder.path().join("out.mp4");
        let mut plan = plan(&source, json!({"video": {"crf": 8}}));
        let sink = json!({"container": "mp4", "fd": 1, "name": "out.mp4"});
        plan.sink = serde_json::from_value(sink).unwrap();
        let mut fds = media::fds_of(&plan);
        fds[1] = Some(media::create(&output));
        media::run(&plan, &mut fds, format).unwrap();
        let off = difference(&before, &shown(&output, folder.path()));
        assert!(off < most, "{format:?}: {off}");
    }
}
