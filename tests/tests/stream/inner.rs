//! Infer's own port, which only this machine reaches.

use std::io::Write;

use framerill_tests::http::{Answer, connect, read_answer, request};

use crate::rig::Rig;

/// Where infer says that it listens.
fn infer(rig: &Rig) -> String {
    rig.until("infer says where it listens", || {
        let said = std::fs::read_to_string(rig.path("stderr.txt")).expect("a file");
        let mut lines = said.lines();
        let line = lines.find_map(|it| it.split_once("message=listening on "));
        line.map(|(_, addr)| addr.to_owned())
    })
}

fn post(to: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
    request(to, "POST", path, &[("Content-Type", kind)], body)
}

#[test]
fn a_body_that_is_too_long_is_read_and_answered() {
    let rig = Rig::ready(&[]);
    let infer = infer(&rig);
    let long = vec![b' '; 40 << 20];
    let json = "application/json";
    for (path, status, word) in [
        ("/api/live-video-to-video", 400, "Error starting stream: "),
        ("/api/params", 400, "Error updating params: "),
        ("/v1/streams", 413, "{\"detail\":"),
    ] {
        let reply = post(&infer, path, json, &long);
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        let text = reply.text();
        assert!(text.starts_with(word), "{text}");
        assert!(text.contains("at most 20971520 bytes"), "{text}");
    }
    // As long as it may be, it is only no JSON.
    let reply = post(&infer, "/v1/streams", json, &long[..20 << 20]);
    assert_eq!(reply.status, 422, "{reply:?}");
}

#[test]
fn a_page_of_some_site_is_answered_nowhere_under_any_name() {
    let rig = Rig::ready(&["--capacity", "2"]);
    let infer = infer(&rig);
    let json = ("Content-Type", "application/json");
    let port = infer.rsplit_once(':').expect("a port").1;
    let urls = [rig.channel("in"), rig.channel("out")];
    let start = format!(
        r#"{{"subscribe_url": "{}", "publish_url": "{}"}}"#,
        urls[0], urls[1]
    );
    let code = format!(
        r#"{{"source": "{}", "sink": "{}", "pipeline": "./mine.py"}}"#,
        urls[0], urls[1]
    );
    for (verb, path, body) in [
        ("POST", "/api/live-video-to-video", start.as_str()),
        ("POST", "/api/params", "{}"),
        ("GET", "/api/status", ""),
        ("GET", "/metrics", ""),
        ("GET", "/readyz", ""),
        ("GET", "/v1/streams", ""),
        ("POST", "/v1/streams/", &code),
        ("PATCH", "/v1/streams/1", r#"{"params": {}}"#),
        ("DELETE", "/v1/streams/1", ""),
        ("GET", "/elsewhere", ""),
    ] {
        for foreign in [
            ("Host", "evil.example"),
            ("Host", &format!("evil.example:{port}")),
            ("Origin", "http://evil.example"),
            ("Origin", "null"),
        ] {
            let reply = request(&infer, verb, path, &[json, foreign], body.as_bytes());
            assert_eq!(reply.status, 403, "{verb} {path} {foreign:?}: {reply:?}");
        }
    }
    let streams = request(&infer, "GET", "/v1/streams", &[], b"").json();
    assert_eq!(streams["streams"].as_array().map(Vec::len), Some(0));
    for own in [
        ("Host", format!("localhost:{port}")),
        ("Host", "[::1]".to_owned()),
        ("Origin", format!("http://localhost:{port}")),
    ] {
        let own = (own.0, own.1.as_str());
        let reply = request(&infer, "GET", "/api/status", &[own], b"");
        assert_eq!(reply.status, 200, "{own:?}");
    }
    // HTTP/1.0 names no host.
    let mut raw = connect(&infer);
    raw.write_all(b"GET /api/status HTTP/1.0\r\n\r\n")
        .expect("it listens");
    assert_eq!(read_answer(&mut raw).expect("an answer").status, 200);
}

#[test]
fn a_start_is_an_object_and_of_a_field_that_comes_twice_the_last_counts() {
    let rig = Rig::ready(&[]);
    let (infer, path) = (infer(&rig), "/api/live-video-to-video");
    let json = "application/json";
    let [source, sink] = [rig.channel("in"), rig.channel("out")];
    let array = format!(r#"["{source}", "{sink}", "", "", {{}}, "", "", ""]"#);
    for body in ["[]", "null", "7", &array] {
        let reply = post(&infer, path, json, body.as_bytes());
        assert_eq!(reply.status, 400, "{body}");
        assert_eq!(
            reply.text(),
            "Error starting stream: the body should be a JSON object"
        );
    }
    let twice = format!(
        r#"{{"subscribe_url": null, "subscribe_url": "{source}", "publish_url": "{sink}"}}"#
    );
    let reply = post(&infer, path, json, twice.as_bytes());
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[test]
fn another_type_is_refused_in_the_contracts_words() {
    let rig = Rig::ready(&[]);
    let infer = infer(&rig);
    for (path, status) in [
        ("/api/live-video-to-video", 400),
        ("/api/params", 400),
        ("/v1/streams", 415),
    ] {
        let reply = post(&infer, path, "text/plain", b"{}");
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        let said = "Unknown content type: text/plain";
        assert!(reply.text().contains(said), "{}", reply.text());
    }
}
