//! Segments on a pipe: each plays alone, and together they are the stream.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by a panic, and its numbers are small"
)]

mod media;

use std::{fs::File, io::Read as _, os::fd::OwnedFd};

use bytes::Bytes;
use framerill_media::{Piece, PixelFormat, RecordError, Records};
use framerill_worker::message::MediaPlan;
use media::{folder, generated, make, plan, probe};
use serde_json::json;

/// What stands on the pipe after a generator went through it.
fn written(graph: &str) -> Vec<u8> {
    written_from(generated(graph, json!({})), [None, None, None])
}

/// What stands on the pipe after a source went through it.
fn written_from(mut plan: MediaPlan, mut fds: [Option<OwnedFd>; 3]) -> Vec<u8> {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let collecting = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        bytes
    });
    let sink = json!({"container": "segments", "fd": 1, "name": "pipe"});
    plan.sink = serde_json::from_value(sink).unwrap();
    fds[1] = Some(writer.into());
    media::run(&plan, &mut fds, PixelFormat::Rgb24).unwrap();
    collecting.join().unwrap()
}

/// The segments in records.
fn segments(bytes: &[u8]) -> Result<Vec<Vec<u8>>, RecordError> {
    let mut records = Records::default();
    let (mut all, mut open) = (Vec::new(), Vec::new());
    for piece in records.push(Bytes::copy_from_slice(bytes))? {
        match piece {
            Piece::Bytes(bytes) => open.extend_from_slice(&bytes),
            Piece::Cut => all.push(std::mem::take(&mut open)),
        }
    }
    records.finish()?;
    assert!(open.is_empty(), "the last segment has an end");
    Ok(all)
}

const GRAPH: &str = "testsrc2=size=160x120:rate=25:duration=5;sine=duration=5";

#[test]
fn each_segment_begins_with_tables_and_a_keyframe_and_plays_alone() {
    let folder = folder();
    let segments = segments(&written(GRAPH)).unwrap();
    // A keyframe every two seconds.
    let frames = segments.iter().enumerate().map(|(number, bytes)| {
        let path = folder.path().join(format!("{number}.ts"));
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(bytes.len() % 188, 0);
        begins_with_tables_and_a_picture(bytes);
        assert_eq!(probe(&path, "v:0", "frame=key_frame")[0], "1");
        assert!(!probe(&path, "a:0", "packet=pts").is_empty(), "its sound");
        probe(&path, "v:0", "frame=pts").len()
    });
    assert_eq!(frames.collect::<Vec<_>>(), [50, 50, 25]);
}

fn pid(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[1] & 0x1F, packet[2]])
}

fn begins_with_tables_and_a_picture(segment: &[u8]) {
    let pids: Vec<u16> = segment.chunks(188).map(pid).take(4).collect();
    // SDT, PAT, PMT, then FFmpeg's first stream, which is the picture's.
    assert_eq!(pids, [0x11, 0, 0x1000, 0x100]);
}

fn continuity_holds(stream: &[u8]) {
    let mut next = std::collections::BTreeMap::new();
    for packet in stream.chunks_exact(188) {
        let (has_payload, count) = (packet[3] & 0x10 != 0, packet[3] & 0x0F);
        if has_payload {
            let before = next.insert(pid(packet), (count + 1) % 16);
            assert!(before.is_none_or(|due| due == count), "{}", pid(packet));
        }
    }
}

#[test]
fn the_segments_joined_are_one_stream_whose_continuity_holds() {
    let folder = folder();
    let joined = segments(&written(GRAPH)).unwrap().concat();
    let path = folder.path().join("joined.ts");
    std::fs::write(&path, &joined).unwrap();
    assert_eq!(probe(&path, "v:0", "frame=pts").len(), 125);
    continuity_holds(&joined);
}

#[test]
fn where_every_picture_is_a_keyframe_each_is_a_segment() {
    let _folder = folder();
    let slow = "testsrc2=size=64x48:rate=1/2:duration=20;sine=duration=20";
    let segments = segments(&written(slow)).unwrap();
    assert_eq!(segments.len(), 10);
    for segment in &segments {
        begins_with_tables_and_a_picture(segment);
    }
    continuity_holds(&segments.concat());
}

#[test]
fn sound_that_begins_first_or_ends_first_moves_no_segment() {
    let folder = folder();
    for (name, delay, seconds) in [("late.mkv", "1.5", "6"), ("short.mkv", "0", "1")] {
        let (picture, sound) = (
            "testsrc2=size=64x48:rate=25:duration=5",
            format!("sine=duration={seconds}"),
        );
        let args = [
            "-f",
            "lavfi",
            "-itsoffset",
            delay,
            "-i",
            picture,
            "-f",
            "lavfi",
            "-i",
            &sound,
            "-map",
            "0",
            "-map",
            "1",
        ];
        let clip = make(&folder.path().join(name), &args);
        let file = File::open(&clip).unwrap();
        let bytes = written_from(plan(&clip, json!({})), [Some(file.into()), None, None]);
        let segments = segments(&bytes).unwrap();
        assert_eq!(segments.len(), 3, "{name}");
        for segment in &segments {
            begins_with_tables_and_a_picture(segment);
        }
        continuity_holds(&segments.concat());
    }
}

#[test]
fn a_pipe_that_ends_before_the_stream_does_was_cut() {
    let whole = written("testsrc2=size=64x48:rate=25:duration=1");
    assert!(segments(&whole).is_ok());
    assert_eq!(
        segments(&whole[..whole.len() / 2]),
        Err(RecordError::Cut),
        "a record is longer than its head"
    );
}
