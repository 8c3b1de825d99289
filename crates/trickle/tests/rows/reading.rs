//! Which segment a GET gets, when, and with which headers.

use crate::wire::{Rig, get};

#[test]
fn row_05_next_of_a_fresh_channel_is_0() {
    let answer = Rig::new().get("/c/next");
    assert_eq!(
        (answer.status, answer.body.as_str(), answer.latest()),
        (200, "0", Some("0"))
    );
}

#[test]
fn row_06_the_first_segments_of_a_fresh_channel_are_waited_for() {
    let rig = Rig::new();
    let mut waiting: Vec<_> = ["0", "1", "-1", "-2", "-0"]
        .map(|seq| rig.waiting(&format!("/c/{seq}")))
        .into();
    rig.segments([0]);
    for at in [0, 2, 3, 4] {
        assert_eq!(waiting[at].answer().told(), (200, Some("0"), None, "0"));
    }
    assert!(waiting[1].is_silent());
    rig.segments([1]);
    assert_eq!(waiting[1].answer().told(), (200, Some("1"), Some("0"), "1"));
}

#[test]
fn row_07_segment_2_of_a_fresh_channel_is_too_far_ahead() {
    let answer = Rig::new().get("/c/2");
    assert_eq!(
        (answer.status, answer.seq(), answer.latest()),
        (470, Some("2"), Some("0"))
    );
}

#[test]
fn row_08_what_is_no_number_is_refused() {
    let rig = Rig::new();
    for seq in [
        "abc",
        "1.5",
        "0x1",
        "12345678901234567890",
        "%205",
        "+",
        "-",
        "%2D%2D1",
        "9223372036854775808",
    ] {
        assert_eq!(rig.get(&format!("/c/{seq}")).status, 400, "{seq}");
    }
}

#[test]
fn row_09_signs_and_leading_zeros_are_numbers() {
    let rig = Rig::new();
    rig.segments([3, 7]);
    assert_eq!(rig.get("/c/+3").told(), (200, Some("3"), Some("8"), "3"));
    assert_eq!(rig.get("/c/007").told(), (200, Some("7"), Some("8"), "7"));
}

#[test]
fn row_10_other_negative_numbers_are_refused() {
    let rig = Rig::new();
    for seq in ["-3", "-4", "-6"] {
        assert_eq!(rig.get(&format!("/c/{seq}")).status, 400, "{seq}");
    }
    for seq in ["-2", "-3"] {
        assert_eq!(rig.post(&format!("/c/{seq}"), "x").status, 400, "{seq}");
    }
    assert_eq!(rig.delete("/c/-1").status, 400);
    rig.segments([0]);
    assert_eq!(rig.next(), "1");
}

#[test]
fn row_11_multiples_of_minus_5_are_refused() {
    let rig = Rig::new();
    assert_eq!(rig.get("/c/-5").status, 400);
    assert_eq!(rig.post("/c/-5", "x").status, 400);
    assert_eq!(rig.next(), "0");
}

#[test]
fn row_15_a_finished_segment_is_read() {
    let rig = Rig::new();
    rig.segments([0]);
    let answer = rig.get("/c/0");
    assert_eq!(answer.told(), (200, Some("0"), Some("1"), "0"));
    assert_eq!(
        (answer.field("Content-Type"), answer.is_over()),
        (Some("video/mp2t"), false)
    );
}

#[test]
fn row_16_a_waiting_reader_gets_each_byte_as_it_comes() {
    let rig = Rig::new();
    let mut reader = rig.waiting("/c/0");
    let mut publisher = rig.preconnect("/c/0");
    assert!(reader.is_silent());
    publisher.chunk("ab");
    let head = reader.final_head();
    assert_eq!(
        (head.status, head.seq(), head.latest()),
        (200, Some("0"), None)
    );
    assert_eq!(reader.read_bytes(2), "ab");
    assert!(reader.is_silent());
    publisher.chunk("cd");
    assert_eq!(reader.read_bytes(2), "cd");
    assert!(reader.is_silent());
    publisher.last_chunk();
    assert_eq!(publisher.answer().told(), (200, Some("0"), None, ""));
    assert_eq!(reader.rest(), "");
}

#[test]
fn row_17_who_comes_in_the_middle_begins_at_the_first_byte() {
    let rig = Rig::new();
    for (channel, seq) in [("c", "0"), ("d", "-2")] {
        let mut publisher = rig.begun(&format!("/{channel}/0"), "ab");
        let mut reader = rig.send(&get(&format!("/{channel}/{seq}")));
        let head = reader.final_head();
        assert_eq!((head.seq(), head.latest()), (Some("0"), Some("1")));
        assert_eq!(reader.read_bytes(2), "ab");
        publisher.chunk("x");
        assert_eq!(reader.read_bytes(1), "x");
        publisher.last_chunk();
        publisher.answer();
        assert_eq!(reader.rest(), "");
    }
}

#[test]
fn row_18_the_coming_segment_is_waited_for_while_one_is_written() {
    let rig = Rig::new();
    let _publisher = rig.begun("/c/0", "a");
    let mut readers = [rig.waiting("/c/-1"), rig.waiting("/c/1")];
    rig.segments([1]);
    assert_eq!(readers[0].answer().told(), (200, Some("1"), None, "1"));
    assert_eq!(readers[1].answer().told(), (200, Some("1"), None, "1"));
}

#[test]
fn row_19_the_one_after_the_coming_one_is_too_far_ahead() {
    let rig = Rig::new();
    let _publisher = rig.begun("/c/0", "a");
    assert_eq!(
        rig.get("/c/2").told(),
        (470, Some("2"), Some("1"), "Entry not found\n")
    );
}

#[test]
fn row_20_a_preconnected_segment_is_waited_for() {
    let rig = Rig::new();
    let _publisher = rig.begun("/c/0", "a");
    let mut ahead = rig.preconnect("/c/2");
    let mut reader = rig.waiting("/c/2");
    ahead.chunk("x");
    assert_eq!(reader.final_head().seq(), Some("2"));
}

#[test]
fn row_21_next_counts_a_segment_that_has_begun() {
    let rig = Rig::new();
    let _publisher = rig.begun("/c/0", "a");
    assert_eq!(rig.next(), "1");
}

#[test]
fn row_22_a_preconnect_does_not_move_next() {
    let rig = Rig::new();
    let mut first = rig.preconnect("/c/0");
    let _second = rig.preconnect("/c/1");
    assert_eq!(rig.next(), "0");
    let mut reader = rig.waiting("/c/-1");
    first.chunk("x");
    assert_eq!(reader.final_head().seq(), Some("0"));
}

#[test]
fn row_26_a_segment_without_bytes_is_read_as_nothing() {
    let rig = Rig::new();
    rig.post("/c/0", "");
    let answer = rig.get("/c/0");
    assert_eq!(answer.told(), (200, Some("0"), Some("1"), ""));
    assert_eq!(
        (answer.field("Content-Type"), answer.is_over()),
        (None, false)
    );
}

#[test]
fn row_27_the_sixth_segment_evicts_the_first() {
    let rig = Rig::new();
    rig.segments(0..=8);
    assert_eq!(rig.get("/c/4").told(), (200, Some("4"), Some("9"), "4"));
    assert_eq!(
        rig.get("/c/3").told(),
        (470, Some("3"), Some("9"), "Entry not found\n")
    );
    assert_eq!(rig.stats().evictions, 4);
}

#[test]
fn row_28_a_reader_who_waits_for_the_coming_segment_evicts_the_oldest() {
    let rig = Rig::new();
    rig.segments(0..=8);
    let _waiting = rig.waiting("/c/9");
    assert_eq!(
        rig.get("/c/4").told(),
        (470, Some("4"), Some("9"), "Entry not found\n")
    );
}

#[test]
fn row_29_a_jump_ahead_leaves_the_other_places_alone() {
    let rig = Rig::new();
    rig.segments(0..=8);
    let _waiting = rig.waiting("/c/9");
    rig.segments([100]);
    assert_eq!(rig.next(), "101");
    assert_eq!(rig.get("/c/8").body, "8");
    assert_eq!(rig.get("/c/6").body, "6");
}

#[test]
fn row_35_a_slow_reader_gets_all_of_an_evicted_segment() {
    let rig = Rig::new();
    let body = "x".repeat(8 << 20);
    assert_eq!(rig.post("/c/0", &body).status, 200);
    let mut reader = rig.send(&get("/c/0"));
    assert_eq!(reader.final_head().seq(), Some("0"));
    rig.segments(1..=11);
    assert_eq!(rig.get("/c/0").status, 470);
    assert_eq!(reader.rest().len(), body.len());
}

#[test]
fn row_61_head_waits_like_get_and_has_no_body() {
    let rig = Rig::new();
    let before = rig.stats().readers;
    let mut reader = rig.send("HEAD /c/0 HTTP/1.1\r\nHost: h\r\n\r\n");
    crate::wire::eventually("a waiting reader", || rig.stats().readers > before);
    assert!(reader.is_silent());
    let mut publisher = rig.begun("/c/0", "abc");
    let head = reader.final_head();
    assert_eq!(
        (head.status, head.seq(), head.field("Content-Type")),
        (200, Some("0"), Some("video/mp2t"))
    );
    publisher.last_chunk();
    publisher.answer();
    reader.send(&get("/c/next"));
    assert_eq!(reader.answer().body, "1");
    reader.send("HEAD /c/7 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(reader.final_head().status, 470);
    reader.send(&get("/c/0"));
    assert_eq!(reader.answer().body, "abc");
}

#[test]
fn row_62_range_and_encoding_are_ignored() {
    let rig = Rig::new();
    rig.post("/c/0", "abcdef");
    let fields = "Range: bytes=1-2\r\nAccept-Encoding: gzip, deflate\r\nIf-None-Match: *\r\n";
    let answer = rig
        .send(&crate::wire::request("GET", "/c/0", fields))
        .answer();
    assert_eq!(answer.told(), (200, Some("0"), Some("1"), "abcdef"));
    assert_eq!(answer.field("Content-Encoding"), None);
}

#[test]
fn row_68_the_latest_of_a_470_can_be_waited_for() {
    let rig = Rig::new();
    rig.segments(0..=8);
    let missing = rig.get("/c/2");
    let mut reader = rig.waiting(&format!("/c/{}", missing.latest().unwrap()));
    rig.segments([9]);
    assert_eq!(reader.answer().told(), (200, Some("9"), None, "9"));
}

#[test]
fn row_82_who_counts_across_a_segment_without_bytes_waits() {
    let rig = Rig::new();
    rig.segments([0]);
    rig.post("/c/1", "");
    assert_eq!(rig.get("/c/1").told(), (200, Some("1"), Some("2"), ""));
    let mut reader = rig.waiting("/c/2");
    rig.segments([2]);
    assert_eq!(reader.answer().body, "2");
}
