//! Parameters that kill a worker, that load its model anew, and that come from a file.

use framerill_tests::{
    live::{orchestrator::Orchestrator, runner::Setup, verdict::Look},
    wait_until,
};
use serde_json::{Value, json};

use crate::scene::{FIRST, RATE, SOON, assert_whole, clip, film_changed, verdict};

fn says(event: &Value, what: &str) -> bool {
    event["message"]
        .as_str()
        .is_some_and(|it| it.contains(what))
}

/// A second of parameters that hold, so that they are the good ones, and then some that kill.
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
    stream.viewer.until_more(2 * RATE, SOON);
    let seen = verdict(&stream, Look::Negative);
    assert_whole(&seen, &orchestrator.runner, None);
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
    assert_whole(&seen, &orchestrator.runner, None);
    assert!(
        !seen.fillers().is_empty(),
        "a second without a finished picture"
    );
    let status = orchestrator.runner.status().expect("infer answers");
    assert_eq!(status["inference_status"]["restart_count"], 0);
}

#[test]
fn parameters_come_from_a_watched_file_and_are_told_where_that_is_asked_for() {
    let Some(clip) = clip() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("params.json");
    let setup = Setup::python("live", "Tuned")
        .flag("--params-file", file.to_str().expect("a name"))
        .variable("FRAMERILL_PARAMS_EVENTS", "true");
    let orchestrator = Orchestrator::idle(setup);
    let session = orchestrator.open("file");
    let stream = film_changed(&orchestrator, session, &clip, |_| {});
    stream.viewer.until_more(RATE, FIRST);
    std::fs::write(&file, json!({"negative": true}).to_string()).expect("a file");
    let told = stream
        .session
        .until_event("params_update", SOON, |it| it["params"]["negative"] == true);
    assert_eq!(told["status"], "applied");
    stream.viewer.until_more(2 * RATE, SOON);
    let seen = verdict(&stream, Look::Negative);
    let last = seen.shown.last().expect("pictures");
    assert_eq!(last.kind, framerill_tests::live::verdict::Kind::Finished);
}
