//! Input that is wrong or meant to hurt.

use std::time::Duration;

use crate::wire::{Rig, eventually, get, post, request};

#[test]
fn requests_that_can_be_read_in_two_ways_are_refused() {
    let rig = Rig::new();
    let smuggled = get("/c/next");
    let cases = [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: +3\r\n",
        "Content-Length: 3, 3\r\n",
        "Content-Length : 3\r\n",
        " folded: x\r\n",
    ];
    for fields in cases {
        let mut raw = rig.send(&(request("POST", "/c/0", fields) + "0\r\n\r\n" + &smuggled));
        let answer = raw.answer();
        assert!(answer.status == 400 && answer.closes(), "{fields}");
        assert!(raw.is_closed(), "{fields}");
    }
    assert_eq!(rig.next(), "0");
}

#[test]
fn a_get_with_a_body_does_not_smuggle_a_request() {
    let rig = Rig::new();
    rig.segments([0]);
    let smuggled = request("DELETE", "/c", "");
    let fields = format!("Content-Length: {}\r\n", smuggled.len());
    let mut raw = rig.send(&(request("GET", "/c/0", &fields) + &smuggled + &get("/c/next")));
    assert_eq!(raw.answer().body, "0");
    assert_eq!(raw.answer().body, "1");
    let mut raw = rig.send(&request("GET", "/c/0", "Transfer-Encoding: chunked\r\n"));
    assert!(raw.answer().closes());
    raw.send(&("0\r\n\r\n".to_owned() + &smuggled));
    assert!(raw.is_closed());
    assert!(rig.hub.has("c"));
}

#[test]
fn chunk_sizes_that_are_none_are_answered_with_500() {
    let rig = Rig::new();
    for size in [
        "-1",
        "0x3",
        "+3",
        "g",
        "",
        " 3",
        "FFFFFFFFFFFFFFFFF",
        "7FFFFFFFFFFFFFFF",
    ] {
        let mut raw = rig.begun("/c/-1", "ab");
        raw.send(&format!("{size}\r\nabc\r\n"));
        let answer = raw.answer();
        assert!(answer.status == 500 && answer.closes(), "{size}");
        assert!(raw.is_closed());
    }
}

#[test]
fn garbage_is_refused() {
    let rig = Rig::new();
    for garbage in [
        "\x16\x03\x01\x02\0\x01\0\x01\x7c\x03\x03\r\n\r\n",
        "GET\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "GET /c/0 HTTP/1.1\r\nA b\r\n\r\n",
    ] {
        assert_eq!(rig.send(garbage).answer().status, 400, "{garbage:?}");
    }
    assert_eq!(rig.send("GET /c/0 HTTP/2.0\r\n\r\n").answer().status, 505);
    assert_eq!(rig.send("GET /c/0 HTTP/1.1\r\n\r\n").answer().status, 400);
}

#[test]
fn a_name_of_a_megabyte_is_refused() {
    let rig = Rig::new();
    let mut raw = rig.connect();
    raw.send_bytes(&post(&format!("/{}/0", "n".repeat(1 << 20)), "x").into_bytes())
        .ok();
    assert_eq!(raw.answer().status, 431);
    let long = "n".repeat(5000);
    assert_eq!(rig.post(&format!("/{long}/0"), "x").status, 414);
    assert_eq!(
        rig.send(&request("POST", &format!("/{long}"), ""))
            .answer()
            .status,
        414
    );
    assert!(!rig.hub.has(&long));
}

#[test]
fn a_head_that_drips_is_given_up() {
    let rig = Rig::with(|config| config.head_timeout = Duration::from_millis(100));
    let mut slow = rig.connect();
    let mut dripped = 0;
    while slow.is_silent() {
        slow.send_bytes(b"G").ok();
        dripped += 1;
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert_eq!(slow.answer().status, 408);
    assert!(dripped < 200);
}

#[test]
fn one_client_makes_no_more_channels_than_there_may_be() {
    let rig = Rig::with(|config| {
        config.relay.autocreate = true;
        config.relay.limits.channels = 100;
    });
    let mut raw = rig.connect();
    let mut refused = 0;
    for batch in 0..3 {
        let requests: String = (0..1000)
            .map(|at| request("POST", &format!("/c{batch}-{at}"), ""))
            .collect();
        raw.send(&requests);
        refused += (0..1000).filter(|_| raw.answer().status == 503).count();
    }
    assert_eq!(refused, 2_900);
    assert_eq!(rig.stats().channels, 100);
    assert_eq!(rig.post("/another/0", "x").status, 503);
}

#[test]
fn a_segment_beyond_its_limit_ends_with_413() {
    let rig = Rig::with(|config| {
        config.relay.autocreate = true;
        config.relay.limits.segment_bytes = 10;
    });
    let mut publisher = rig.begun("/c/0", "0123456789");
    let mut reader = rig.send(&get("/c/0"));
    publisher.chunk("x");
    let answer = publisher.answer();
    assert!(answer.status == 413 && answer.closes());
    assert_eq!(reader.answer().body, "0123456789");
}

#[test]
fn memory_beyond_its_limit_is_refused_with_503_and_given_back() {
    let rig = Rig::with(|config| {
        config.relay.autocreate = true;
        config.relay.limits.held_bytes = 100;
    });
    let body = "x".repeat(90);
    assert_eq!(rig.post("/c/0", &body).status, 200);
    assert_eq!(rig.post("/d/0", &body).status, 503);
    rig.delete("/c");
    eventually("free memory", || rig.stats().held_bytes == 0);
    assert_eq!(rig.post("/d/1", &body).status, 200);
}

#[test]
fn readers_and_writers_of_a_channel_are_limited() {
    let rig = Rig::with(|config| {
        config.relay.autocreate = true;
        config.relay.limits.readers = 2;
        config.relay.limits.writers = 2;
    });
    let _writers = [rig.preconnect("/c/0"), rig.preconnect("/c/1")];
    assert_eq!(rig.post("/c/2", "x").status, 503);
    let readers = [rig.waiting("/c/0"), rig.waiting("/c/1")];
    assert_eq!(rig.get("/c/0").status, 503);
    drop(readers);
    eventually("room", || rig.stats().readers == 0);
    rig.waiting("/c/0");
}

#[test]
fn the_connection_that_is_idle_longest_makes_room() {
    let rig = Rig::with(|config| {
        config.relay.autocreate = true;
        config.connections = 3;
    });
    let mut busy = rig.preconnect("/c/0");
    let mut oldest = rig.connect();
    let mut other = rig.send(&get("/c/next"));
    assert_eq!(other.answer().body, "0");
    let mut newest = rig.send(&get("/c/next"));
    assert_eq!(newest.answer().body, "0");
    assert!(oldest.is_closed());
    other.send(&get("/c/next"));
    assert_eq!(other.answer().body, "0");
    let _waiting = (rig.waiting("/c/0"), rig.waiting("/c/0"));
    assert!(other.is_closed() && newest.is_closed());
    let mut refused = rig.connect();
    assert_eq!(refused.answer().status, 503);
    let stats = rig.observer.stats();
    assert_eq!((stats.refused, stats.displaced), (1, 3));
    busy.chunk("x");
    busy.last_chunk();
    assert_eq!(busy.answer().status, 200);
}

#[test]
fn a_reader_that_takes_nothing_is_dropped() {
    let rig = Rig::with(|config| {
        config.relay.autocreate = true;
        config.write_timeout = Duration::from_millis(100);
    });
    assert_eq!(rig.post("/c/0", &"x".repeat(32 << 20)).status, 200);
    let _stalled = rig.send(&get("/c/0"));
    eventually("the reader", || rig.stats().readers == 1);
    eventually("the end of the reader", || rig.stats().readers == 0);
}

#[test]
fn unknown_lengths_of_garbage_never_stop_the_server() {
    use proptest::prelude::*;
    let rig = Rig::with(|config| {
        config.relay.autocreate = true;
        config.head_timeout = Duration::from_secs(5);
    });
    let tokens = prop_oneof![
        Just("GET /c/0 HTTP/1.1\r\n".to_owned()),
        Just("POST /c/-1 HTTP/1.1\r\n".to_owned()),
        Just("Host: h\r\n".to_owned()),
        Just("Transfer-Encoding: chunked\r\n".to_owned()),
        Just("Content-Length: 3\r\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("3\r\nabc\r\n".to_owned()),
        Just("0\r\n\r\n".to_owned()),
        "[ -~\r\n]{0,20}",
    ];
    let mut runner =
        proptest::test_runner::TestRunner::new(proptest::test_runner::Config::with_cases(200));
    runner
        .run(&prop::collection::vec(tokens, 1..12), |tokens| {
            let mut raw = rig.connect();
            raw.send_bytes(tokens.concat().as_bytes()).ok();
            raw.half_close();
            raw.is_gone();
            Ok(())
        })
        .unwrap();
    eventually("the end of all connections", || {
        rig.stats().readers + rig.stats().writers == 0
    });
    assert_eq!(rig.post("/d/0", "x").status, 200);
}
