//! What infer comes to when its caller has gone is not done: a caller that was told so counts on it.

use std::{thread, time::Duration};

use framerill_tests::{
    http::{self, Answer},
    live::{
        orchestrator::Orchestrator,
        runner::{Role, Runner, Setup, halt, signal},
    },
};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::scene::{SOON, STOPPED};

/// An answer that says that there is none; infer's own comes sooner.
const LATE: Duration = Duration::from_secs(6);

fn ask(runner: &Runner, verb: &str, path: &str, body: &Value) -> Answer {
    let json = [("Content-Type", "application/json")];
    let body = body.to_string();
    http::send(&runner.address, verb, path, &json, body.as_bytes(), LATE)
        .unwrap_or_else(|error| panic!("{verb} {path}: {error}\n{}", runner.last_words()))
}

/// The numbers of the streams that run, and of those whether one ends.
fn streams(runner: &Runner) -> Vec<(u64, bool)> {
    let list = ask(runner, "GET", "/v1/streams", &Value::Null).json();
    let each = list["streams"].as_array().expect("streams").iter();
    each.map(|it| {
        let id = it["id"].as_u64().expect("a number");
        (id, it["is_ending"] == json!(true))
    })
    .collect()
}

/// Asks for everything that changes something while infer stands still: nothing of it is done afterwards.
fn nothing_is_done_late(capacity: &str) {
    let setup = Setup::pipeline("noop").flag("--capacity", capacity);
    let orchestrator = Orchestrator::idle(setup);
    let runner = &orchestrator.runner;
    let good = orchestrator.open("good");
    assert_eq!(orchestrator.post(&good, &json!({})).status, 200);
    good.until_event("runner_receive_stream_request", SOON, |_| true);
    let before = streams(runner);
    let [(id, false)] = before[..] else {
        panic!("one stream, not {before:?}");
    };
    let (bad, worse) = (orchestrator.open("bad"), orchestrator.open("worse"));
    let url = |suffix: &str| orchestrator.channels.url(&format!("worse{suffix}"));
    let created = json!({"source": url(""), "sink": url("-out"), "events_url": url("-events")});
    let (one, given) = (format!("/v1/streams/{id}"), json!({"params": {"late": 1}}));
    let asked = [
        ("POST", "/live-video-to-video", bad.request(&json!({})), 400),
        ("POST", "/v1/streams", created, 504),
        ("PATCH", one.as_str(), given, 504),
        ("DELETE", one.as_str(), json!({}), 504),
    ];
    let infer = runner.process(Role::Infer);
    halt(infer);
    thread::scope(|scope| {
        let asked = asked.iter().map(|(verb, path, body, status)| {
            scope.spawn(move || {
                let answer = ask(runner, verb, path, body);
                assert_eq!(answer.status, *status, "{verb} {path}: {}", answer.text());
                assert!(answer.msg().contains("in time"), "{}", answer.text());
            })
        });
        for it in asked.collect::<Vec<_>>() {
            it.join().expect("it is late");
        }
    });
    signal(infer, Signal::CONT);
    let refused = framerill_tests::wait_until(SOON, || {
        runner.said().matches("waits no longer").count() >= asked.len()
    });
    assert!(refused, "{}", runner.last_words());
    assert_eq!(streams(runner), before, "{}", runner.last_words());
    assert_eq!(runner.process(Role::Infer), infer);
    let none: [Value; 0] = [];
    assert_eq!(
        (bad.events(), worse.events()),
        (none.to_vec(), none.to_vec())
    );
    let view = ask(runner, "GET", &one, &Value::Null).json();
    assert_eq!(view["params"], json!({}), "{view}");
    // Who waits is served again.
    assert_eq!(ask(runner, "DELETE", &one, &json!({})).status, 202);
    runner.until_health(&["IDLE"], STOPPED);
}

#[test]
fn a_start_that_was_refused_as_late_replaces_nothing() {
    nothing_is_done_late("1");
}

#[test]
fn what_was_refused_as_late_is_not_begun_beside_what_runs_either() {
    nothing_is_done_late("3");
}

#[test]
fn a_start_whose_caller_waits_no_longer_when_it_could_begin_replaces_nothing() {
    let orchestrator = Orchestrator::idle(Setup::pipeline("blur"));
    let runner = &orchestrator.runner;
    let good = orchestrator.open("good");
    assert_eq!(orchestrator.post(&good, &json!({})).status, 200);
    good.until_event("runner_receive_stream_request", SOON, |_| true);
    let before = streams(runner);
    let late = orchestrator.open("late");
    let body = late.request(&json!({"radius": 7})).to_string();
    let inner = runner.inner().expect("infer runs");
    // Infer asks its worker about the parameters, and begins without an answer 1.5 s later: nobody waits any more then.
    let worker = runner.process(Role::Worker);
    halt(worker);
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let by = now.tv_sec * 1000 + now.tv_nsec / 1_000_000 + 1000;
    let headers = [
        ("Content-Type", "application/json"),
        ("Framerill-Answer-By", &by.to_string()),
    ];
    let path = "/api/live-video-to-video";
    let answer = http::send(&inner, "POST", path, &headers, body.as_bytes(), LATE);
    let answer = answer.expect("it answers");
    signal(worker, Signal::CONT);
    let is_refused = answer.status == 400 && answer.text().contains("waits no longer");
    assert!(is_refused, "{}\n{}", answer.text(), runner.last_words());
    assert_eq!(streams(runner), before, "{}", runner.last_words());
    assert_eq!(late.events(), Vec::<Value>::new());
}
