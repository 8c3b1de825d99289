//! What a POST does to its segment, to `next`, and to readers.

use std::time::Duration;

use crate::wire::{Rig, chunked, eventually, get, request};

#[test]
fn row_23_minus_1_is_the_coming_number() {
    let rig = Rig::new();
    rig.segments([0, 1]);
    assert_eq!(rig.post("/c/-1", "two").told(), (200, Some("2"), None, ""));
    assert_eq!(rig.get("/c/2").body, "two");
}

#[test]
fn row_24_two_preconnects_of_minus_1_share_a_segment() {
    let rig = Rig::new();
    let mut first = rig.preconnect("/c/-1");
    let mut second = rig.preconnect("/c/-1");
    rig.write(&mut first, "a");
    rig.write(&mut second, "b");
    rig.write(&mut first, "c");
    first.last_chunk();
    assert_eq!(first.answer().told(), (200, Some("0"), None, ""));
    second.last_chunk();
    assert_eq!(second.answer().told(), (200, Some("0"), None, ""));
    assert_eq!(rig.get("/c/0").told(), (200, Some("0"), Some("1"), "abc"));
}

#[test]
fn row_25_a_body_without_bytes_is_a_segment() {
    let rig = Rig::new();
    let bodies = [
        request("POST", "/c/-1", "Content-Length: 0\r\n"),
        request("POST", "/c/-1", ""),
        chunked("/c/-1", "") + "0\r\n\r\n",
    ];
    for (at, body) in bodies.iter().enumerate() {
        let mut publisher = rig.send(body);
        let answer = publisher.answer();
        assert_eq!(
            (answer.status, answer.seq()),
            (200, Some(at.to_string().as_str()))
        );
        assert!(answer.closes() && publisher.is_closed());
        assert_eq!(rig.next(), (at + 1).to_string());
    }
    let mut publisher = rig.preconnect("/c/3");
    publisher.last_chunk();
    assert!(publisher.answer().closes());
    assert_eq!(rig.next(), "4");
}

#[test]
fn row_30_a_write_below_the_window_is_a_restart() {
    let rig = Rig::new();
    rig.segments(0..=8);
    rig.segments([100, 2]);
    assert_eq!(rig.next(), "3");
    assert_eq!(rig.get("/c/2").body, "2");
}

#[test]
fn row_31_a_late_write_does_not_lower_next() {
    let rig = Rig::new();
    let mut late = rig.preconnect("/c/0");
    rig.segments([1, 2, 3]);
    rig.write(&mut late, "late");
    assert_eq!(rig.next(), "4");
    late.last_chunk();
    assert_eq!(late.answer().seq(), Some("0"));
    assert_eq!(rig.get("/c/0").body, "late");
}

fn with_skip_grace(grace: Duration) -> Rig {
    let rig = Rig::with(|config| {
        config.relay.autocreate = true;
        config.relay.skip_grace = grace;
    });
    rig.hub.create(crate::wire::now(), "c", None).unwrap();
    rig
}

#[test]
fn row_32_a_reader_of_a_skipped_segment_is_let_go_when_a_later_one_completes() {
    let rig = with_skip_grace(Duration::from_millis(20));
    rig.segments([0, 1, 2]);
    let mut reader = rig.waiting("/c/3");
    let mut publisher = rig.begun("/c/4", "x");
    assert!(reader.is_silent());
    publisher.last_chunk();
    assert_eq!(reader.answer().told(), (200, Some("3"), Some("5"), ""));
}

#[test]
fn row_32_a_segment_that_was_overtaken_by_a_later_one_is_not_lost() {
    let rig = with_skip_grace(Duration::from_secs(3600));
    let mut reader = rig.waiting("/c/0");
    rig.segments([1, 2]);
    assert!(reader.is_silent());
    rig.segments([0]);
    assert_eq!(reader.answer().told(), (200, Some("0"), None, "0"));
    assert_eq!(rig.next(), "3");
}

#[test]
fn row_32_a_skipped_segment_whose_preconnect_leaves_lets_its_reader_go() {
    let rig = with_skip_grace(Duration::from_millis(20));
    let mut reader = rig.waiting("/c/0");
    let preconnect = rig.preconnect("/c/0");
    rig.segments([1]);
    assert!(reader.is_silent());
    drop(preconnect);
    assert_eq!(reader.answer().told(), (200, Some("0"), Some("2"), ""));
}

#[test]
fn row_32_a_segment_that_was_overtaken_is_waited_for_and_one_that_was_skipped_is_not() {
    let rig = with_skip_grace(Duration::from_secs(3600));
    rig.segments([0, 2]);
    let mut reader = rig.waiting("/c/1");
    rig.segments([1]);
    assert_eq!(reader.answer().told(), (200, Some("1"), Some("3"), "1"));
    let rig = with_skip_grace(Duration::ZERO);
    rig.segments([0, 2]);
    assert_eq!(
        rig.get("/c/1").told(),
        (470, Some("1"), Some("3"), "Entry not found\n")
    );
    let rig = with_skip_grace(Duration::from_millis(50));
    rig.segments([0, 2]);
    let mut reader = rig.send(&get("/c/1"));
    let answer = reader.answer();
    assert!(
        matches!(answer.told(), (200, Some("1"), Some("3"), "") | (470, ..)),
        "{answer:?}"
    );
}

#[test]
fn row_32_the_first_segment_may_be_overtaken_too() {
    let rig = with_skip_grace(Duration::from_secs(3600));
    rig.segments([1]);
    let mut reader = rig.waiting("/c/0");
    rig.segments([0]);
    assert_eq!(reader.answer().told(), (200, Some("0"), Some("2"), "0"));
    assert_eq!(rig.next(), "2");
}

#[test]
fn row_33_a_reader_whose_place_another_reader_takes_is_let_go() {
    let rig = Rig::new();
    rig.segments([0, 1, 2]);
    let mut skipped = rig.waiting("/c/3");
    let _begun: Vec<_> = (4..8)
        .map(|seq| rig.begun(&format!("/c/{seq}"), "x"))
        .collect();
    assert!(skipped.is_silent());
    let mut reader = rig.send(&get("/c/8"));
    assert_eq!(skipped.answer().told(), (200, Some("3"), Some("8"), ""));
    rig.segments([8]);
    assert_eq!(reader.answer().body, "8");
}

#[test]
fn row_34_an_evicted_segment_ends_for_its_readers_and_its_post_goes_on() {
    let rig = Rig::new();
    let mut publisher = rig.begun("/c/0", "ab");
    let mut reader = rig.send(&get("/c/0"));
    reader.final_head();
    assert_eq!(reader.read_bytes(2), "ab");
    rig.segments(1..=5);
    assert_eq!(reader.rest(), "");
    publisher.chunk("cd");
    publisher.last_chunk();
    assert_eq!(publisher.answer().told(), (200, Some("0"), None, ""));
    assert_eq!(rig.get("/c/0").status, 470);
    assert_eq!(rig.next(), "6");
}

#[test]
fn row_36_a_second_post_to_a_finished_segment_is_dropped() {
    let rig = Rig::new();
    for _ in 0..100 {
        let first = rig.post("/c/-1", "first");
        let seq = first.seq().unwrap();
        let second = rig.post(&format!("/c/{seq}"), "second");
        assert_eq!(
            (second.status, second.seq(), second.closes()),
            (200, Some(seq), true)
        );
        assert_eq!(rig.get(&format!("/c/{seq}")).body, "first");
    }
}

#[test]
fn row_37_two_posts_of_one_segment_interleave_until_one_ends() {
    let rig = Rig::new();
    let mut reader = rig.waiting("/c/0");
    let mut first = rig.begun("/c/0", "AA");
    let mut second = rig.begun("/c/0", "BB");
    rig.write(&mut first, "aa");
    second.last_chunk();
    assert_eq!(second.answer().status, 200);
    reader.final_head();
    assert_eq!(reader.rest(), "AABBaa");
    first.chunk("xx");
    first.last_chunk();
    assert_eq!(first.answer().told(), (200, Some("0"), None, ""));
    assert_eq!(rig.get("/c/0").body, "AABBaa");
}

#[test]
fn row_49_a_reset_closes_lower_segments_and_no_others() {
    let rig = Rig::new();
    let mut stuck = rig.begun("/c/0", "ab");
    let mut reader = rig.send(&get("/c/0"));
    reader.final_head();
    assert_eq!(reader.read_bytes(2), "ab");
    let mut next_reader = rig.waiting("/c/1");
    let mut ahead = rig.preconnect("/c/2");
    let mut publisher = rig.open("/c/-1", "Lp-Trickle-Reset: 1\r\n");
    assert_eq!(reader.rest(), "");
    rig.write(&mut publisher, "new");
    publisher.last_chunk();
    assert_eq!(publisher.answer().seq(), Some("1"));
    assert_eq!(next_reader.answer().told(), (200, Some("1"), None, "new"));
    assert_eq!(rig.next(), "2");
    assert!(ahead.is_silent());
    stuck.chunk("cd");
    stuck.last_chunk();
    assert_eq!(stuck.answer().status, 200);
    assert_eq!(rig.get("/c/0").body, "ab");
}

#[test]
fn row_50_a_reset_on_a_finished_segment_is_dropped_and_does_not_lower_next() {
    let rig = Rig::new();
    rig.segments([0, 1, 2]);
    let text = request(
        "POST",
        "/c/0",
        "Lp-Trickle-Reset: 1\r\nContent-Length: 1\r\n",
    ) + "x";
    assert!(rig.send(&text).answer().closes());
    assert_eq!(rig.next(), "3");
    assert_eq!(rig.get("/c/0").body, "0");
}

#[test]
fn row_51_a_reset_without_a_value_is_none() {
    let rig = Rig::new();
    let _stuck = rig.begun("/c/0", "ab");
    let mut reader = rig.send(&get("/c/0"));
    reader.final_head();
    assert_eq!(reader.read_bytes(2), "ab");
    let _second = rig.open("/c/-1", "Lp-Trickle-Reset:\r\n");
    assert!(reader.is_silent());
    let _third = rig.open("/c/-1", "Lp-Trickle-Reset: 0\r\n");
    assert_eq!(reader.rest(), "");
}

#[test]
fn row_52_a_silent_preconnect_is_told_to_continue() {
    let rig = Rig::with(|config| {
        config.relay.autocreate = true;
        config.keepalive_interval = Duration::from_millis(30);
    });
    let mut publisher = rig.preconnect("/c/0");
    assert_eq!(publisher.head().status, 100);
    assert_eq!(publisher.head().status, 100);
    publisher.chunk("ab");
    publisher.last_chunk();
    assert_eq!(publisher.answer().told(), (200, Some("0"), None, ""));
    assert_eq!(rig.get("/c/0").body, "ab");
}

#[test]
fn row_52_an_old_client_is_never_told_to_continue() {
    let rig = Rig::with(|config| {
        config.relay.autocreate = true;
        config.keepalive_interval = Duration::from_millis(10);
    });
    let mut modern = rig.preconnect("/c/0");
    let mut old = rig.send("POST /c/0 HTTP/1.0\r\nContent-Length: 2\r\n\r\n");
    eventually("a waiting POST", || rig.stats().writers == 2);
    for _ in 0..5 {
        assert_eq!(modern.head().status, 100);
    }
    assert!(old.is_silent());
    old.send("ab");
    assert_eq!(old.head().status, 200);
    assert!(old.is_closed());
}

#[test]
fn row_75_only_content_type_counts_on_segments() {
    let rig = Rig::new();
    let text = request(
        "POST",
        "/d/0",
        "Expect-Content: video/webm\r\nContent-Length: 1\r\n",
    ) + "x";
    assert_eq!(rig.send(&text).answer().status, 200);
    assert_eq!(rig.get("/d/0").field("Content-Type"), None);
    rig.post("/e/0", "x");
    assert_eq!(rig.get("/e/0").field("Content-Type"), Some("video/mp2t"));
}

#[test]
fn row_76_a_restart_lets_the_reader_go_who_waits_above() {
    let rig = Rig::new();
    rig.segments(0..=11);
    let mut reader = rig.waiting("/c/12");
    rig.segments([0]);
    assert_eq!(reader.answer().told(), (200, Some("12"), Some("1"), ""));
    assert_eq!(
        rig.get("/c/13").told(),
        (470, Some("13"), Some("1"), "Entry not found\n")
    );
    let mut reader = rig.waiting("/c/1");
    rig.segments([1]);
    assert_eq!(reader.answer().body, "1");
}

#[test]
fn row_76_a_restart_leaves_the_new_preconnect_alone() {
    let rig = Rig::new();
    rig.segments(0..=5);
    let mut first = rig.preconnect("/c/0");
    let mut second = rig.preconnect("/c/1");
    rig.write(&mut first, "a");
    assert_eq!(rig.next(), "1");
    rig.write(&mut second, "b");
    assert_eq!(rig.next(), "2");
    second.last_chunk();
    assert_eq!(second.answer().told(), (200, Some("1"), None, ""));
}

#[test]
fn row_77_the_greatest_number_cannot_be_written() {
    let rig = Rig::new();
    assert_eq!(rig.post("/c/9223372036854775807", "x").status, 400);
    assert_eq!(rig.next(), "0");
    assert_eq!(rig.post("/c/9223372036854775806", "x").status, 200);
    assert_eq!(rig.next(), "9223372036854775807");
    assert_eq!(rig.post("/c/-1", "x").status, 400);
}

#[test]
fn row_80_bytes_that_come_together_with_the_end_are_kept() {
    let rig = Rig::new();
    let mut reader = rig.waiting("/c/0");
    let mut publisher = rig.preconnect("/c/0");
    publisher.send("3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(publisher.answer().told(), (200, Some("0"), None, ""));
    assert_eq!(reader.answer().body, "abc");
    let answer = rig
        .send(&(chunked("/c/1", "") + "1\r\nx\r\n0\r\n\r\n"))
        .answer();
    assert_eq!(answer.told(), (200, Some("1"), None, ""));
    assert_eq!(rig.get("/c/1").body, "x");
}
