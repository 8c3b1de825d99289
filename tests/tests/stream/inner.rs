//! Infer's own port, which only this machine reaches.

use framerill_tests::http::{Answer, request};

use crate::rig::Rig;

/// Where infer says that it listens.
fn infer(rig: &Rig) -> String {
    let said = std::fs::read_to_string(rig.path("stderr.txt")).expect("a file");
    let line = said
        .lines()
        .find_map(|it| it.split_once("message=listening on "));
    line.expect("it says where").1.to_owned()
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
