//! Models that are loaded anew while a stream runs, and what becomes of it when that fails.

use framerill_tests::{
    live::{
        orchestrator::{Orchestrator, Stream},
        runner::{Role, Setup},
        verdict::Look,
    },
    process::kill_9,
    wait_until,
};
use serde_json::{Value, json};

use crate::scene::{FIRST, RATE, SOON, api, assert_nearly_all_there, clip, verdict};

fn started() -> Option<(Orchestrator, Stream)> {
    let clip = clip()?;
    let orchestrator = Orchestrator::idle(Setup::python("live", "Reloads"));
    let stream = orchestrator.stream("reloads", &clip, &json!({}));
    stream.viewer.until_more(RATE, FIRST);
    Some((orchestrator, stream))
}

/// Until its pipeline finishes every picture again, and every pts was there meanwhile.
fn assert_comes_back(orchestrator: &Orchestrator, stream: &Stream) {
    let is_back = || {
        stream.viewer.until_more(RATE, SOON);
        verdict(stream, Look::Negative).ends_finished(RATE)
    };
    let well = wait_until(SOON, is_back);
    assert!(well, "{}", orchestrator.runner.last_words());
    let seen = verdict(stream, Look::Negative);
    assert_nearly_all_there(&seen, &orchestrator.runner, None);
}

fn params_status(orchestrator: &Orchestrator) -> Value {
    let streams = api(orchestrator, "GET", "/v1/streams", &json!({})).json();
    streams["streams"][0]["params_status"].clone()
}

#[test]
fn a_model_that_is_loaded_anew_is_bridged_by_fillers_and_told_as_loading() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::python("live", "Reloads"));
    let stream = orchestrator.stream("reloads", &clip, &json!({}));
    stream.viewer.until_more(RATE, FIRST);
    stream.session.say(&json!({"model": "second"}));
    orchestrator.runner.until_state("LOADING", SOON);
    let is_back = || {
        orchestrator
            .runner
            .state()
            .is_some_and(|it| it != "LOADING")
    };
    assert!(wait_until(SOON, is_back));
    stream.viewer.until_more(2 * RATE, SOON);
    let seen = verdict(&stream, Look::Negative);
    assert_nearly_all_there(&seen, &orchestrator.runner, None);
    assert!(
        !seen.fillers().is_empty(),
        "a second without a finished picture"
    );
    let status = orchestrator.runner.status().expect("infer answers");
    assert_eq!(status["inference_status"]["restart_count"], 0);
}

#[test]
fn a_worker_that_is_killed_while_it_reloads_is_replaced_and_finishes_pictures() {
    let Some((orchestrator, stream)) = started() else {
        return;
    };
    let runner = &orchestrator.runner;
    stream.session.say(&json!({"model": "second"}));
    runner.until_state("LOADING", SOON);
    kill_9(runner.process(Role::Worker)).expect("it runs");
    stream.session.until_event("restart", SOON, |_| true);
    assert_comes_back(&orchestrator, &stream);
    assert_eq!(params_status(&orchestrator), "applied");
}

#[test]
fn a_reload_that_raises_ends_with_the_good_parameters_and_with_pictures() {
    let Some((orchestrator, stream)) = started() else {
        return;
    };
    stream.session.say(&json!({"model": "broken"}));
    let is_told = |what: &'static str| {
        move |event: &Value| {
            let message = event["message"].as_str();
            message.is_some_and(|it| it.contains(what))
        }
    };
    stream
        .session
        .until_event("error", SOON, is_told("the last good ones are restored"));
    assert_comes_back(&orchestrator, &stream);
    assert_eq!(params_status(&orchestrator), "quarantined");
}

#[test]
fn what_replaced_a_set_whose_reload_hangs_is_what_the_next_worker_gets() {
    let Some((orchestrator, stream)) = started() else {
        return;
    };
    let runner = &orchestrator.runner;
    stream.session.say(&json!({"model": "endless"}));
    runner.until_state("LOADING", SOON);
    stream
        .session
        .say(&json!({"model": "first", "seconds": 0.001}));
    let is_queued = || params_status(&orchestrator) == "queued";
    assert!(wait_until(SOON, is_queued));
    kill_9(runner.process(Role::Worker)).expect("it runs");
    assert_comes_back(&orchestrator, &stream);
    assert_eq!(params_status(&orchestrator), "applied");
    let status = runner.status().expect("infer answers");
    assert_eq!(status["inference_status"]["restart_count"], 1);
}

#[test]
fn initial_parameters_whose_load_raises_give_way_to_the_pipelines_own() {
    let Some(clip) = clip() else { return };
    let setup = Setup::python("live", "Reloads");
    let setup = setup.flag("--initial-params", r#"{"model": "broken"}"#);
    let orchestrator = Orchestrator::idle(setup);
    let said = orchestrator.runner.said();
    let errors = ["Error loading pipeline: ", "the model is not there"];
    assert!(errors.iter().all(|it| said.contains(it)), "{said}");
    let stream = orchestrator.stream("own", &clip, &json!({}));
    stream.viewer.until_more(RATE, FIRST);
    assert_comes_back(&orchestrator, &stream);
}
