//! Segments on a pipe: each plays alone, and together they are the stream.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by a panic, and its numbers are small"
)]

mod media;

use std::io::Read as _;

use bytes::Bytes;
use framerill_media::{Piece, PixelFormat, RecordError, Records};
use media::{folder, generated, probe};
use serde_json::json;

/// What stands on the pipe after a source went through it.
fn written(graph: &str) -> Vec<u8> {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let collecting = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        bytes
    });
    let sink = json!({"container": "segments", "fd": 1, "name": "pipe"});
    let mut plan = generated(graph, json!({}));
    plan.sink = serde_json::from_value(sink).unwrap();
    let mut fds = [None, Some(writer.into()), None];
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
        // The services' table (0x11) comes now and then, the programs' (0) at each keyframe.
        let pids = bytes.chunks(188).map(|it| [it[0], it[1] & 0x1F, it[2]]);
        let first = pids.into_iter().find(|pid| *pid != [0x47, 0, 0x11]);
        assert_eq!(first, Some([0x47, 0, 0]), "segment {number}");
        assert_eq!(probe(&path, "v:0", "frame=key_frame")[0], "1");
        assert!(!probe(&path, "a:0", "packet=pts").is_empty(), "its sound");
        probe(&path, "v:0", "frame=pts").len()
    });
    assert_eq!(frames.collect::<Vec<_>>(), [50, 50, 25]);
}

#[test]
fn the_segments_joined_are_one_stream_whose_continuity_holds() {
    let folder = folder();
    let joined = segments(&written(GRAPH)).unwrap().concat();
    let path = folder.path().join("joined.ts");
    std::fs::write(&path, &joined).unwrap();
    assert_eq!(probe(&path, "v:0", "frame=pts").len(), 125);
    let mut next = std::collections::BTreeMap::new();
    for packet in joined.chunks_exact(188) {
        let pid = u16::from_be_bytes([packet[1] & 0x1F, packet[2]]);
        let (has_payload, count) = (packet[3] & 0x10 != 0, packet[3] & 0x0F);
        if has_payload {
            let before = next.insert(pid, (count + 1) % 16);
            assert!(before.is_none_or(|due| due == count), "{pid:#x} jumps");
        }
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
