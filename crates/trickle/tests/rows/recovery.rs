//! POSTs that break off.

use std::time::Duration;

use crate::wire::{Rig, eventually, get, request};

fn with_grace(grace: Duration) -> Rig {
    let rig = Rig::with(|config| {
        config.relay.autocreate = true;
        config.relay.grace = grace;
    });
    rig.hub.create(crate::wire::now(), "c", None).unwrap();
    rig
}

#[test]
fn row_38_a_reader_of_a_broken_segment_ends_after_the_grace_period() {
    let rig = with_grace(Duration::from_millis(50));
    let mut reader = rig.waiting("/c/0");
    drop(rig.begun("/c/0", "ab"));
    reader.final_head();
    assert_eq!(reader.rest(), "ab");
    assert_eq!(rig.next(), "1");
    assert_eq!(rig.stats().broken_posts, 1);
}

#[test]
fn row_38_a_reader_of_a_broken_segment_ends_when_a_later_one_completes() {
    let rig = Rig::new();
    let mut reader = rig.waiting("/c/0");
    drop(rig.begun("/c/0", "ab"));
    eventually("the end of the POST", || rig.stats().writers == 0);
    rig.segments([1]);
    assert_eq!(reader.answer().body, "ab");
}

#[test]
fn row_39_a_broken_segment_is_continued_within_the_grace_period() {
    let rig = with_grace(Duration::from_secs(3600));
    let mut reader = rig.waiting("/c/0");
    drop(rig.begun("/c/0", "AB"));
    eventually("the end of the POST", || rig.stats().writers == 0);
    reader.final_head();
    assert_eq!(reader.read_bytes(2), "AB");
    assert!(reader.is_silent());
    assert_eq!(rig.post("/c/0", "CD").status, 200);
    assert_eq!(reader.rest(), "CD");
    assert_eq!(rig.get("/c/0").body, "ABCD");
}

#[test]
fn row_39_a_post_that_goes_on_ends_the_grace_period() {
    let rig = with_grace(Duration::from_millis(200));
    drop(rig.begun("/c/0", "AB"));
    eventually("the end of the POST", || rig.stats().writers == 0);
    let mut second = rig.preconnect("/c/0");
    let mut other = rig.begun("/d/0", "x");
    drop(rig.begun("/d/1", "x"));
    let mut reader = rig.send(&get("/d/1"));
    reader.final_head();
    assert_eq!(reader.rest(), "x");
    other.last_chunk();
    other.answer();
    rig.write(&mut second, "CD");
    second.last_chunk();
    assert_eq!(second.answer().status, 200);
    assert_eq!(rig.get("/c/0").body, "ABCD");
}

#[test]
fn row_40_a_preconnect_that_goes_without_a_byte_changes_nothing() {
    let rig = Rig::new();
    let mut reader = rig.waiting("/c/0");
    drop(rig.preconnect("/c/0"));
    eventually("the end of the POST", || rig.stats().writers == 0);
    assert!(reader.is_silent());
    assert_eq!(rig.next(), "0");
    rig.segments([0]);
    assert_eq!(reader.answer().told(), (200, Some("0"), None, "0"));
    assert_eq!(rig.stats().broken_posts, 0);
}

#[test]
fn row_41_a_body_that_breaks_off_is_answered_with_500() {
    let rig = with_grace(Duration::from_secs(3600));
    let mut half_closed = rig.begun("/c/0", "ab");
    half_closed.half_close();
    assert_eq!(half_closed.answer().status, 500);

    let mut short = rig.send(&request("POST", "/c/1", "Content-Length: 5\r\n"));
    short.send("ab");
    short.half_close();
    assert_eq!(short.answer().status, 500);

    let mut malformed = rig.begun("/c/2", "ab");
    malformed.send("zz\r\nab\r\n");
    let answer = malformed.answer();
    assert!(answer.status == 500 && answer.closes() && malformed.is_closed());

    for (seq, latest) in [(0, "3"), (1, "3"), (2, "3")] {
        let mut reader = rig.send(&get(&format!("/c/{seq}")));
        assert_eq!(reader.final_head().latest(), Some(latest));
        assert_eq!(reader.read_bytes(2), "ab");
    }
}
