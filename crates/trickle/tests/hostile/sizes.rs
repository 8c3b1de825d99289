//! Too much of something.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::bystander::Bystander;
use crate::server::{Process, hold};
use crate::wire::{PATIENCE, Raw, chunked, get, now, post, request};

const TEN_GIB: u64 = 10 << 30;
const LIMIT: u64 = 16 << 20;
const MIB: usize = 1 << 20;

/// Sends a head and then the same buffer again and again, up to ten gibibytes, and whatever comes back meanwhile is not
/// looked at. Returns how much went, and the answer.
fn flood(process: &Process, head: &str, chunk: &[u8]) -> (u64, String) {
    let mut stream = TcpStream::connect(process.addr).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut back = stream.try_clone().unwrap();
    let reader = thread::spawn(move || {
        let mut answer = Vec::new();
        // The connection may end with a reset; what came before counts.
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = back.read(&mut buffer) {
            answer.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8(answer).unwrap()
    });
    stream.write_all(head.as_bytes()).unwrap();
    let mut sent = 0;
    while sent < TEN_GIB {
        match stream.write(chunk) {
            Ok(count) => sent += count as u64,
            Err(_) => break,
        }
    }
    drop(stream);
    (sent, reader.join().unwrap())
}

#[test]
fn a_segment_of_ten_gibibytes_is_cut_with_413_at_its_limit() {
    let mut process = Process::start(&format!("segment_bytes={LIMIT} linger_ms=300"));
    let bystander = Bystander::start(process.addr);
    let before = process.memory();
    let plain = vec![b'x'; MIB];
    let mut framed = format!("{MIB:x}\r\n").into_bytes();
    framed.extend_from_slice(&plain);
    framed.extend_from_slice(b"\r\n");
    let length = request(
        "POST",
        "/length/0",
        &format!("Content-Length: {TEN_GIB}\r\n"),
    );
    let one_chunk = chunked("/one-chunk/0", "") + &format!("{TEN_GIB:x}\r\n");
    let attacks = [
        (length, &plain),
        (one_chunk, &plain),
        (chunked("/chunks/0", ""), &framed),
    ];
    for (head, buffer) in &attacks {
        let (sent, answer) = flood(&process, head, buffer);
        println!("{} MiB went before the end of the connection", sent >> 20);
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:?}");
        assert!(sent < TEN_GIB);
    }
    // Three segments at their limit, the bystander's, and what is on its way.
    let counts = process.counts();
    assert!(counts.held_bytes <= 3 * LIMIT + (1 << 20), "{counts:?}");
    hold(
        "three cut segments",
        process.peak() - before,
        3 * LIMIT + (12 << 20),
    );
    let kept = process.send(&get("/chunks/0")).final_head();
    assert_eq!(kept.status, 200);
    bystander.ends_well();
}

#[test]
fn names_and_fields_of_a_megabyte_are_refused_and_not_kept() {
    let mut process = Process::start("linger_ms=200");
    let bystander = Bystander::start(process.addr);
    let long = "n".repeat(MIB);
    let escaped = "%6e".repeat(MIB / 3);
    let requests = [
        post(&format!("/{long}/0"), "x"),
        post(&format!("/{escaped}/0"), "x"),
        request("POST", &format!("/{long}"), ""),
        request("DELETE", &format!("/{long}"), ""),
        get(&format!("/c/{long}")),
        get(&format!("/c/0?{long}")),
        request("GET", "/c/0", &format!("X: {long}\r\n")),
        request("GET", "/c/0", &format!("{long}: x\r\n")),
        request("GET", "/c/0", &"A: b\r\n".repeat(MIB / 6)),
        request(&long, "/c/0", ""),
    ];
    let before = process.memory();
    for request in requests.iter().cycle().take(300) {
        let mut raw = process.connect();
        raw.send_bytes(request.as_bytes()).ok();
        let answer = raw.answer();
        assert!(
            matches!(answer.status, 400 | 431) && answer.closes(),
            "{answer:?}"
        );
    }
    // Names that fit into a head, and are longer than a name may be.
    for at in 0..300 {
        let name = format!("{at:05}").repeat(1000);
        assert_eq!(
            process
                .send(&post(&format!("/{name}/0"), "x"))
                .answer()
                .status,
            414
        );
        assert_eq!(
            process.send(&get(&format!("/{name}/0"))).answer().status,
            404
        );
    }
    assert_eq!(process.counts().channels, 1);
    hold("long names", process.peak() - before, 4 << 20);
    bystander.ends_well();
}

#[test]
fn a_peer_that_pipelines_without_end_and_reads_nothing_is_not_read_from() {
    let mut process = Process::start("");
    let bystander = Bystander::start(process.addr);
    let body = "x".repeat(4 * MIB);
    assert_eq!(process.send(&post("/c/0", &body)).answer().status, 200);
    let before = process.memory();
    let requests = get("/c/0").repeat(1000);
    let mut pushed = 0;
    let attackers: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = TcpStream::connect(process.addr).unwrap();
            stream
                .set_write_timeout(Some(Duration::from_millis(50)))
                .unwrap();
            let most = 4 * MIB;
            let mut sent = 0;
            while sent < most {
                match stream.write(requests.as_bytes()) {
                    Ok(count) => sent += count,
                    Err(_) => break,
                }
            }
            pushed += sent;
            stream
        })
        .collect();
    println!("{pushed} bytes of requests were taken by the kernel");
    process.eventually("readers", |counts| counts.readers >= 50);
    // A batch and an inbox for each.
    hold("stalled readers", process.peak() - before, 50 * 256 * 1024);
    drop(attackers);
    process.eventually("the end of them", |counts| counts.readers <= 2);
    bystander.ends_well();
}

#[test]
fn a_body_of_single_bytes_takes_little_more_than_its_bytes() {
    const BYTES: usize = 1 << 20;
    let mut process = Process::start("");
    let bystander = Bystander::start(process.addr);
    let before = process.memory();
    let mut raw = process.send(&chunked("/c/0", ""));
    let began = now();
    for _ in 0..BYTES / 4096 {
        raw.send(&"1\r\nx\r\n".repeat(4096));
    }
    raw.last_chunk();
    assert_eq!(raw.answer().status, 200);
    println!("{BYTES} chunks in {:?}", now() - began);
    hold(
        "chunks of a byte",
        process.peak() - before,
        8 * BYTES as u64,
    );
    let mut reader = Raw::connect(process.addr);
    reader.send(&get("/c/0"));
    assert_eq!(reader.answer().body.len(), BYTES);
    assert!(process.counts().held_bytes >= BYTES as u64);
    bystander.ends_well();
}
