//! What a reader of files owes its parent and whoever is at its link.

use std::{
    fs::File,
    os::fd::{AsFd, OwnedFd},
    process::Command,
    time::Duration,
};

use framerill_frames::{FromReader, Link, ReaderLink};
use framerill_worker::message::{FromChild, ReaderStatus};
use serde_json::json;

use crate::child::{Kind, Running, SOON};

/// A reader of ten frames with two slots, and the link to it.
fn reader() -> (Running, ReaderLink) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("clip.mp4");
    let graph = "testsrc2=size=64x48:rate=10:duration=1";
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", graph])
        .arg(&path)
        .status();
    assert!(made.expect("ffmpeg").success());
    let file: OwnedFd = File::open(&path).expect("the clip").into();
    let running = Kind::media().greeted();
    let plan = json!({
        "source": {"kind": "file", "name": "clip.mp4", "fd": 0}, "sink": null, "reader": {"slots": 2},
    });
    running.request_with("load", 1, json!({"media": plan}), &[file.as_fd()]);
    running.wait_for(|message| matches!(message, FromChild::Ready { id: 1, .. }));
    let (ours, its) = Link::pair().expect("a link");
    let attach = json!({"stream": "reader", "incarnation": 1});
    running.request_with("attach", 2, attach, &[its.as_fd()]);
    (running, ReaderLink::new(ours))
}

fn next(link: &ReaderLink) -> FromReader {
    link.recv(Some(SOON)).expect("the reader goes on")
}

#[test]
fn frames_come_then_the_end_then_done_and_drain_ends_with_code_zero() {
    let (mut running, link) = reader();
    assert!(matches!(next(&link), FromReader::Pool { .. }));
    let mut indices = Vec::new();
    while let FromReader::Frame(frame) = next(&link) {
        indices.push(frame.index);
        link.release(frame.slot).expect("it takes slots back");
    }
    assert_eq!(indices, (0..10).collect::<Vec<_>>());
    let done = running.wait_for(|message| matches!(message, FromChild::Done { .. }));
    let FromChild::Done { stats } = done else {
        unreachable!("it was waited for");
    };
    let stats = stats.reader.expect("a reader's counters");
    assert_eq!(
        (stats.status, stats.delivered),
        (ReaderStatus::Complete, 10)
    );
    running.request("drain", 3, json!({}));
    running.wait_for(|message| matches!(message, FromChild::Drained { id: 3, .. }));
    assert_eq!(running.exit_code(), 0);
}

#[test]
fn a_reader_that_waits_for_a_slot_ends_with_its_parent() {
    let (mut running, link) = reader();
    assert!(matches!(next(&link), FromReader::Pool { .. }));
    for _ in 0..2 {
        assert!(matches!(next(&link), FromReader::Frame(_)));
    }
    let more = link.recv(Some(Duration::from_millis(300)));
    assert!(more.is_err(), "no slot is free");
    running.hang_up();
    assert_eq!(running.exit_code(), 0);
}
