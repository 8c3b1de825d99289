//! Memory does not grow with the length of a stream. One test in a process of its own: it reads the process's peak.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by a panic, and its numbers are small"
)]

mod media;

use media::{folder, generated, transcode};
use serde_json::json;

/// The most memory that this process has held at once, in KiB.
fn peak_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn twenty_minutes_need_only_their_index_more_than_one() {
    let folder = folder();
    let output = folder.path().join("out.mp4");
    let length = |minutes: u32| {
        let graph = format!(
            "testsrc2=size=64x48:rate=25:duration={0};sine=duration={0}",
            minutes * 60
        );
        transcode(generated(&graph, json!({})), &output).unwrap();
        // And read back what was made, which has an index as long as the stream.
        transcode(
            media::plan(&output, json!({})),
            &folder.path().join("again.mp4"),
        )
        .unwrap();
        peak_kib()
    };
    length(1);
    let one = length(1);
    let twenty = length(20);
    println!("peak after one minute {one} KiB, after twenty {twenty} KiB");
    // The index of 30 000 pictures and 51 000 packets of sound, read and written.
    assert!(twenty - one < 16 * 1024, "{one} KiB became {twenty} KiB");
}
