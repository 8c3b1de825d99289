//! Parameters that kill a worker.

use framerill_tests::{
    live::{
        orchestrator::{Orchestrator, Stream},
        runner::Setup,
        verdict::Look,
    },
    wait_until,
};
use serde_json::{Value, json};

use crate::scene::{RATE, SOON, api, assert_nearly_all_there, bound, clip, verdict};

fn says(event: &Value, what: &str) -> bool {
    event["message"]
        .as_str()
        .is_some_and(|it| it.contains(what))
}

/// Until its pipeline finishes every picture again.
fn until_restored(orchestrator: &Orchestrator, stream: &Stream) {
    let is_restored = || {
        stream.viewer.until_more(RATE, SOON);
        verdict(stream, Look::Negative).ends_finished(RATE)
    };
    let well = wait_until(SOON, is_restored);
    assert!(well, "{}", orchestrator.runner.last_words());
}

/// Twelve seconds of parameters that hold, so that they are the good ones, and then some that kill.
#[test]
fn parameters_that_kill_the_worker_twice_are_quarantined_and_the_good_ones_restored() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::python("live", "Dies"));
    let stream = orchestrator.stream("deadly", &clip, &json!({"seconds": 0.001}));
    // Good is what the worker lived with for ten seconds.
    stream.viewer.until_more(12 * RATE, 2 * SOON);
    stream
        .session
        .say(&json!({"seconds": 0.001, "deadly": true}));
    let quarantined = stream
        .session
        .until_event("error", SOON, |it| says(it, "quarantined"));
    assert!(says(&quarantined, "restored"), "{quarantined}");
    until_restored(&orchestrator, &stream);
    let seen = verdict(&stream, Look::Negative);
    assert_nearly_all_there(&seen, &orchestrator.runner, None);
    let status = orchestrator.runner.status().expect("infer answers");
    assert_eq!(status["inference_status"]["restart_count"], 2);
    stream
        .session
        .say(&json!({"seconds": 0.001, "deadly": true}));
    stream.session.until_event("error", SOON, |it| {
        says(it, "they are quarantined: the worker")
    });
    let status = orchestrator.runner.status().expect("infer answers");
    assert_eq!(status["inference_status"]["restart_count"], 2);
}

/// What killed the worker of one stream twice is known when the next one brings it.
#[test]
fn a_start_with_quarantined_parameters_runs_without_them_and_kills_nothing() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::python("live", "Dies"));
    let deadly = json!({"seconds": 0.001, "deadly": true});
    let first = orchestrator.stream("first", &clip, &deadly);
    first
        .session
        .until_event("error", 2 * SOON, |it| says(it, "quarantined"));
    first.viewer.until_more(RATE, SOON);
    let second = orchestrator.stream("second", &clip, &deadly);
    second.session.until_event("error", SOON, |it| {
        says(it, "they are quarantined: the worker")
    });
    second.viewer.until_more(2 * RATE, SOON);
    let none: [Value; 0] = [];
    assert_eq!(second.session.events_of("restart"), none);
    let streams = api(&orchestrator, "GET", "/v1/streams", &json!({})).json();
    let told = streams["streams"].as_array().expect("a list").iter();
    let told: Vec<_> = told.filter(|it| it["is_ending"] == false).collect();
    assert_eq!(told[0]["params_status"], "quarantined", "{streams}");
    orchestrator.runner.until_health(&["OK"], SOON);
}

/// The stream that brought them leaves the worker that it shares; whoever only shared it stays.
#[test]
fn parameters_that_kill_a_shared_worker_are_those_of_the_stream_that_brought_them() {
    let Some(clip) = clip() else { return };
    let setup = Setup::python("live", "SharedDies").flag("--capacity", "2");
    let orchestrator = Orchestrator::idle(setup);
    let start = |name: &str| {
        let session = orchestrator.open(name);
        let made = bound(
            &orchestrator,
            &session,
            "shared",
            &json!({"seconds": 0.001}),
        );
        assert_eq!(made.status, 201, "{}", made.text());
        let path = format!("/v1/streams/{}", made.json()["id"]);
        let stream = orchestrator.watch(session, &clip);
        stream.viewer.until_more(RATE, SOON);
        (stream, path)
    };
    let (innocent, _) = start("innocent");
    let (guilty, path) = start("guilty");
    let deadly = json!({"params": {"seconds": 0.001, "deadly": true}});
    assert!(api(&orchestrator, "PATCH", &path, &deadly).status < 300);
    let told = guilty
        .session
        .until_event("error", 2 * SOON, |it| says(it, "quarantined"));
    assert!(
        says(&told, "restored") && says(&told, "of its own now"),
        "{told}"
    );
    for stream in [&innocent, &guilty] {
        until_restored(&orchestrator, stream);
    }
    let of_innocent = innocent.session.events_of("error");
    let moved = of_innocent.iter().filter(|it| says(it, "of its own now"));
    assert_eq!(moved.count(), 0, "{of_innocent:?}");
}

/// A worker of its own has nothing older to go back to than the pipeline's initial parameters.
#[test]
fn parameters_that_kill_the_worker_bound_to_them_cost_neither_stream_nor_seat() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::python("live", "Dies"));
    let session = orchestrator.open("bound");
    let deadly = json!({"seconds": 0.001, "deadly": true});
    let made = bound(&orchestrator, &session, "prompt", &deadly);
    assert_eq!(made.status, 201, "{}", made.text());
    let stream = orchestrator.watch(session, &clip);
    let quarantined = stream
        .session
        .until_event("error", 2 * SOON, |it| says(it, "quarantined"));
    assert!(says(&quarantined, "restored"), "{quarantined}");
    until_restored(&orchestrator, &stream);
    let status = orchestrator.runner.status().expect("infer answers");
    assert_eq!(status["inference_status"]["restart_count"], 2);
    orchestrator.runner.until_health(&["OK"], SOON);
}
