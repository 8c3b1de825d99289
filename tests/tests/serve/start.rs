//! `POST /live-video-to-video` (contract §1.3, §1.4; D4, D5, D19, D20, D43).

use std::{thread, time::Duration};

use framerill_tests::http::request;
use serde_json::{Value, json};

use crate::runner::{Runner, Stage, least};

/// Gateways give the whole call 5 s.
const GATEWAY: Duration = Duration::from_secs(5);

#[expect(clippy::disallowed_methods, reason = "driver: measures")]
fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let began = std::time::Instant::now();
    let it = run();
    (it, began.elapsed())
}

#[test]
fn a_start_is_handed_on_in_infers_words_and_answered_with_six_empty_strings() {
    let runner = Runner::well(Stage::new());
    let mut body = least();
    let more = json!({
        "control_url": "http://a/c", "events_url": "http://a/e", "model_id": "noop", "params": {"prompt": "x", "width": 512},
        "gateway_request_id": "r1", "manifest_id": "m1", "stream_id": "s1", "model": "ignored",
    });
    let all = more.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(all);
    let reply = runner.post(&body);
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.json(),
        json!({
            "subscribe_url": "", "publish_url": "", "control_url": "", "events_url": "", "request_id": "",
            "manifest_id": "",
        })
    );
    let starts = runner.starts();
    assert_eq!(starts.len(), 1);
    assert_eq!(
        starts[0]["body"],
        json!({
            "subscribe_url": "http://127.0.0.1:3389/in", "publish_url": "http://127.0.0.1:3389/out",
            "control_url": "http://a/c", "events_url": "http://a/e", "params": {"prompt": "x", "width": 512},
            "request_id": "r1", "manifest_id": "m1", "stream_id": "s1",
        })
    );
    let head = starts[0]["head"].as_str().expect("text");
    assert!(head.starts_with("post /api/live-video-to-video http/1.1"));
    assert!(head.contains("content-type: application/json"), "{head}");
}

#[test]
fn a_page_of_some_site_starts_nothing_on_loopback_under_any_name() {
    let json = ("Content-Type", "application/json");
    let body = least().to_string();
    let foreign = [
        ("Host", "evil.example:8000"),
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
    ];
    let post = |runner: &Runner, header| {
        let address = runner.address.replace("0.0.0.0", "127.0.0.1");
        let path = "/live-video-to-video/";
        request(&address, "POST", path, &[json, header], body.as_bytes())
    };
    let runner = Runner::well(Stage::new());
    for header in foreign {
        let reply = post(&runner, header);
        assert_eq!(reply.status, 400, "{header:?}");
        assert!(reply.msg().contains("loopback"), "{reply:?}");
    }
    assert!(runner.starts().is_empty());
    assert_eq!(post(&runner, ("Host", "localhost:8000")).status, 200);
    // A host that others reach has names of its own.
    let runner = Runner::well(Stage::new().env("HOST", "0.0.0.0"));
    assert_eq!(post(&runner, foreign[0]).status, 200);
}

#[test]
fn infer_is_told_until_when_the_caller_waits() {
    let runner = Runner::well(Stage::new());
    assert_eq!(runner.post(&least()).status, 200);
    let head = runner.starts()[0]["head"].clone();
    let head = head.as_str().expect("text");
    let by = head
        .lines()
        .find_map(|it| it.strip_prefix("framerill-answer-by: "));
    let by: u64 = by.and_then(|it| it.parse().ok()).expect("a time");
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let now = u64::try_from(now.tv_sec).expect("since the start") * 1000;
    assert!(
        (now.saturating_sub(30_000)..now + 5_000).contains(&by),
        "{by} at {now}"
    );
}

#[test]
fn d19_params_named_like_ids_stay_params() {
    let runner = Runner::well(Stage::new());
    let mut body = least();
    let params = json!({"request_id": "a", "manifest_id": "b", "stream_id": "c"});
    body["params"] = params.clone();
    assert_eq!(runner.post(&body).status, 200);
    let start = &runner.starts()[0]["body"];
    assert_eq!(start["params"], params);
    assert_eq!(start["request_id"], "");
}

#[test]
fn a_wrong_body_is_422_and_reaches_no_infer() {
    let runner = Runner::well(Stage::new());
    let reply = runner.post(&json!({"subscribe_url": "x", "params": 1}));
    assert_eq!(reply.status, 422);
    let input = json!({"subscribe_url": "x", "params": 1});
    assert_eq!(
        reply.json(),
        json!({"detail": [
            {"type": "missing", "loc": ["body", "publish_url"], "msg": "Field required", "input": input},
            {"type": "dict_type", "loc": ["body", "params"], "msg": "Input should be a valid dictionary", "input": 1},
        ]})
    );
    assert!(runner.starts().is_empty());
}

#[test]
fn the_token_is_asked_for_after_the_body_and_before_the_model() {
    let runner = Runner::well(Stage::new().env("AUTH_TOKEN", "hush"));
    let mut body = least();
    body["model_id"] = json!("other");
    let post = |authorization: Option<&str>, body: &Value| {
        let headers: Vec<_> = authorization
            .map(|it| ("Authorization", it))
            .into_iter()
            .collect();
        let body = body.to_string();
        let path = "/live-video-to-video";
        request(&runner.address, "POST", path, &headers, body.as_bytes())
    };
    assert_eq!(post(None, &json!({})).status, 422);
    for authorization in [
        None,
        Some("Bearer nope"),
        Some("Basic hush"),
        Some("Bearer"),
    ] {
        let reply = post(authorization, &body);
        assert_eq!(reply.status, 401, "{authorization:?}");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        assert_eq!(
            reply.json(),
            json!({"detail": {"msg": "Invalid bearer token."}})
        );
    }
    assert_eq!(post(Some("bEaReR hush"), &body).status, 400);
    assert_eq!(post(Some("Bearer hush"), &least()).status, 200);
    // The other routes ask nobody.
    assert_eq!(runner.get("/health").status, 200);
    assert_eq!(runner.get("/version").status, 200);
}

#[test]
fn another_model_is_400_and_an_empty_one_is_not_compared() {
    let runner = Runner::well(Stage::new());
    let mut body = least();
    body["model_id"] = json!("comfyui");
    let reply = runner.post(&body);
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.msg(),
        "pipeline configured with noop but called with comfyui."
    );
    body["model_id"] = json!("");
    assert_eq!(runner.post(&body).status, 200);
    assert_eq!(runner.starts().len(), 1);
}

#[test]
fn d4_infers_refusal_is_passed_on_at_once_with_its_words_and_asked_once() {
    let runner = Runner::well(Stage::new().behave(
        &json!({"start": {"code": 400, "body": "Error starting stream: width must be a multiple of 64"}}),
    ));
    let (reply, took) = timed(|| runner.post(&least()));
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.msg(),
        "Error during model execution: Error starting stream: width must be a multiple of 64."
    );
    assert_eq!(runner.starts().len(), 1);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn each_answer_of_infer_has_its_row_of_the_error_table() {
    let runner = Runner::well(Stage::new());
    let failed = "live-video-to-video pipeline error.";
    for (code, body, status, msg) in [
        (400, "", 400, "Error during model execution."),
        (
            500,
            "OutOfMemoryError: CUDA",
            500,
            "Out of memory error. Try reducing input image resolution.",
        ),
        (400, "CUDA out of memory", 500, "Out of memory."),
        (500, "ValueError: no", 400, failed),
        (500, "boom", 500, failed),
        (503, "busy", 500, failed),
    ] {
        runner.behave(&json!({"start": {"code": code, "body": body}}));
        let reply = runner.post(&least());
        assert_eq!(
            (reply.status, reply.msg().as_str()),
            (status, msg),
            "{body}"
        );
    }
}

#[test]
fn d5_d43_a_start_that_hangs_ends_in_time_and_holds_up_no_health() {
    let runner = Runner::well(Stage::new().behave(&json!({"start": "hang"})));
    let address = runner.address.clone();
    let body = least().to_string();
    let start = thread::spawn(move || {
        let path = "/live-video-to-video";
        timed(|| request(&address, "POST", path, &[], body.as_bytes()))
    });
    runner.until("infer has the start", || {
        (!runner.starts().is_empty()).then_some(())
    });
    while !start.is_finished() {
        let (health, took) = timed(|| runner.get("/health"));
        assert_eq!(health.json()["status"], "IDLE");
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    let (reply, took) = start.join().expect("it answers");
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.msg(),
        "Error during model execution: infer did not answer in time."
    );
    assert!(took < GATEWAY, "{took:?}");
    assert_eq!(runner.starts().len(), 1, "what was sent is not sent again");
}

#[test]
fn a_start_whose_infer_breaks_off_is_400_and_not_sent_again() {
    let runner = Runner::well(Stage::new().behave(&json!({"start": "drop"})));
    let reply = runner.post(&least());
    assert_eq!(reply.status, 400);
    assert!(
        reply
            .msg()
            .starts_with("Error during model execution: infer broke off"),
        "{reply:?}"
    );
    assert_eq!(runner.starts().len(), 1);
}

#[test]
fn a_start_that_kills_infer_is_sent_once_more_and_no_third_time() {
    let runner = Runner::well(Stage::new().behave(&json!({"start": "die"})));
    let reply = runner.post(&least());
    assert_eq!(reply.status, 400, "{reply:?}");
    assert_eq!(runner.starts().len(), 2);
    // Of the three restarts one is left.
    runner.behave(&json!({}));
    runner.infer(3);
    assert_eq!(runner.post(&least()).status, 200);
}

#[test]
fn an_infer_that_never_listens_is_400_within_the_gateways_time() {
    let runner = Stage::new().behave(&json!({"boot": "deaf"})).noop();
    runner.infer(1);
    let (reply, took) = timed(|| runner.post(&least()));
    assert_eq!(reply.status, 400);
    assert!(
        reply
            .msg()
            .starts_with("Error during model execution: cannot connect to infer"),
        "{reply:?}"
    );
    assert!(took > Duration::from_secs(3) && took < GATEWAY, "{took:?}");
}

#[test]
fn a_start_during_a_restart_waits_for_the_new_infer() {
    let runner = Runner::well(Stage::new());
    framerill_tests::process::kill_9(runner.infer(1)).expect("it runs");
    let reply = runner.post(&least());
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(runner.starts().len(), 1);
}

#[test]
fn d20_a_body_of_fifteen_megabytes_passes() {
    let runner = Runner::well(Stage::new());
    let mut body = least();
    body["params"] = json!({"image": "x".repeat(15 << 20)});
    assert_eq!(runner.post(&body).status, 200);
    let start = &runner.starts()[0]["body"];
    let image = start["params"]["image"].as_str().expect("text");
    assert_eq!(image.len(), 15 << 20);
}
