//! Requests that are wrong, many of them.

use crate::bystander::Bystander;
use crate::server::{Process, hold};
use crate::wire::{chunked, get, request};

const ROUNDS: usize = 200;

#[test]
fn smuggled_requests_are_refused_and_not_carried_out() {
    let mut process = Process::start("linger_ms=100");
    let bystander = Bystander::start(process.addr);
    assert_eq!(
        process
            .send(&request("POST", "/victim", ""))
            .answer()
            .status,
        200
    );
    let before = process.memory();
    let smuggled = request("DELETE", "/victim", "");
    let two_lengths = format!(
        "Content-Length: 5\r\nContent-Length: {}\r\n",
        5 + smuggled.len()
    );
    let cases = [
        (400, two_lengths.as_str()),
        (400, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        (400, "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        (400, "Content-Length: 5,6\r\n"),
        (400, "Content-Length: 0x5\r\n"),
        (400, "Content-Length: 5 \r\nContent-Length: 05 5\r\n"),
        (400, "Content-Length: 99999999999999999999\r\n"),
        (400, "Content-Length: -1\r\n"),
        (400, "Content-Length:\r\n"),
        (400, "Content-Length\r\n: 5\r\n"),
        (400, "Content-Length : 5\r\n"),
        (400, "X: y\r\n Content-Length: 5\r\n"),
        (400, "X: y\rContent-Length: 5\r\n"),
        (400, "Host: other\r\n"),
        (501, "Transfer-Encoding: xchunked\r\n"),
        (501, "Transfer-Encoding: chunked, identity\r\n"),
        (501, "Transfer-Encoding: identity, chunked\r\n"),
        (
            501,
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
        ),
        (501, "Transfer-Encoding: \"chunked\"\r\n"),
    ];
    for _ in 0..ROUNDS {
        for (status, fields) in cases {
            let head = request("POST", "/other/0", fields);
            let mut raw = process.send(&(head + "0\r\n\r\n" + &smuggled));
            let answer = raw.answer();
            assert!(
                answer.status == status && answer.closes(),
                "{fields:?} {answer:?}"
            );
            // The connection may end with a reset, because more was sent than was read.
            raw.is_gone();
        }
    }
    let old = "POST /other/0 HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(process.send(old).answer().status, 400);
    assert_eq!(
        process.counts().channels,
        2,
        "a smuggled request was carried out"
    );
    hold("smuggled requests", process.peak() - before, 4 << 20);
    bystander.ends_well();
}

#[test]
fn chunk_sizes_that_are_none_end_their_request_and_no_other() {
    let mut process = Process::start("linger_ms=100");
    let bystander = Bystander::start(process.addr);
    let before = process.memory();
    let sizes = [
        "",
        "-1",
        "+3",
        "0x3",
        "g",
        " 3",
        "3 x\n",
        "1000000000000001",
        "10000000000000000",
        "ffffffffffffffff",
        "fffffffffffffffff",
        "99999999999999999999999999",
        "3\n",
        "3\0",
        "٣",
    ];
    for _ in 0..ROUNDS {
        for size in sizes {
            let body = format!("2\r\nab\r\n{size}\r\nabc\r\n0\r\n\r\n");
            let mut raw = process.send(&(chunked("/c/-1", "") + &body + &get("/c/next")));
            // A body that breaks off is a 500 in this protocol, whoever broke it.
            let answer = raw.answer();
            assert!(
                answer.status == 500 && answer.closes(),
                "{size:?} {answer:?}"
            );
            raw.is_gone();
        }
    }
    process.eventually("the end of all of them", |counts| counts.writers <= 2);
    hold("broken chunks", process.peak() - before, 4 << 20);
    bystander.ends_well();
}
