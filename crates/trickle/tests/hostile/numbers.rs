//! Too many of something.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;
use std::{fs, thread};

use framerill_trickle::http::server::{Config, Server};

use crate::bystander::Bystander;
use crate::server::{Process, hold, raise_descriptors, skip};
use crate::wire::{PATIENCE, get, post, request};

const CHANNELS: usize = 100_000;
const READERS: usize = 10_000;

/// Creates channels on one connection, many requests at a time. Returns how many answers were 200 and how many 503.
fn create(process: &Process, count: usize) -> (usize, usize) {
    let stream = TcpStream::connect(process.addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut sender = stream.try_clone().unwrap();
    let writer = thread::spawn(move || {
        for batch in 0..count.div_ceil(1000) {
            let numbers = batch * 1000..count.min(batch * 1000 + 1000);
            let requests: String = numbers
                .map(|at| request("POST", &format!("/channel-{at}"), ""))
                .collect();
            sender.write_all(requests.as_bytes()).unwrap();
        }
    });
    let mut stream = BufReader::with_capacity(256 * 1024, stream);
    let (mut made, mut refused) = (0, 0);
    for _ in 0..count {
        match status(&mut stream) {
            200 => made += 1,
            503 => refused += 1,
            status => panic!("{status}"),
        }
    }
    writer.join().unwrap();
    (made, refused)
}

/// The status of an answer, of which all is read.
fn status(stream: &mut BufReader<TcpStream>) -> u16 {
    use std::io::BufRead as _;
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let status = line[9..12].parse().unwrap();
    let mut length = 0;
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).unwrap();
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    stream.read_exact(&mut vec![0; length]).unwrap();
    status
}

#[test]
fn a_hundred_thousand_channels_of_one_client_take_a_kilobyte_each() {
    let mut process = Process::start(&format!("channels={}", CHANNELS + 1));
    let bystander = Bystander::start(process.addr);
    let before = process.memory();
    assert_eq!(create(&process, CHANNELS), (CHANNELS, 0));
    assert_eq!(process.counts().channels, CHANNELS as u64 + 1);
    hold(
        "100 000 channels",
        process.peak() - before,
        CHANNELS as u64 * 1024,
    );
    let refused = process.send(&request("POST", "/one-more", "")).answer();
    assert_eq!(refused.status, 503);
    bystander.ends_well();
}

#[test]
fn a_hundred_thousand_channels_are_refused_beyond_the_limit_and_leave_nothing_behind() {
    let mut process = Process::start("");
    let bystander = Bystander::start(process.addr);
    let before = process.memory();
    assert_eq!(create(&process, CHANNELS), (9_999, CHANNELS - 9_999));
    assert_eq!(process.counts().channels, 10_000);
    hold(
        "10 000 channels",
        process.peak() - before,
        10_000 * 1024 + (2 << 20),
    );
    bystander.ends_well();
}

#[test]
fn channels_that_are_made_and_deleted_without_end_take_no_memory() {
    let mut process = Process::start("");
    let bystander = Bystander::start(process.addr);
    let mut raw = process.connect();
    let mut round = |numbers: std::ops::Range<usize>| {
        for batch in numbers.step_by(500) {
            let requests: String = (batch..batch + 500)
                .map(|at| {
                    post(&format!("/c{at}/0"), "x") + &request("DELETE", &format!("/c{at}"), "")
                })
                .collect();
            raw.send(&requests);
            assert!((0..1000).all(|_| raw.answer().status == 200));
        }
    };
    round(0..5_000);
    let before = process.memory();
    round(5_000..50_000);
    assert_eq!(process.counts().channels, 1);
    hold(
        "45 000 channels that are gone",
        process.peak().saturating_sub(before),
        2 << 20,
    );
    bystander.ends_well();
}

#[test]
fn ten_thousand_waiting_readers_take_a_few_kilobytes_each_and_all_get_the_segment() {
    let spare = 200;
    let readers = READERS.min(raise_descriptors().saturating_sub(spare));
    if readers < READERS {
        skip(&format!(
            "{readers} readers instead of {READERS}: the limit of open files is low"
        ));
    }
    let mut process = Process::start(&format!("connections={}", READERS + spare));
    let bystander = Bystander::start(process.addr);
    assert_eq!(
        process.send(&request("POST", "/c", "")).answer().status,
        200
    );
    let before = process.memory();
    let mut waiting = Vec::new();
    while waiting.len() < readers {
        let some = (readers - waiting.len()).min(500);
        waiting.extend((0..some).map(|_| process.send(&get("/c/0"))));
        // A listener that falls behind loses connections, which are tried again a second later.
        process.eventually("readers", |counts| counts.readers >= waiting.len() as u64);
    }
    hold(
        "waiting readers",
        process.peak() - before,
        readers as u64 * 4096,
    );
    if readers == READERS {
        assert_eq!(process.send(&get("/c/0")).answer().status, 503);
    }
    let body = "0123456789abcdef".repeat(64);
    assert_eq!(process.send(&post("/c/0", &body)).answer().status, 200);
    for reader in &mut waiting {
        assert!(reader.answer().body == body);
    }
    hold(
        "served readers",
        process.peak() - before,
        readers as u64 * 6144,
    );
    drop(waiting);
    // The bystander has two.
    process.eventually("the end of all readers", |counts| counts.readers <= 2);
    bystander.ends_well();
}

#[test]
fn a_thousand_connections_at_once_are_not_lost_while_the_server_is_busy() {
    raise_descriptors();
    let most = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    let crowd = most.trim().parse::<usize>().unwrap().min(1000);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // Bound and not running: it takes nobody yet.
    let bound = Server::bind("127.0.0.1:0", Config::default());
    let server = runtime.block_on(bound).unwrap();
    let addr = server.local_addr().unwrap();
    let second = Duration::from_millis(900);
    let came = (0..crowd).map(|at| {
        TcpStream::connect_timeout(&addr, second).unwrap_or_else(|error| panic!("{at}: {error}"))
    });
    assert_eq!(came.collect::<Vec<_>>().len(), crowd);
}

#[test]
fn readers_that_come_and_go_without_end_take_no_memory() {
    let mut process = Process::start("");
    let bystander = Bystander::start(process.addr);
    assert_eq!(
        process.send(&request("POST", "/c", "")).answer().status,
        200
    );
    let mut round = |count: usize| {
        for _ in 0..count / 100 {
            let waiting: Vec<_> = (0..100).map(|_| process.send(&get("/c/0"))).collect();
            process.eventually("the readers", |counts| counts.readers >= 100);
            drop(waiting);
            process.eventually("the end of them", |counts| counts.readers <= 2);
        }
        process.memory()
    };
    let before = round(1_000);
    let after = round(9_000);
    hold(
        "9 000 readers that are gone",
        after.saturating_sub(before),
        1 << 20,
    );
    bystander.ends_well();
}
