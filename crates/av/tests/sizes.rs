//! Sizes: odd, whole chroma, changing in the middle, wide pixels; and nothing is written beyond a picture.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by a panic, and its numbers are small"
)]

mod media;

use framerill_av::scale::Scaler;
use framerill_av::source::Item;
use framerill_media::{Caps, PixelFormat, Size};
use media::{folder, generated, make, material, open, plan, probe, read, transcode};
use serde_json::json;

#[test]
fn an_odd_size_keeps_every_pixel() {
    let folder = folder();
    for (output, expected) in [
        ("out.mp4", "63,47,yuv444p"),
        ("out.mkv", "63,47,yuv444p"),
        ("out.webm", "63,47,yuv420p"),
    ] {
        let output = folder.path().join(output);
        transcode(
            generated("testsrc=size=63x47:rate=10:duration=1", json!({})),
            &output,
        )
        .unwrap();
        assert_eq!(
            probe(&output, "v:0", "stream=width,height,pix_fmt"),
            [expected]
        );
    }
    if let Some(clip) = material("edge/odd_size.mp4") {
        let output = folder.path().join("odd.mp4");
        transcode(plan(&clip, json!({})), &output).unwrap();
        assert_eq!(probe(&output, "v:0", "stream=width,height"), ["641,361"]);
    }
}

#[test]
fn an_even_size_is_encoded_so_that_every_player_shows_it() {
    let folder = folder();
    let output = folder.path().join("out.mp4");
    transcode(
        generated("testsrc=size=64x48:rate=10:duration=1", json!({})),
        &output,
    )
    .unwrap();
    let stream = probe(&output, "v:0", "stream=width,height,pix_fmt,color_space");
    assert_eq!(stream, ["64,48,yuv420p,bt709"]);
}

#[test]
fn a_size_that_changes_in_the_middle_is_scaled_to_the_first() {
    let folder = folder();
    let part = |name: &str, size: &str, offset: &str| {
        let graph = format!("testsrc2=size={size}:rate=25:duration=1");
        let args = [
            "-f", "lavfi", "-i", &graph, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "0",
        ];
        let path = make(
            &folder.path().join(name),
            &[&args[..], &["-output_ts_offset", offset]].concat(),
        );
        std::fs::read(path).unwrap()
    };
    let both = folder.path().join("both.ts");
    let bytes = [
        part("one.ts", "320x240", "0"),
        part("two.ts", "160x160", "1"),
    ]
    .concat();
    std::fs::write(&both, bytes).unwrap();
    let read = read(&plan(&both, json!({}))).unwrap();
    assert_eq!((read.info.width, read.info.height), (320, 240));
    assert_eq!(read.pictures.len(), 50);
    assert!(
        read.pictures
            .iter()
            .all(|picture| picture.len() == 320 * 240 * 3)
    );
    let means = media::channel_means(read.pictures.last().unwrap());
    assert!(
        means.iter().any(|mean| *mean > 40.0),
        "the last picture shows something: {means:?}"
    );
}

#[test]
fn wide_pixels_stay_wide_unless_a_size_is_asked_for() {
    let folder = folder();
    let args = [
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=180x144:rate=10:duration=1",
        "-vf",
        "setsar=64/45",
    ];
    let source = make(
        &folder.path().join("in.mp4"),
        &[&args[..], &["-pix_fmt", "yuv420p"]].concat(),
    );
    let output = folder.path().join("out.mp4");
    transcode(plan(&source, json!({})), &output).unwrap();
    assert_eq!(
        probe(&output, "v:0", "stream=sample_aspect_ratio"),
        ["64:45"]
    );
    transcode(plan(&source, json!({"size": [128, 128]})), &output).unwrap();
    assert_eq!(probe(&output, "v:0", "stream=sample_aspect_ratio"), ["N/A"]);
}

#[test]
fn nothing_is_written_beyond_a_picture() {
    const GUARD: usize = 256;
    let folder = folder();
    let source = {
        let args = [
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=322x242:rate=5:duration=1",
            "-pix_fmt",
            "yuv420p",
        ];
        make(&folder.path().join("in.mp4"), &args)
    };
    let sides = [
        (2, 2),
        (16, 16),
        (34, 18),
        (62, 46),
        (128, 128),
        (322, 242),
        (336, 100),
        (644, 484),
    ];
    let odd = [
        (1, 1),
        (3, 5),
        (17, 31),
        (63, 47),
        (101, 99),
        (321, 241),
        (333, 333),
    ];
    for format in [
        PixelFormat::Rgb24,
        PixelFormat::Gray8,
        PixelFormat::Nv12,
        PixelFormat::RgbF32,
    ] {
        let odd = if format == PixelFormat::Nv12 {
            &[][..]
        } else {
            &odd[..]
        };
        for (width, height) in sides.iter().chain(odd) {
            let plan = plan(&source, json!({"size": [width, height]}));
            let (mut reader, _info) = open(&plan).unwrap();
            let caps = Caps::new(format, Size::new(*width, *height).unwrap()).unwrap();
            let mut scaler = Scaler::new(&reader, &plan, caps).unwrap();
            let Item::Picture(picture) = reader.next().unwrap() else {
                panic!("a picture comes first")
            };
            let bytes = caps.picture_bytes();
            let mut slot = vec![0xa5; bytes + GUARD];
            scaler.scale_into(&picture, &mut slot).unwrap();
            assert!(
                slot[bytes..].iter().all(|byte| *byte == 0xa5),
                "{format:?} {width}x{height}"
            );
        }
    }
}
