//! Sinks: what can go wrong with them is told at once, and what is written plays.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by a panic, and its numbers are small"
)]

mod media;

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek},
    os::fd::OwnedFd,
};

use framerill_av::{preview::write_preview, sink::SinkWriter, source::SourceReader};
use framerill_frames::Foreign;
use framerill_media::{Caps, PixelFormat, Pts, Size};
use framerill_worker::message::MediaPlan;
use media::{folder, generated, probe, transcode};
use serde_json::{Value, json};

const GRAPH: &str = "testsrc2=size=320x240:rate=25:duration=10;sine=duration=10";

fn with_sink(graph: &str, container: &str, more: Value) -> MediaPlan {
    let mut plan = generated(graph, more);
    let sink = json!({"container": container, "fd": 1, "name": "out"});
    plan.sink = serde_json::from_value(sink).unwrap();
    plan
}

fn run_into(fd: impl Into<OwnedFd>, container: &str) -> &'static str {
    let _folder = folder();
    let plan = with_sink(GRAPH, container, json!({}));
    let mut fds = [None, Some(fd.into()), None];
    media::run(&plan, &mut fds, PixelFormat::Rgb24)
        .unwrap_err()
        .code()
}

#[test]
fn a_full_disk_is_told_as_full() {
    for container in ["mp4", "matroska", "mpegts", "webm"] {
        let full = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/full")
            .unwrap();
        assert_eq!(run_into(full, container), "sink_full", "{container}");
    }
}

#[test]
fn a_reader_that_goes_away_is_told_as_closed() {
    for container in ["mp4", "matroska", "mpegts", "webm"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(run_into(writer, container), "sink_closed", "{container}");
    }
}

#[test]
fn a_pipe_gets_the_whole_stream() {
    let folder = folder();
    for container in ["mp4", "matroska", "mpegts", "webm"] {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let collecting = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let graph = "testsrc2=size=64x48:rate=25:duration=3;sine=duration=3";
        let plan = with_sink(graph, container, json!({}));
        media::run(
            &plan,
            &mut [None, Some(writer.into()), None],
            PixelFormat::Rgb24,
        )
        .unwrap();
        let path = folder.path().join(container);
        std::fs::write(&path, collecting.join().unwrap()).unwrap();
        assert_eq!(probe(&path, "v:0", "frame=pts").len(), 75, "{container}");
    }
}

#[test]
fn a_write_that_nobody_takes_can_be_interrupted() {
    let _folder = folder();
    let (reader, writer) = std::io::pipe().unwrap();
    let plan = with_sink(GRAPH, "mpegts", json!({}));
    let mut fds = [None, Some(writer.into()), None];
    let (source, info) = SourceReader::open(&plan, &mut fds).unwrap();
    let size = Size::new(info.width, info.height).unwrap();
    let caps = Caps::new(PixelFormat::Rgb24, size).unwrap();
    let sink = plan.sink.as_ref().unwrap();
    let mut writer = SinkWriter::open(sink, &mut fds, &source, size, &plan).unwrap();
    writer.begin(size).unwrap();
    writer.interrupt().trigger();
    let noise: Vec<u8> = (0..caps.picture_bytes())
        .map(|n| (n * n / 7 % 251) as u8)
        .collect();
    let failed = (0..500).find_map(|n| {
        writer
            .write_picture(Foreign::from(&noise[..]), caps, Pts(n))
            .err()
    });
    assert_eq!(
        failed.map(|error| error.to_string()).as_deref(),
        Some("interrupted")
    );
    drop(reader);
}

#[test]
fn what_is_written_plays_when_the_writer_dies() {
    let folder = folder();
    for container in ["mp4", "matroska", "mpegts", "webm"] {
        let path = folder.path().join(container);
        let plan = with_sink("testsrc2=size=64x48:rate=25;sine", container, json!({}));
        let mut fds = [None, Some(media::create(&path)), None];
        let (source, info) = SourceReader::open(&plan, &mut fds).unwrap();
        let size = Size::new(info.width, info.height).unwrap();
        let caps = Caps::new(PixelFormat::Rgb24, size).unwrap();
        let sink = plan.sink.as_ref().unwrap();
        let mut writer = SinkWriter::open(sink, &mut fds, &source, size, &plan).unwrap();
        writer.begin(size).unwrap();
        let mut source = source;
        let mut pictures = 0;
        while pictures < 250 {
            match source.next().unwrap() {
                framerill_av::source::Item::Picture(picture) => {
                    let pixels = vec![(pictures % 250) as u8; caps.picture_bytes()];
                    writer
                        .write_picture(Foreign::from(&pixels[..]), caps, picture.pts())
                        .unwrap();
                    pictures += 1;
                }
                framerill_av::source::Item::Audio(sound) => writer.write_audio(sound).unwrap(),
                framerill_av::source::Item::Eos(_) => panic!("an endless source"),
            }
        }
        // As `kill -9` leaves it: no trailer is written.
        std::mem::forget(writer);
        let pts = media::pts_seconds(&path);
        assert!(
            pts.len() >= 150,
            "{container}: {} of 250 pictures play",
            pts.len()
        );
    }
}

#[test]
fn the_finished_mp4_has_its_index_in_front_and_a_keyframe_every_two_seconds() {
    let folder = folder();
    let path = folder.path().join("out.mp4");
    let graph = "color=color=red:size=64x48:rate=25:duration=9;sine=duration=9";
    transcode(generated(graph, json!({})), &path).unwrap();
    let mut kinds = Vec::new();
    let bytes = std::fs::read(&path).unwrap();
    let mut at = 0;
    while at + 8 <= bytes.len() {
        kinds.push(String::from_utf8_lossy(&bytes[at + 4..at + 8]).into_owned());
        at += u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    }
    let index = |kind: &str| kinds.iter().position(|found| found == kind);
    assert!(
        index("moov") < index("mdat") && !kinds.contains(&"moof".to_owned()),
        "{kinds:?}"
    );
    let keys: Vec<f64> = probe(&path, "v:0", "packet=pts_time,flags")
        .iter()
        .filter(|line| line.contains('K'))
        .map(|line| line.split(',').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(keys, [0.0, 2.0, 4.0, 6.0, 8.0]);
}

#[test]
fn encoders_are_chosen_by_name_and_refused_by_name() {
    let folder = folder();
    let output = |name: &str| folder.path().join(name);
    let graph = "testsrc2=size=64x48:rate=25:duration=1";
    let plan = |codec: Value| generated(graph, json!({"video": codec}));
    for (codec, name, expected) in [
        ("libx265", "out.mp4", "hevc"),
        ("libvpx-vp9", "out.webm", "vp9"),
        ("libvpx-vp9", "out.mkv", "vp9"),
        ("mpeg4", "out.ts", "mpeg4"),
    ] {
        transcode(plan(json!({"codec": codec})), &output(name)).unwrap();
        assert_eq!(probe(&output(name), "v:0", "stream=codec_name"), [expected]);
    }
    let refused = |video: Value, name: &str| {
        let error = transcode(plan(video), &output(name)).unwrap_err();
        assert_eq!(error.code(), "encode");
        error.to_string()
    };
    assert_eq!(
        refused(json!({"codec": "libx266"}), "out.mp4"),
        "there is no video encoder `libx266` in this FFmpeg"
    );
    assert_eq!(
        refused(json!({"codec": "libx264"}), "out.webm"),
        "webm does not take h264, which `libx264` makes"
    );
    assert!(refused(json!({"preset": "quick"}), "out.mp4").contains("ultrafast, superfast"));
    assert!(refused(json!({"crf": 99}), "out.mp4").contains("0 (best) to 51"));
}

#[test]
fn a_preview_shows_both_pictures_side_by_side() {
    let folder = folder();
    let path = folder.path().join("preview.png");
    for format in [
        PixelFormat::Rgb24,
        PixelFormat::Gray8,
        PixelFormat::Nv12,
        PixelFormat::RgbF32,
    ] {
        let caps = Caps::new(format, Size::new(40, 30).unwrap()).unwrap();
        let bytes = caps.picture_bytes();
        let mut file = File::from(media::create(&path));
        let white = match format {
            PixelFormat::RgbF32 => 1.0f32.to_le_bytes().repeat(bytes / 4),
            PixelFormat::Nv12 => [vec![235; 1200], vec![128; 600]].concat(),
            _ => vec![255; bytes],
        };
        let black = match format {
            PixelFormat::Nv12 => [vec![16; 1200], vec![128; 600]].concat(),
            _ => vec![0; bytes],
        };
        write_preview(file.try_clone().unwrap(), (caps, &black), (caps, &white)).unwrap();
        file.rewind().unwrap();
        let raw = folder.path().join("raw");
        let (png, out) = (path.to_str().unwrap(), raw.to_str().unwrap());
        let args = [
            "-v", "error", "-y", "-i", png, "-pix_fmt", "rgb24", "-f", "rawvideo", out,
        ];
        media::tool("ffmpeg", &args);
        let rgb = std::fs::read(&raw).unwrap();
        assert_eq!(rgb.len(), 80 * 30 * 3);
        assert!(
            rgb[39 * 3] < 3 && rgb[40 * 3] > 252,
            "{format:?}: {} {}",
            rgb[39 * 3],
            rgb[40 * 3]
        );
    }
}
