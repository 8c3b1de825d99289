//! The clients that are out there, as they behave on the wire: which connections they open, what they send when, and
//! what they make of an answer.

use std::thread;

use crate::wire::{Answer, Raw, Rig, chunked, eventually, get, request};

const SEGMENTS: u64 = 100;

fn body(seq: u64) -> String {
    format!("segment {seq};").repeat(2000)
}

/// Keeps a publisher no more than two segments ahead of a reader: the window is not the matter here.
fn keep_pace(rig: &Rig, seq: u64) {
    eventually("the reader", || {
        rig.stats().waits.iter().sum::<u64>() + 2 > seq
    });
}

/// aiohttp: a connection for each segment, opened ahead. The head goes out together with the first byte.
fn python_publisher(rig: &Rig) {
    let mut ahead = rig.connect();
    for seq in 0..SEGMENTS {
        keep_pace(rig, seq);
        let mut post = std::mem::replace(&mut ahead, rig.connect());
        let body = body(seq);
        let mut pieces = body.as_bytes().chunks(1316 * 7);
        let first = std::str::from_utf8(pieces.next().unwrap()).unwrap();
        let head = chunked(
            &format!("/c/{seq}"),
            "Connection: close\r\nAccept-Encoding: gzip, deflate\r\n",
        );
        post.send(&format!("{head}{:x}\r\n{first}\r\n", first.len()));
        pieces.for_each(|piece| post.chunk(std::str::from_utf8(piece).unwrap()));
        post.last_chunk();
        let answer = post.answer();
        assert_eq!(
            (answer.status, answer.seq()),
            (200, Some(seq.to_string().as_str()))
        );
        assert!(post.is_closed());
    }
    keep_pace(rig, SEGMENTS + 1);
    // At the end the preconnect is ended without a byte, while the channel is deleted.
    ahead.send(&(chunked(&format!("/c/{SEGMENTS}"), "Connection: close\r\n") + "0\r\n\r\n"));
    assert_eq!(rig.delete("/c").status, 200);
    let answer = ahead.answer();
    assert!(matches!(answer.status, 200 | 404));
    assert!(!rig.hub.has("c"));
}

/// A connection for each segment, one after the other, from `-2` on. 470 goes on at `Latest`; 404 and `Closed` are the
/// end.
fn python_subscriber(rig: &Rig) -> Vec<(u64, String)> {
    let mut seen = Vec::new();
    let mut wanted = "-2".to_owned();
    loop {
        let fields = "Connection: close\r\nAccept-Encoding: gzip, deflate\r\n";
        let mut raw = rig.send(&request("GET", &format!("/c/{wanted}"), fields));
        let mut head = raw.final_head();
        if head.status == 404 || head.is_over() {
            return seen;
        }
        if head.status == 470 {
            wanted = head.latest().unwrap().to_owned();
            continue;
        }
        assert_eq!(head.status, 200);
        head.body = rest(&mut raw, &head);
        let seq: u64 = head.seq().unwrap().parse().unwrap();
        if !head.body.is_empty() {
            seen.push((seq, head.body));
        }
        wanted = (seq + 1).to_string();
    }
}

fn rest(raw: &mut Raw, head: &Answer) -> String {
    if head.field("Transfer-Encoding") == Some("chunked") {
        raw.rest()
    } else {
        String::new()
    }
}

fn all() -> Vec<(u64, String)> {
    (0..SEGMENTS).map(|seq| (seq, body(seq))).collect()
}

#[test]
fn row_71_a_python_publisher_and_subscriber_pass_all_segments() {
    let rig = Rig::new();
    thread::scope(|scope| {
        let subscriber = scope.spawn(|| python_subscriber(&rig));
        eventually("the subscriber", || rig.stats().readers == 1);
        python_publisher(&rig);
        let seen = subscriber.join().unwrap();
        assert!(
            seen == all(),
            "{:?}",
            seen.iter().map(|(seq, _)| seq).collect::<Vec<_>>()
        );
    });
}

/// Go's net/http: connections are kept and used again, the next segment's POST is open while this one is written, and
/// its head is sent at once.
fn go_publisher(rig: &Rig) {
    let fields = "User-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n";
    let mut ahead = rig.connect();
    ahead.send(&chunked("/c/0", fields));
    let mut spare = None;
    for seq in 0..SEGMENTS {
        keep_pace(rig, seq);
        let mut next = spare.take().unwrap_or_else(|| rig.connect());
        next.send(&chunked(&format!("/c/{}", seq + 1), fields));
        let mut post = std::mem::replace(&mut ahead, next);
        let body = body(seq);
        body.as_bytes()
            .chunks(8192)
            .for_each(|piece| post.chunk(std::str::from_utf8(piece).unwrap()));
        post.last_chunk();
        let answer = post.answer();
        assert!(answer.status == 200 && !answer.is_over() && !answer.closes());
        assert_eq!(answer.seq(), Some(seq.to_string().as_str()));
        spare = Some(post);
    }
    keep_pace(rig, SEGMENTS + 1);
    // DELETE comes first, on a connection of its own; then the preconnect is ended.
    assert_eq!(rig.delete("/c").status, 200);
    let answer = ahead.answer();
    assert!(answer.is_over() && answer.closes());
    ahead.send_bytes(b"0\r\n\r\n").ok();
    assert!(ahead.is_closed());
}

/// From `-1` on; the next segment is asked for when this one's head is here, so two connections take turns.
fn go_subscriber(rig: &Rig) -> Vec<(u64, String)> {
    let mut seen = Vec::new();
    let mut current = rig.send(&get("/c/-1"));
    let mut spare = Some(rig.connect());
    loop {
        let head = current.final_head();
        if head.is_over() || head.status == 404 {
            return seen;
        }
        assert_eq!(head.status, 200, "{head:?}");
        let seq: u64 = head.seq().unwrap().parse().unwrap();
        let mut next = spare.take().unwrap_or_else(|| rig.connect());
        next.send(&get(&format!("/c/{}", seq + 1)));
        let body = rest(&mut current, &head);
        seen.push((seq, body));
        spare = Some(std::mem::replace(&mut current, next));
    }
}

#[test]
fn row_72_a_go_publisher_and_subscriber_pass_all_segments() {
    let rig = Rig::new();
    thread::scope(|scope| {
        let subscriber = scope.spawn(|| go_subscriber(&rig));
        eventually("the subscriber", || rig.stats().readers == 1);
        go_publisher(&rig);
        let seen = subscriber.join().unwrap();
        assert!(
            seen == all(),
            "{:?}",
            seen.iter().map(|(seq, _)| seq).collect::<Vec<_>>()
        );
    });
}

#[test]
fn row_72_a_go_publisher_and_a_python_subscriber_pass_all_segments() {
    let rig = Rig::new();
    thread::scope(|scope| {
        let subscriber = scope.spawn(|| python_subscriber(&rig));
        eventually("the subscriber", || rig.stats().readers == 1);
        go_publisher(&rig);
        assert!(subscriber.join().unwrap() == all());
    });
}

#[test]
fn row_72_a_go_subscriber_that_asks_again_leaves_nothing_behind() {
    let rig = Rig::new();
    let mut current = rig.waiting("/c/-1");
    for _ in 0..10 {
        let again = rig.waiting("/c/-1");
        drop(std::mem::replace(&mut current, again));
        eventually("the end of the first", || rig.stats().readers == 1);
    }
    rig.segments([0]);
    assert_eq!(current.answer().body, "0");
}

#[test]
fn row_72_a_go_publisher_gives_up_a_segment_with_delete() {
    let rig = Rig::new();
    let mut reader = rig.waiting("/c/0");
    let mut given_up = rig.begun("/c/0", "half");
    let mut ahead = rig.preconnect("/c/1");
    assert_eq!(rig.delete("/c/0").status, 200);
    assert_eq!(reader.answer().body, "half");
    reader.send(&get("/c/1"));
    ahead.chunk("whole");
    ahead.last_chunk();
    assert_eq!(ahead.answer().status, 200);
    assert_eq!(reader.answer().body, "whole");
    given_up.last_chunk();
    assert_eq!(given_up.answer().status, 200);
}
