//! Sizes, codecs and streams that change in the middle.

use framerill_media::Pts;
use framerill_media::{Caps, PixelFormat, Size};

use crate::{
    live_source::fixture::{H264, all, moved, pictures, read, small, stream},
    scale::Scaler,
    source::DecodedPicture,
};

const HEVC: &[&str] = &[
    "-c:v",
    "libx265",
    "-preset",
    "ultrafast",
    "-x265-params",
    "log-level=none:bframes=0",
];

#[test]
fn a_new_size_is_told_before_its_first_picture_and_scaled_to_the_same() {
    let larger = moved(&stream(&pictures("256x128", 30, 1.0), H264), 90_000);
    let seen = read(&[small(), &larger].concat(), &all());
    assert_eq!(seen.sizes().first(), Some(&(64, 64)));
    assert_eq!(seen.sizes().last(), Some(&(256, 128)));
    assert_eq!(seen.pictures.len(), 60);
    assert_eq!(
        seen.pictures
            .iter()
            .filter(|(.., frame)| frame.claimed_size() == (256, 128))
            .count(),
        30
    );
    let caps = Caps::new(PixelFormat::Rgb24, Size::new(96, 96).unwrap()).unwrap();
    let mut scaler = Scaler::live(caps);
    for (pts, discontinuity, frame) in seen.pictures {
        let mut into = vec![0; caps.picture_bytes()];
        let picture = DecodedPicture {
            frame,
            pts: Pts(pts),
            discontinuity,
        };
        scaler.scale_into(&picture, &mut into).unwrap();
        assert!(
            into.iter().any(|byte| *byte > 128),
            "a picture, and no black"
        );
    }
}

#[test]
fn a_new_codec_is_decoded_from_its_first_keyframe_on() {
    let hevc = stream(&pictures("64x64", 30, 1.0), HEVC);
    let parts = [
        small().to_vec(),
        moved(&hevc, 90_000),
        moved(small(), 180_000),
    ]
    .concat();
    let seen = read(&parts, &all());
    assert_eq!(seen.pictures.len(), 90);
    assert!(seen.times().windows(2).all(|pair| pair[0] < pair[1]));
    let shown: Vec<bool> = seen
        .formats
        .iter()
        .map(|format| format.traits.is_some())
        .collect();
    assert!(shown.len() >= 3, "each codec is told");
    assert!(shown.iter().all(|shown| *shown), "never as sound alone");
    assert_eq!(seen.reason(), None);
}

#[test]
fn pictures_before_the_first_keyframe_are_not_shown() {
    let args = [
        "-c:v",
        "libx264",
        "-tune",
        "zerolatency",
        "-g",
        "15",
        "-x264-params",
        "scenecut=0",
    ];
    let bytes = stream(&pictures("64x64", 30, 1.0), &args);
    // The first picture's packets are left out, the tables stay.
    let starts: Vec<usize> = (0..bytes.len())
        .step_by(188)
        .filter(|at| bytes[at + 1] & 0x5f == 0x41 && bytes[at + 2] == 0)
        .collect();
    let cut = [&bytes[..starts[0]], &bytes[starts[1]..]].concat();
    let seen = read(&cut, &all());
    assert_eq!(seen.pictures.len(), 15);
    assert_eq!(seen.counts.damaged, 0);
}

#[test]
fn other_codecs_are_read() {
    for (codec, fps) in [("mpeg2video", 25), ("mpeg4", 25)] {
        let seen = read(
            &stream(&pictures("128x96", fps, 1.0), &["-c:v", codec]),
            &all(),
        );
        assert_eq!(seen.pictures.len(), 25, "{codec}");
        assert_eq!(seen.counts.damaged, 0, "{codec}");
    }
}

#[test]
fn what_is_no_transport_stream_is_read_as_what_it_is() {
    use crate::live_source::fixture::ffmpeg;
    let graph = pictures("128x96", 25, 2.0);
    for (format, video) in [
        ("matroska", "libx264"),
        ("flv", "libx264"),
        ("h264", "libx264"),
    ] {
        let sound = ["-f", "lavfi", "-i", "sine=440:r=48000:d=2", "-c:a", "aac"];
        let input = ["-f", "lavfi", "-i", &graph];
        let tail = ["-c:v", video, "-tune", "zerolatency", "-f", format];
        let args = if format == "h264" {
            [&input[..], &tail].concat()
        } else {
            [&input[..], &sound, &tail].concat()
        };
        let seen = read(&ffmpeg(&args), &all());
        assert_eq!(seen.pictures.len(), 50, "{format}");
        assert_eq!(seen.sizes(), [(128, 96)], "{format}");
        assert_eq!(seen.sound.len() > 80, format != "h264", "{format}");
        assert_eq!(seen.reason(), None);
    }
}
