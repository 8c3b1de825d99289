//! `/v1/streams` of the container: who may ask, what is handed on, and what is said while infer is away.

use framerill_tests::{
    http::{Answer, request},
    process::kill_9,
};
use serde_json::json;

use crate::{
    runner::{Runner, Stage},
    schema::{assert_is, openapi},
};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const ELSEWHERE: (&str, &str) = ("Origin", "http://elsewhere");
const BEARER: (&str, &str) = ("Authorization", "Bearer hush");

fn ask(runner: &Runner, verb: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    request(&runner.address, verb, path, headers, body.as_bytes())
}

fn least() -> String {
    json!({"source": "http://127.0.0.1:3389/in", "sink": "http://127.0.0.1:3389/out"}).to_string()
}

#[test]
fn everything_wants_the_token() {
    let runner = Runner::well(Stage::new().env("AUTH_TOKEN", "hush"));
    for (verb, path) in [
        ("POST", "/v1/streams"),
        ("PATCH", "/v1/streams/1"),
        ("DELETE", "/v1/streams/1"),
        ("POST", "/v1/streams/"),
        ("DELETE", "/v1/streams/1/"),
    ] {
        for headers in [&[JSON][..], &[JSON, ("Authorization", "Bearer hus")]] {
            let body = if verb == "DELETE" {
                String::new()
            } else {
                least()
            };
            let reply = ask(&runner, verb, path, headers, &body);
            assert_eq!(reply.status, 401, "{verb} {path}");
            assert_eq!(reply.msg(), "Invalid bearer token.");
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        }
        assert!(runner.asked().is_empty(), "infer was asked");
    }
    for path in [
        "/v1/streams",
        "/v1/streams/",
        "/v1/streams/7",
        "/v1/streams/7/",
    ] {
        assert_eq!(runner.get(path).status, 401, "{path}");
        assert_eq!(
            ask(&runner, "GET", path, &[BEARER], "").status,
            200,
            "{path}"
        );
    }
    let reply = ask(&runner, "POST", "/v1/streams", &[JSON, BEARER], &least());
    assert_eq!(reply.status, 200);
}

#[test]
fn a_name_that_some_site_has_made_this_machines_is_refused() {
    let runner = Runner::well(Stage::new());
    for (host, status) in [
        ("evil.example", 403),
        ("evil.example:8000", 403),
        ("localhost:8000", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
    ] {
        let reply = ask(&runner, "GET", "/v1/streams", &[("Host", host)], "");
        assert_eq!(reply.status, status, "{host}");
    }
}

#[test]
fn each_question_is_handed_on_as_it_is_and_its_answer_too() {
    let runner = Runner::well(Stage::new());
    let change = json!({"params": {"radius": 4}}).to_string();
    for (verb, path, body, status) in [
        ("GET", "/v1/streams", "", 200),
        ("GET", "/v1/streams/7/", "", 200),
        ("POST", "/v1/streams/", least().as_str(), 201),
        ("PATCH", "/v1/streams/7", &change, 202),
        ("DELETE", "/v1/streams/7", "", 202),
        ("POST", "/v1/streams", &least(), 400),
        ("GET", "/v1/streams/8", "", 404),
    ] {
        let said = json!({"detail": {"msg": format!("{verb} {path}")}});
        runner.behave(&json!({"streams": {"code": status, "body": said}}));
        let reply = ask(&runner, verb, path, &[JSON], body);
        assert_eq!(
            (reply.status, reply.json()),
            (status, said),
            "{verb} {path}"
        );
        let asked = runner.asked().pop().expect("infer was asked");
        let line = format!("{verb} {} http/1.1", path.trim_end_matches('/')).to_lowercase();
        assert_eq!(asked, json!({"line": line, "body": body}), "{verb} {path}");
    }
}

#[test]
fn only_a_number_goes_into_infers_path() {
    let runner = Runner::well(Stage::new());
    for path in [
        "/v1/streams/x",
        "/v1/streams/-1",
        "/v1/streams/1%2f..%2f2",
        "/v1/streams/1%3Fa",
    ] {
        let reply = runner.get(path);
        assert_eq!(reply.status, 404, "{path}");
        assert!(reply.msg().starts_with("there is no stream"), "{reply:?}");
    }
    assert!(runner.asked().is_empty());
}

#[test]
fn a_page_of_another_site_starts_nothing() {
    let runner = Runner::well(Stage::new());
    // What a browser sends without asking first.
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let kind = ("Content-Type", kind);
        let reply = ask(&runner, "POST", "/v1/streams", &[kind], &least());
        assert_eq!(reply.status, 415, "{kind:?}");
        assert!(reply.msg().contains("application/json"));
        for headers in [[kind, ELSEWHERE], [JSON, ELSEWHERE]] {
            let reply = ask(&runner, "POST", "/v1/streams", &headers, &least());
            assert_eq!(reply.status, 403, "{headers:?}");
        }
    }
    let reply = ask(&runner, "POST", "/v1/streams", &[], &least());
    assert_eq!(reply.status, 415);
    assert!(runner.asked().is_empty());
}

#[test]
fn a_body_beyond_16_mib_is_413() {
    let runner = Runner::well(Stage::new());
    let body = format!("{{\"source\": \"{}\"}}", "x".repeat(16 << 20));
    let reply = ask(&runner, "POST", "/v1/streams", &[JSON], &body);
    assert_eq!(reply.status, 413);
    assert!(runner.asked().is_empty());
}

#[test]
fn files_are_for_those_who_sit_at_the_machine_or_have_the_token() {
    let places = [
        (json!({"source": "clip.mp4", "sink": "http://a/out"}), true),
        (
            json!({"source": "http://a/in", "sink": "/tmp/out.ts"}),
            true,
        ),
        (
            json!({"source": "lavfi:testsrc2", "sink": "http://a/out"}),
            true,
        ),
        (
            json!({"source": "http://a/in", "sink": "http://a/out"}),
            false,
        ),
    ];
    for (host, token, reaches) in [
        ("127.0.0.1", "", true),
        ("0.0.0.0", "hush", true),
        ("0.0.0.0", "", false),
    ] {
        let stage = Stage::new().env("HOST", host).env("AUTH_TOKEN", token);
        let runner = Runner::well(stage);
        for (body, is_file) in &places {
            let headers = [JSON, BEARER];
            let reply = ask(&runner, "POST", "/v1/streams", &headers, &body.to_string());
            let expected = if *is_file && !reaches { 403 } else { 200 };
            assert_eq!(reply.status, expected, "{host} {token} {body}");
        }
    }
}

#[test]
fn no_spelling_of_a_file_or_code_walks_around_the_token() {
    let local = [
        r#"{"source":"/any/file","sink":"/any/x.ts","pipeline":null}"#,
        r#"{"source":"http://a/in","sink":"http://a/out","pipeline":"./mine.py"}"#,
        r#"{"source":"http://a/in","sink":"http://a/out","pipeline":"os:path"}"#,
        r#"{"source":"http://a/in","sink":"http://a/out","pipeline":"some.module"}"#,
        r#"{"source":"http://a/in","sink":"http://a/out","\u0070ipeline":"./mine.py"}"#,
    ];
    let wrong = [
        r#"{"source":"/any/file","source":"http://a/in","sink":"http://a/out"}"#,
        r#"{"source":"http://a/in","source":"/any/file","sink":"http://a/out"}"#,
        r#"{"source":"http://a/in","sink":"http://a/out","pipeline":"noop","pipeline":"./mine.py"}"#,
        r#"["/any/file","/any/x.ts"]"#,
        r#"[{"source":"/any/file","sink":"/any/x.ts"}]"#,
        r#"{"source":["/any/file"],"sink":"http://a/out"}"#,
        r#"{"source":{"source":"/any/file"},"sink":"http://a/out"}"#,
        r#"{"body":{"source":"/any/file","sink":"/any/x.ts"}}"#,
        r#"{"source":"/any/file","sink":"/any/x.ts","pipeline":["noop"]}"#,
        r#"{"source":"/any/file","sink":"/any/x.ts","pipeline":{"name":"noop"}}"#,
        r#"{"source":"/any/file","sink":"/any/x.ts","max_fps":"24"}"#,
        r#"{"source":"/any/file","sink":"/any/x.ts","more":1}"#,
        r#"{"source":"/any/file","sink":"/any/x.ts"} x"#,
        r#"{"source":null,"sink":"/any/x.ts"}"#,
        r#"{"source":"file:///any/file","sink":"http://a/out"}"#,
    ];
    let runner = Runner::well(Stage::new().env("HOST", "0.0.0.0"));
    let bodies = local.map(|it| (it, 403)).into_iter();
    for (body, status) in bodies.chain(wrong.map(|it| (it, 422))) {
        let reply = ask(&runner, "POST", "/v1/streams", &[JSON], body);
        assert_eq!(reply.status, status, "{body}: {reply:?}");
        assert_is(&reply.json(), "StreamError");
    }
    assert!(runner.asked().is_empty(), "infer was asked");
}

#[test]
fn while_infer_is_away_it_is_503_with_a_reason() {
    let runner = Stage::new().behave(&json!({"boot": "deaf"})).noop();
    runner.infer(1);
    let away = runner.get("/v1/streams");
    assert_eq!(away.status, 503);
    assert_eq!(away.header("retry-after"), Some("1"));
    assert!(away.msg().contains("infer"), "{away:?}");
    assert_is(&away.json(), "StreamError");
    runner.behave(&json!({}));
    kill_9(runner.infer(1)).expect("it runs");
    let back = runner.until("infer is back", || {
        let reply = ask(&runner, "POST", "/v1/streams", &[JSON], &least());
        match reply.status {
            503 => {
                assert!(!reply.msg().is_empty());
                None
            }
            status => Some(status),
        }
    });
    assert_eq!(back, 200);
}

#[test]
fn an_infer_that_breaks_off_or_hangs_has_statuses_of_its_own() {
    let runner = Runner::well(Stage::new());
    runner.behave(&json!({"streams": "drop"}));
    assert_eq!(runner.get("/v1/streams").status, 503);
    let post = || ask(&runner, "POST", "/v1/streams", &[JSON], &least());
    assert_eq!(post().status, 502);
    runner.behave(&json!({"streams": "hang"}));
    let late = post();
    assert_eq!(late.status, 504);
    assert!(late.msg().contains("in time"));
    runner.behave(&json!({"streams": {"code": 200, "body": "no json"}}));
    assert_eq!(runner.get("/v1/streams").status, 502);
}

#[test]
fn the_description_names_token_and_operations_of_streams() {
    let api = openapi();
    let (all, one) = (
        &api["paths"]["/v1/streams"],
        &api["paths"]["/v1/streams/{id}"],
    );
    let bearer = json!([{"HTTPBearer": []}]);
    for (operation, id) in [
        (&all["post"], "createStream"),
        (&one["patch"], "changeStream"),
        (&one["delete"], "stopStream"),
        (&all["get"], "listStreams"),
        (&one["get"], "getStream"),
    ] {
        assert_eq!(
            (&operation["operationId"], &operation["security"]),
            (&json!(id), &bearer)
        );
    }
}
