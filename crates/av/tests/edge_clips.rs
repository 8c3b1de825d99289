//! Clips that are broken, empty or unusual are told apart, and what can be decoded is delivered.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by a panic, and its numbers are small"
)]

mod media;

use media::{folder, material, open, plan, read};
use serde_json::json;

fn code(name: &str) -> Option<&'static str> {
    let _folder = folder();
    let clip = material(&format!("edge/{name}"))?;
    let error = open(&plan(&clip, json!({})))
        .err()
        .unwrap_or_else(|| panic!("{name} opens"));
    let text = error.to_string();
    assert!(!text.contains('\n') && text.contains(name), "{text}");
    assert!(error.hint().is_some(), "{text} has no hint");
    Some(error.code())
}

#[test]
fn what_cannot_be_played_is_refused_by_its_own_code() {
    for (name, expected) in [
        ("zero_bytes.mp4", "source_empty"),
        ("garbage.mp4", "source_open"),
        ("audio_only.mp4", "source_no_video"),
        ("no_moov.mp4", "source_truncated"),
    ] {
        if let Some(got) = code(name) {
            assert_eq!(got, expected, "{name}");
        }
    }
}

#[test]
fn a_text_named_mp4_is_refused() {
    let folder = folder();
    let path = folder.path().join("text.mp4");
    std::fs::write(
        &path,
        "#EXTM3U\n#EXTINF:1\nfile:///etc/passwd\n".repeat(100),
    )
    .unwrap();
    let error = open(&plan(&path, json!({}))).unwrap_err();
    assert_eq!(error.code(), "source_open");
    assert!(error.to_string().contains("is not a video"), "{error}");
}

#[test]
fn every_whole_clip_delivers_every_picture() {
    let _folder = folder();
    for (name, pictures) in [
        ("one_frame.mp4", 1),
        ("black.mp4", 25),
        ("short30.mp4", 30),
        ("UPPER.MP4", 30),
        ("name with spaces & ünïcode.mp4", 30),
        ("mjpeg.avi", 30),
        ("h264.mkv", 30),
        ("hevc.mov", 30),
        ("odd_size.mp4", 30),
        ("vfr.mp4", 49),
        ("with_audio.mp4", 50),
        ("uhd.mp4", 12),
    ] {
        let Some(clip) = material(&format!("edge/{name}")) else {
            continue;
        };
        let read = read(&plan(&clip, json!({"size": [64, 64]}))).unwrap();
        assert_eq!(read.pictures.len(), pictures, "{name}");
        assert_eq!(read.end.warning(), None, "{name}");
        assert!(read.seconds.is_sorted_by(|one, two| one < two), "{name}");
    }
}

#[test]
fn a_truncated_clip_delivers_what_is_there_and_says_that_it_is_truncated() {
    let _folder = folder();
    let Some(clip) = material("edge/truncated_tail.mp4") else {
        return;
    };
    let read = read(&plan(&clip, json!({"size": [64, 64]}))).unwrap();
    assert!(
        (39..=41).contains(&read.pictures.len()),
        "{}",
        read.pictures.len()
    );
    assert!(read.end.is_truncated);
}

#[test]
fn a_clip_that_is_damaged_in_the_middle_goes_on_after_it() {
    let _folder = folder();
    let Some(clip) = material("edge/corrupt_middle.mp4") else {
        return;
    };
    let read = read(&plan(&clip, json!({"size": [64, 64]}))).unwrap();
    assert!(read.pictures.len() >= 50, "{}", read.pictures.len());
    assert!(!read.end.is_truncated);
    assert!(
        read.end.concealed + read.end.undecodable > 0,
        "{:?}",
        read.end
    );
    let last = read.seconds.last().unwrap();
    assert!(*last > 2.3, "{last}");
}

#[test]
fn a_picture_stored_lying_comes_upright() {
    let _folder = folder();
    let (Some(lying), Some(upright)) = (
        material("edge/rotated_meta.mp4"),
        material("approach_a.mp4"),
    ) else {
        return;
    };
    let lying = read(&plan(&lying, json!({"size": [128, 72]}))).unwrap();
    let upright = read(&plan(
        &upright,
        json!({"size": [128, 72], "duration": 0.04}),
    ))
    .unwrap();
    assert_eq!(
        (lying.info.source_width, lying.info.source_height),
        (1280, 720)
    );
    assert_ne!(lying.info.rotation, 0);
    let difference = media::difference(&lying.pictures[0], &upright.pictures[0]);
    assert!(difference < 6.0, "{difference}");
}
