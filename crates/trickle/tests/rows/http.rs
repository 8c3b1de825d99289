//! HTTP itself: methods, routes, versions, connections.

use std::time::Duration;

use crate::wire::{Raw, Rig, chunked, get, post, request};

#[test]
fn row_12_next_is_no_number_of_a_post_or_delete() {
    let rig = Rig::new();
    assert_eq!(rig.post("/c/next", "x").status, 400);
    assert_eq!(rig.delete("/c/next").status, 400);
}

#[test]
fn row_13_other_methods_are_told_which_are_allowed() {
    let rig = Rig::new();
    for method in ["GET", "HEAD", "PUT", "PATCH", "OPTIONS"] {
        let head = rig.send(&request(method, "/c", "")).final_head();
        assert_eq!(
            (head.status, head.field("Allow")),
            (405, Some("DELETE, POST")),
            "{method}"
        );
    }
    for method in ["PUT", "PATCH", "OPTIONS"] {
        let head = rig.send(&request(method, "/c/0", "")).final_head();
        assert_eq!(
            (head.status, head.field("Allow")),
            (405, Some("DELETE, GET, HEAD, POST")),
            "{method}"
        );
    }
}

#[test]
fn row_14_other_paths_are_not_found() {
    let rig = Rig::new();
    for path in ["/c/", "/c/0/1", "/", "//", "/c//0"] {
        assert_eq!(rig.get(path).status, 404, "{path}");
    }
}

#[test]
fn row_14_routes_are_below_the_base_path() {
    let rig = Rig::with(|config| {
        config.relay.autocreate = true;
        config.base_path = "/ai/trickle".to_owned();
    });
    assert_eq!(rig.post("/ai/trickle/c/0", "x").status, 200);
    assert_eq!(rig.get("/ai/trickle/c/0").body, "x");
    assert_eq!(rig.get("/c/0").status, 404);
    assert_eq!(rig.post("/c/0", "x").status, 404);
}

fn impatient() -> Rig {
    Rig::with(|config| {
        config.relay.autocreate = true;
        config.head_timeout = Duration::from_millis(50);
    })
}

/// Comes back when a head that is begun now is given up: several head timeouts passed for whoever waited before.
fn several_head_timeouts(rig: &Rig) {
    for _ in 0..3 {
        let mut slow = rig.send("GET /c/0 HT");
        assert_eq!(slow.answer().status, 408);
    }
}

#[test]
fn row_53_a_connection_may_be_silent_before_its_request() {
    let rig = impatient();
    let mut silent = rig.connect();
    several_head_timeouts(&rig);
    silent.send(&post("/c/0", "x"));
    assert_eq!(silent.answer().told(), (200, Some("0"), None, ""));
    several_head_timeouts(&rig);
    silent.send(&post("/c/1", "x"));
    assert_eq!(silent.answer().seq(), Some("1"));
}

#[test]
fn row_54_a_connection_may_end_without_a_request() {
    let rig = impatient();
    drop(rig.connect());
    let mut half_closed = rig.connect();
    half_closed.half_close();
    assert!(half_closed.is_closed());
    assert_eq!(rig.post("/c/0", "x").status, 200);
}

#[test]
fn whoever_closes_its_half_behind_a_whole_request_is_answered() {
    let rig = Rig::new();
    for request in [
        post("/c/0", "zero"),
        get("/c/0"),
        get("/c/next"),
        request("DELETE", "/c", ""),
    ] {
        let mut raw = rig.send(&request);
        raw.half_close();
        assert_eq!(raw.answer().status, 200, "{request}");
        assert!(raw.is_closed(), "{request}");
    }
}

#[test]
fn row_63_requests_may_be_pipelined() {
    let rig = Rig::new();
    let mut raw = rig.send(&(post("/c/0", "zero") + &get("/c/0") + &get("/c/next")));
    assert_eq!(raw.answer().told(), (200, Some("0"), None, ""));
    assert_eq!(raw.answer().body, "zero");
    assert_eq!(raw.answer().body, "1");
    let mut raw = rig.send(&(chunked("/c/1", "") + "3\r\none\r\n0\r\n\r\n" + &get("/c/1")));
    assert_eq!(raw.answer().seq(), Some("1"));
    assert_eq!(raw.answer().body, "one");
}

#[test]
fn row_63_a_request_behind_a_waiting_one_is_kept() {
    let rig = Rig::new();
    let mut raw = rig.waiting("/c/0");
    raw.send(&get("/c/next"));
    rig.segments([0]);
    assert_eq!(raw.answer().body, "0");
    assert_eq!(raw.answer().body, "1");
}

#[test]
fn row_64_an_old_client_gets_a_body_that_ends_with_the_connection() {
    let rig = Rig::new();
    let mut publisher = rig.begun("/c/0", "ab");
    let mut reader = rig.send("GET /c/0 HTTP/1.0\r\n\r\n");
    let head = reader.final_head();
    assert_eq!(
        (head.status, head.field("Transfer-Encoding"), head.closes()),
        (200, None, true)
    );
    publisher.chunk("cd");
    publisher.last_chunk();
    assert_eq!(reader.until_close(), b"abcd");
    assert_eq!(rig.send("GET /c/next HTTP/1.0\r\n\r\n").answer().body, "1");
}

#[test]
fn row_65_extensions_and_trailers_are_ignored() {
    let rig = Rig::new();
    let body =
        "2;name=value;x=\"y\"\r\nab\r\n1 ; z\r\nc\r\n0;end\r\nTrailer: t\r\nOther: u\r\n\r\n";
    let mut publisher = rig.send(&(chunked("/c/0", "Trailer: Trailer\r\n") + body));
    assert_eq!(publisher.answer().told(), (200, Some("0"), None, ""));
    assert_eq!(rig.get("/c/0").body, "abc");
    publisher.send(&get("/c/next"));
    assert_eq!(publisher.answer().body, "1");
}

#[test]
fn row_65_other_transfer_codings_are_not_implemented() {
    let rig = Rig::new();
    let mut raw = rig.send(&request(
        "POST",
        "/c/0",
        "Transfer-Encoding: gzip, chunked\r\n",
    ));
    let answer = raw.answer();
    assert!(answer.status == 501 && answer.closes() && raw.is_closed());
}

#[test]
fn row_66_who_asks_for_100_continue_gets_it() {
    let rig = Rig::new();
    let mut raw = rig.send(&request(
        "POST",
        "/c/0",
        "Expect: 100-continue\r\nContent-Length: 2\r\n",
    ));
    assert_eq!(raw.head().status, 100);
    raw.send("ab");
    assert_eq!(raw.head().status, 200);
    let rig = Rig::with(|_| ());
    let mut refused = rig.send(&request(
        "POST",
        "/c/0",
        "Expect: 100-continue\r\nContent-Length: 2\r\n",
    ));
    assert_eq!(refused.head().status, 404);
}

#[test]
fn row_67_names_may_hold_almost_anything() {
    let rig = Rig::new();
    let long = "n".repeat(3000);
    for name in [
        "a%20b",
        "%C3%BC",
        "a;b",
        "a:b",
        "a@b",
        long.as_str(),
        "_x",
        "next",
        "a%2Fb",
        "%252F",
    ] {
        assert_eq!(rig.post(&format!("/{name}/0"), name).status, 200, "{name}");
        assert_eq!(rig.get(&format!("/{name}/0?query=/x/1")).body, name);
    }
    assert!(rig.hub.has("a/b") && rig.hub.has("a b") && rig.hub.has("%2F") && rig.hub.has("ü"));
    assert_eq!(rig.get("/%FF/0").status, 400);
}

#[test]
fn row_78_a_request_may_come_after_a_silence() {
    let rig = impatient();
    let mut publisher = Raw::connect(rig.addr);
    several_head_timeouts(&rig);
    publisher.send(&(chunked("/c/0", "Connection: close\r\n") + "2\r\nab\r\n0\r\n\r\n"));
    let answer = publisher.answer();
    assert!(answer.status == 200 && answer.closes() && publisher.is_closed());
}
