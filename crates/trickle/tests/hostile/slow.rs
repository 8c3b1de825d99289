//! Heads that take their time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use crate::bystander::Bystander;
use crate::server::{Process, hold};
use crate::wire::{Raw, eventually, get, post};

/// The bound of a head.
const HEAD_BYTES: usize = 32 * 1024;

/// Connections that hold what they sent so far, and have not been answered.
fn drip(loris: &mut [Raw], bytes: &[u8]) {
    for raw in loris {
        raw.send_bytes(bytes).ok();
    }
}

#[test]
fn a_thousand_slow_heads_are_answered_with_408_and_a_bare_preconnect_is_not_one() {
    const LORIS: usize = 1_000;
    let mut process = Process::start("head_ms=1500");
    let bystander = Bystander::start(process.addr);
    let mut preconnects: Vec<_> = (0..100).map(|_| process.connect()).collect();
    let before = process.memory();
    let mut loris: Vec<_> = (0..LORIS)
        .map(|_| process.send("GET /c/0 HTTP/1.1\r\nHost: h\r\n"))
        .collect();
    // Almost as much as a head may be, in fields that never end.
    let field = format!("X: {}\r\n", "x".repeat(2000));
    for _ in 0..HEAD_BYTES / 2000 - 1 {
        drip(&mut loris, field.as_bytes());
    }
    let mut answered = 0;
    for raw in &mut loris {
        // A byte now and then buys no time.
        while raw.is_silent() {
            raw.send_bytes(b"x").ok();
            thread::park_timeout(Duration::from_millis(1));
        }
        let answer = raw.answer();
        assert!(answer.status == 408 && answer.closes());
        answered += 1;
    }
    assert_eq!(answered, LORIS);
    hold(
        "1 000 heads",
        process.peak() - before,
        (LORIS * 2 * HEAD_BYTES) as u64,
    );
    drop(loris);
    process.eventually("the end of slow heads", |counts| counts.connections <= 104);
    for raw in &mut preconnects {
        raw.send(&post("/c/0", "x"));
        assert_eq!(raw.answer().status, 200);
    }
    bystander.ends_well();
}

/// Whether a request is answered with 200. A server that has no place may reset the connection before it is read.
fn is_served(addr: SocketAddr) -> bool {
    let ask = || {
        let mut peer = TcpStream::connect(addr)?;
        peer.write_all(get("/bystander/next").as_bytes())?;
        let mut status = [0; 12];
        peer.read_exact(&mut status).map(|()| status)
    };
    ask().is_ok_and(|status: [u8; 12]| &status == b"HTTP/1.1 200")
}

#[test]
fn a_server_full_of_slow_heads_takes_connections_again_when_their_time_is_up() {
    const CAP: usize = 64;
    let mut process = Process::start(&format!("head_ms=1000 linger_ms=100 connections={CAP}"));
    let bystander = Bystander::in_one_segment(process.addr);
    let loris: Vec<_> = (0..2 * CAP).map(|_| process.send("GET /c")).collect();
    process.eventually("refusals", |counts| counts.refused > 0);
    eventually("a place", || is_served(process.addr));
    drop(loris);
    bystander.ends_well();
}

#[test]
fn ten_thousand_silent_connections_make_room_for_one_that_speaks() {
    const CAP: usize = 2_000;
    let mut process = Process::start(&format!("connections={CAP}"));
    let bystander = Bystander::start(process.addr);
    let before = process.memory();
    let mut silent = Vec::new();
    for _ in 0..10_000 / 100 {
        silent.extend((0..100).map(|_| process.connect()));
        // Connections are taken in their order, so the answer to this one says that all before it were.
        let mut last = process.send(&get("/bystander/next"));
        assert_eq!(last.answer().status, 200);
    }
    let mut raw = process.send(&get("/bystander/next"));
    assert_eq!(raw.answer().status, 200);
    assert!(process.counts().connections <= CAP as u64 + 1);
    hold(
        "silent connections",
        process.peak() - before,
        CAP as u64 * 6144,
    );
    drop(silent);
    bystander.ends_well();
}
