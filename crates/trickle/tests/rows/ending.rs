//! Ends: of segments, of channels, of readers, of the server.

use std::thread;
use std::time::Duration;

use crate::wire::{Raw, Rig, chunked, eventually, get, now};

#[test]
fn row_01_an_unknown_channel_is_not_found() {
    let rig = Rig::with(|_| ());
    for path in ["/x/0", "/x/next", "/x/abc"] {
        assert_eq!(rig.get(path).status, 404, "{path}");
    }
    assert_eq!(rig.delete("/x/0").status, 404);
    let mut publisher = rig.send(&chunked("/x/0", ""));
    let answer = publisher.answer();
    assert!(answer.status == 404 && answer.closes());
    publisher.chunk("still sending");
    assert!(publisher.is_closed());
}

#[test]
fn row_02_an_unknown_channel_cannot_be_deleted() {
    let rig = Rig::new();
    assert_eq!(rig.delete("/x").status, 400);
    assert_eq!(rig.delete("/c").status, 200);
    assert_eq!(rig.delete("/c").status, 400);
}

#[test]
fn row_42_deleting_a_preconnected_segment_lets_both_sides_go() {
    for _ in 0..100 {
        let rig = Rig::new();
        let mut reader = rig.waiting("/c/0");
        let mut publisher = rig.preconnect("/c/0");
        assert_eq!(rig.delete("/c/0").status, 200);
        assert_eq!(reader.answer().told(), (200, Some("0"), Some("1"), ""));
        let answer = publisher.answer();
        assert!(answer.status == 200 && answer.closes() && !answer.is_over());
        assert_eq!(rig.next(), "1");
    }
}

#[test]
fn row_43_a_deleted_segment_that_only_a_reader_made_is_forgotten() {
    let rig = Rig::new();
    let mut reader = rig.waiting("/c/0");
    assert_eq!(rig.delete("/c/0").status, 200);
    assert_eq!(reader.answer().told(), (200, Some("0"), Some("0"), ""));
    assert_eq!(rig.next(), "0");
    let mut again = rig.waiting("/c/0");
    rig.segments([0]);
    assert_eq!(rig.next(), "1");
    assert_eq!(again.answer().body, "0");
    assert_eq!(rig.get("/c/0").body, "0");
}

#[test]
fn row_44_deleting_a_segment_in_the_middle_ends_its_readers() {
    let rig = Rig::new();
    let mut reader = rig.waiting("/c/0");
    let mut publisher = rig.begun("/c/0", "ab");
    assert_eq!(rig.delete("/c/0").status, 200);
    assert_eq!(reader.answer().body, "ab");
    publisher.chunk("cd");
    publisher.last_chunk();
    assert_eq!(publisher.answer().told(), (200, Some("0"), None, ""));
    assert_eq!(rig.get("/c/0").body, "ab");
}

#[test]
fn row_45_a_deleted_finished_segment_is_still_read() {
    let rig = Rig::new();
    rig.segments([0]);
    assert_eq!(rig.delete("/c/0").status, 200);
    assert_eq!(rig.delete("/c/0").status, 200);
    assert_eq!(rig.get("/c/0").body, "0");
    assert_eq!(rig.delete("/c/1").status, 400);
}

#[test]
fn row_46_deleting_a_channel_tells_who_waits() {
    let rig = Rig::new();
    let mut reader = rig.waiting("/c/0");
    let mut publisher = rig.preconnect("/c/0");
    assert_eq!(rig.delete("/c").status, 200);
    let answer = reader.answer();
    assert_eq!(
        (answer.told(), answer.is_over()),
        ((200, Some("0"), Some("0"), ""), true)
    );
    let answer = publisher.answer();
    assert!(answer.status == 200 && answer.is_over() && answer.closes());
    assert!(publisher.is_closed());
}

#[test]
fn row_47_deleting_a_channel_ends_who_is_in_the_middle() {
    let rig = Rig::new();
    let mut reader = rig.waiting("/c/0");
    let mut publisher = rig.begun("/c/0", "ab");
    assert_eq!(rig.delete("/c").status, 200);
    let answer = reader.answer();
    assert_eq!((answer.body.as_str(), answer.is_over()), ("ab", false));
    let answer = publisher.answer();
    assert!(answer.status == 200 && answer.is_over() && answer.closes());
}

#[test]
fn row_48_a_deleted_channel_can_begin_again() {
    let rig = Rig::new();
    rig.segments([0]);
    rig.delete("/c");
    assert_eq!(rig.get("/c/0").status, 404);
    assert_eq!(rig.get("/c/next").status, 404);
    assert_eq!(rig.delete("/c").status, 400);
    assert_eq!(rig.post("/c/7", "seven").status, 200);
    assert_eq!(rig.next(), "8");
    assert_eq!(rig.get("/c/0").status, 470);
}

fn fleeting(idle: u64, sweep: u64) -> Rig {
    Rig::with(|config| {
        config.relay.autocreate = true;
        config.relay.idle_timeout = Duration::from_millis(idle);
        config.relay.sweep_interval = Duration::from_millis(sweep);
    })
}

#[test]
fn row_55_an_idle_channel_ends_and_says_so() {
    let rig = fleeting(200, 50);
    rig.hub.create(now(), "_kept", None).unwrap();
    let began = now();
    let mut publisher = rig.preconnect("/c/0");
    let mut reader = rig.waiting("/c/0");
    assert!(reader.answer().is_over());
    assert!(now() - began > Duration::from_millis(200));
    assert!(publisher.answer().is_over());
    assert!(!rig.hub.has("c") && rig.hub.has("_kept"));
}

#[test]
fn row_56_a_channel_is_not_idle_while_bytes_flow() {
    let rig = fleeting(300, 20);
    let mut publisher = rig.preconnect("/c/0");
    let mut reader = rig.waiting("/c/0");
    let began = now();
    let mut sent = 0;
    while now() - began < Duration::from_millis(900) {
        rig.write(&mut publisher, "x");
        sent += 1;
        thread::park_timeout(Duration::from_millis(20));
    }
    publisher.last_chunk();
    let answer = publisher.answer();
    assert!(answer.status == 200 && !answer.is_over());
    assert_eq!(reader.answer().body.len(), sent);
}

#[test]
fn row_60_a_waiting_reader_who_leaves_is_let_go_at_once() {
    let rig = Rig::new();
    let readers: Vec<_> = (0..5).map(|_| rig.waiting("/c/0")).collect();
    assert_eq!(rig.stats().readers, 5);
    drop(readers);
    eventually("the end of all readers", || rig.stats().readers == 0);
}

#[test]
fn row_60_a_reader_who_leaves_in_the_middle_is_let_go_at_once() {
    let rig = Rig::new();
    let _publisher = rig.begun("/c/0", "ab");
    let mut reader = rig.send(&get("/c/0"));
    reader.final_head();
    assert_eq!(reader.read_bytes(2), "ab");
    drop(reader);
    eventually("the end of the reader", || rig.stats().readers == 0);
}

#[test]
fn row_73_a_server_that_stops_says_so() {
    let mut rig = Rig::new();
    let mut reader = rig.waiting("/c/0");
    let mut publisher = rig.preconnect("/c/0");
    let mut middle = rig.begun("/d/0", "ab");
    let mut idle = rig.send(&get("/c/next"));
    assert_eq!(idle.answer().body, "0");
    rig.stop();
    let answer = reader.answer();
    assert!(answer.status == 200 && answer.is_over());
    assert!(publisher.answer().is_over());
    assert!(middle.answer().is_over());
    assert!(idle.is_closed() && reader.is_closed());
    drop((publisher, middle));
    rig.join();
}

#[test]
fn a_post_without_a_byte_behind_a_deletion_waits_until_that_is_forgotten_and_no_longer() {
    let rig = Rig::with(|config| {
        config.relay.autocreate = true;
        config.relay.memory = Duration::from_millis(200);
    });
    rig.post("/c/0", "x");
    rig.delete("/c");
    let mut publisher = rig.send(&chunked("/c/0", ""));
    eventually("the channel is there again", || rig.hub.has("c"));
    // From here on it is one of the channel's: whoever deletes that ends it.
    eventually("the POST is its own", || rig.stats().writers == 1);
    assert_eq!(rig.delete("/c").status, 200);
    assert!(publisher.answer().is_over());
}

#[test]
fn row_79_an_empty_post_does_not_create_a_channel() {
    let rig = Rig::new();
    let empty = chunked("/c/1", "") + "0\r\n\r\n";
    for text in [crate::wire::post("/c/1", ""), empty.clone()] {
        rig.post("/c/0", "x");
        rig.delete("/c");
        assert_eq!(rig.send(&text).answer().status, 404);
        assert!(!rig.hub.has("c"));
    }
}

#[test]
fn row_79_an_empty_post_that_comes_in_pieces_does_not_recreate_a_channel() {
    let rig = Rig::new();
    rig.delete("/c");
    let mut publisher = rig.connect();
    publisher.send(&chunked("/c/1", ""));
    // The next request on another connection is answered after the head above was looked at, or before: both are fine.
    assert_eq!(rig.get("/c/next").status, 404);
    publisher.last_chunk();
    assert_eq!(publisher.answer().status, 404);
    assert!(!rig.hub.has("c"));
    let mut publisher = rig.send(&chunked("/c/1", ""));
    publisher.chunk("x");
    publisher.last_chunk();
    assert_eq!(publisher.answer().told(), (200, Some("1"), None, ""));
    assert!(rig.hub.has("c"));
}

#[test]
fn row_81_a_reader_who_asks_for_minus_1_sees_each_number_once() {
    let rig = Rig::new();
    let addr = rig.addr;
    let reader = thread::spawn(move || {
        let mut seen = Vec::new();
        let mut raw = Raw::connect(addr);
        loop {
            raw.send(&get("/c/-1"));
            let answer = raw.answer();
            if answer.is_over() || answer.status == 404 {
                return seen;
            }
            seen.push(answer.seq().unwrap().to_owned());
        }
    });
    for seq in 0..20 {
        eventually("the reader", || rig.stats().reads == seq + 1);
        let mut publisher = rig.preconnect(&format!("/c/{seq}"));
        if seq % 3 < 2 {
            publisher.chunk("x");
        }
        publisher.last_chunk();
        assert_eq!(publisher.answer().status, 200);
    }
    eventually("the reader", || rig.stats().reads == 21);
    rig.delete("/c");
    let seen = reader.join().unwrap();
    assert_eq!(seen, (0..20).map(|seq| seq.to_string()).collect::<Vec<_>>());
}
