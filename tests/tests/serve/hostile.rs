//! What comes from outside may be anything; callers still get only what they know.

use std::{
    io::Write,
    net::{Shutdown, TcpStream},
    time::Duration,
};

use framerill_tests::{
    http::{connect, read_answer, request},
    live::now,
};
use serde_json::json;

use crate::runner::{Runner, Stage, least};

const PATH: &str = "/live-video-to-video";

#[test]
fn any_body_is_answered_with_a_list_of_what_is_wrong() {
    let runner = Runner::well(Stage::new());
    let json = [("Content-Type", "application/json")];
    for body in [
        b"".as_slice(),
        b"{",
        b"null",
        b"[]",
        b"\"text\"",
        b"{}{}",
        b"\xff\xfe\x00",
        b"{\"subscribe_url\": \"\xff\"}",
        b"{\"a\":NaN}",
        b"{\"subscribe_url\": \"\\ud800\"}",
        &[b"[".repeat(10_000), b"]".repeat(10_000)].concat(),
        &b"[".repeat(100_000),
        &[br#"{"params":"#.as_slice(), &b"[".repeat(100_000)].concat(),
    ] {
        let reply = request(&runner.address, "POST", PATH, &json, body);
        assert_eq!(reply.status, 422);
        let detail = &reply.json()["detail"];
        let first = &detail[0];
        assert!(
            first["type"].is_string() && first["msg"].is_string(),
            "{detail}"
        );
        assert_eq!(first["loc"][0], "body");
    }
    let text = [("Content-Type", "text/plain")];
    let body = least().to_string();
    let reply = request(&runner.address, "POST", PATH, &text, body.as_bytes());
    assert_eq!(reply.status, 422);
    assert_eq!(reply.json()["detail"][0]["type"], "model_attributes_type");
    assert!(runner.starts().is_empty());
}

#[test]
fn a_body_that_is_too_long_is_422() {
    let runner = Runner::well(Stage::new());
    let mut body = least();
    body["params"] = json!({"x": "x".repeat(17 << 20)});
    let reply = runner.post(&body);
    assert_eq!(reply.status, 422);
    assert_eq!(reply.json()["detail"][0]["type"], "too_long");
}

#[test]
fn a_body_that_says_that_it_is_too_long_is_refused_before_it_comes() {
    let runner = Runner::well(Stage::new());
    for (path, status) in [(PATH, 422), ("/v1/streams", 413)] {
        // Those that are being read are not waited for, either.
        let busy: Vec<_> = (0..30).map(|_| slow_body(&runner, path)).collect();
        let asked = now();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 17000000\r\n\r\n"
        );
        let mut stream = connect(&runner.address);
        stream.write_all(head.as_bytes()).expect("it reads");
        let reply = read_answer(&mut stream).expect("an answer");
        assert_eq!(reply.status, status);
        assert!(asked.elapsed() < Duration::from_secs(3));
        drop(busy);
    }
}

/// A long body of which nothing comes but its beginning.
fn slow_body(runner: &Runner, path: &str) -> TcpStream {
    let mut stream = connect(&runner.address);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9000000\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).expect("it reads");
    stream
}

#[test]
fn slow_long_bodies_hold_no_short_one_up() {
    let runner = Runner::well(Stage::new());
    for (path, body) in [
        (PATH, least()),
        (
            "/v1/streams",
            json!({"source": "http://127.0.0.1/in", "sink": "http://127.0.0.1/out"}),
        ),
    ] {
        let busy: Vec<_> = (0..30).map(|_| slow_body(&runner, path)).collect();
        let asked = now();
        let json = [("Content-Type", "application/json")];
        let reply = request(
            &runner.address,
            "POST",
            path,
            &json,
            body.to_string().as_bytes(),
        );
        assert_eq!(reply.status, 200, "{path}");
        assert!(asked.elapsed() < Duration::from_secs(3), "{path}");
        drop(busy);
    }
}

#[test]
fn more_values_than_are_read_are_refused_at_once_and_hold_nothing_up() {
    let runner = Runner::well(Stage::new());
    let body = format!(
        r#"{{"subscribe_url":"a","publish_url":"b","params":{{"x":[{}[]]}}}}"#,
        "[],".repeat(5_000_000)
    );
    let json = [("Content-Type", "application/json")];
    let reply = request(&runner.address, "POST", PATH, &json, body.as_bytes());
    assert_eq!(reply.status, 422);
    let text = reply.json()["detail"][0]["msg"].to_string();
    assert!(text.contains("at most 200000 JSON values"), "{text}");
    assert!(runner.starts().is_empty());
}

#[test]
fn a_whole_url_as_a_target_names_this_machine_or_is_refused() {
    let runner = Runner::well(Stage::new());
    for (host, status) in [("127.0.0.1", 200), ("evil.example", 403)] {
        let head = format!("GET http://{host}/v1/streams HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut stream = connect(&runner.address);
        stream.write_all(head.as_bytes()).expect("it reads");
        let reply = read_answer(&mut stream).expect("an answer");
        assert_eq!(reply.status, status, "{host}");
    }
}

#[test]
fn a_chunked_body_is_read_and_a_broken_one_is_422() {
    let runner = Runner::well(Stage::new());
    let head =
        format!("POST {PATH} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    let body = least().to_string();
    let (first, rest) = body.split_at(10);
    let chunks = format!(
        "{:x}\r\n{first}\r\n{:x}\r\n{rest}\r\n0\r\n\r\n",
        first.len(),
        rest.len()
    );
    let mut stream = connect(&runner.address);
    stream.write_all(head.as_bytes()).expect("it reads");
    stream.write_all(chunks.as_bytes()).expect("it reads");
    assert_eq!(read_answer(&mut stream).expect("an answer").status, 200);
    let mut stream = connect(&runner.address);
    stream.write_all(head.as_bytes()).expect("it reads");
    stream.write_all(b"zz\r\n").expect("it reads");
    assert_eq!(read_answer(&mut stream).expect("an answer").status, 422);
}

#[test]
fn a_body_that_breaks_off_or_never_ends_is_422() {
    let runner = Runner::well(Stage::new());
    let head = format!("POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{{");
    for closes in [true, false] {
        let mut stream = connect(&runner.address);
        stream.write_all(head.as_bytes()).expect("it reads");
        if closes {
            stream.shutdown(Shutdown::Write).expect("a socket");
        }
        let reply = read_answer(&mut stream).expect("an answer");
        assert_eq!(reply.status, 422);
        assert_eq!(reply.json()["detail"][0]["type"], "body_incomplete");
    }
}

#[test]
fn a_head_that_does_not_end_closes_its_connection_and_silence_does_not() {
    let runner = Runner::well(Stage::new());
    let mut silent = connect(&runner.address);
    let mut slow = connect(&runner.address);
    slow.write_all(b"GET /health HTTP/1.1\r\nHost:")
        .expect("it reads");
    assert!(read_answer(&mut slow).is_none());
    silent
        .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("it waits");
    assert_eq!(read_answer(&mut silent).expect("an answer").status, 200);
}

#[test]
fn one_connection_carries_many_requests() {
    let runner = Runner::well(Stage::new());
    let mut stream = connect(&runner.address);
    for _ in 0..20 {
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            .expect("it reads");
        assert_eq!(read_answer(&mut stream).expect("an answer").status, 200);
    }
}

#[test]
fn more_silent_connections_than_there_are_places_keep_no_one_out() {
    let runner = Runner::well(Stage::new());
    let crowd: Vec<_> = (0..800).map(|_| connect(&runner.address)).collect();
    assert_eq!(runner.get("/health").status, 200);
    assert_eq!(runner.post(&least()).status, 200);
    drop(crowd);
}

/// More peers than there are places each send this and no more; `/health` is answered all the while.
fn crowd_keeps_health_from_no_one(beginning: &str) {
    let runner = Runner::well(Stage::new());
    let mut crowd = Vec::new();
    for nth in 0..600 {
        let mut peer = connect(&runner.address);
        peer.write_all(beginning.as_bytes()).expect("it reads");
        crowd.push(peer);
        if nth % 10 == 0 || nth > 500 {
            let asked = now();
            assert_eq!(runner.get("/health").status, 200);
            assert!(asked.elapsed() < Duration::from_secs(1), "after {nth}");
        }
    }
    assert_eq!(runner.post(&least()).status, 200);
}

#[test]
fn more_heads_that_do_not_end_than_there_are_places_keep_no_one_out() {
    crowd_keeps_health_from_no_one("GET /health HTTP/1.1\r\nHost:");
}

#[test]
fn more_bodies_that_do_not_end_than_there_are_places_keep_no_one_out() {
    let head = format!("POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n");
    crowd_keeps_health_from_no_one(&format!("{head}{{"));
    // A long one waits for its turn to be read, too.
    crowd_keeps_health_from_no_one(&format!("{}{{", head.replace("100", "9000000")));
}

#[test]
fn whoever_closes_its_half_behind_a_whole_request_is_answered() {
    let runner = Runner::well(Stage::new());
    let body = least().to_string();
    let length = body.len();
    let post = format!(
        "POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let get = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n".to_owned();
    // An infer that hangs: the end of the input is seen long before the answer.
    for (infer, request, status) in [
        ("well", &post, 200),
        ("well", &get, 200),
        ("hang", &get, 500),
    ] {
        runner.behave(&json!({"status": infer}));
        let mut stream = connect(&runner.address);
        stream.write_all(request.as_bytes()).expect("it reads");
        stream.shutdown(Shutdown::Write).expect("a socket");
        let reply = read_answer(&mut stream).expect("an answer");
        assert_eq!(reply.status, status, "{infer}: {request}");
        assert!(read_answer(&mut stream).is_none(), "it goes on");
    }
}
