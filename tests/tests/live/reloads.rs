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

use crate::scene::{FIRST, RATE, SOON, api, assert_nearly_all_there, bound, clip, verdict};

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

/// What `/v1/streams` tells of the only stream.
fn told(orchestrator: &Orchestrator, field: &str) -> Value {
    let streams = api(orchestrator, "GET", "/v1/streams", &json!({})).json();
    streams["streams"][0][field].clone()
}

fn params_status(orchestrator: &Orchestrator) -> Value {
    told(orchestrator, "params_status")
}

fn shown_params(orchestrator: &Orchestrator) -> Value {
    told(orchestrator, "params")
}

#[test]
fn a_model_that_is_loaded_anew_is_bridged_by_fillers_and_told_as_loading() {
    let Some((orchestrator, stream)) = started() else {
        return;
    };
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
    assert_eq!(params_status(&orchestrator), "reloading");
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
    stream.session.until_event("error", SOON, |event| {
        let message = event["message"].as_str();
        message.is_some_and(|it| it.contains("the last good ones are restored"))
    });
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
    let errors = said.matches("Error loading pipeline: ").count();
    assert_eq!(errors, 1, "{said}");
    let stream = orchestrator.stream("own", &clip, &json!({}));
    stream.viewer.until_more(RATE, FIRST);
    assert_comes_back(&orchestrator, &stream);
    let status = orchestrator.runner.status().expect("infer answers");
    assert_eq!(status["inference_status"]["restart_count"], 0);
    assert_eq!(shown_params(&orchestrator), json!({}));
}

#[test]
fn what_a_stream_brings_outlives_the_initial_parameters_that_gave_way() {
    let Some(clip) = clip() else { return };
    let setup = Setup::python("live", "Reloads");
    let setup = setup.flag("--initial-params", r#"{"model": "broken"}"#);
    // It comes while the first worker is still on its way to its failure.
    let orchestrator = Orchestrator::start(setup);
    let brought = json!({"seconds": 0.001});
    let stream = orchestrator.stream("brings", &clip, &brought);
    stream.viewer.until_more(RATE, SOON);
    assert_comes_back(&orchestrator, &stream);
    assert_eq!(shown_params(&orchestrator), brought);
    assert_eq!(params_status(&orchestrator), "applied");
}

#[test]
fn initial_parameters_that_gave_way_are_given_to_no_other_worker() {
    let Some(clip) = clip() else { return };
    let setup = Setup::python("live", "Reloads").flag("--capacity", "2");
    let setup = setup.flag("--initial-params", r#"{"model": "broken"}"#);
    let orchestrator = Orchestrator::idle(setup);
    let streams = ["prompt", "stream"].map(|binding| {
        let session = orchestrator.open(binding);
        let answer = bound(&orchestrator, &session, binding, &json!({}));
        assert_eq!(answer.status, 201, "{}", answer.text());
        orchestrator.watch(session, &clip)
    });
    for stream in &streams {
        stream.viewer.until_more(RATE, SOON);
        assert_comes_back(&orchestrator, stream);
    }
    let said = orchestrator.runner.said();
    assert_eq!(
        said.matches("Error loading pipeline: ").count(),
        1,
        "{said}"
    );
}
