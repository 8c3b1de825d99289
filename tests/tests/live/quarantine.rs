//! Parameters and pictures that kill a worker, models that are loaded anew, and workers that streams share.

use framerill_tests::{
    live::{
        orchestrator::{Orchestrator, Session, Stream},
        runner::Setup,
        verdict::Look,
    },
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

/// A stream of our own API that shares its worker.
fn shared(orchestrator: &Orchestrator, session: &Session, width: u32) -> u16 {
    let request = session.request(&json!({}));
    let body = json!({
        "source": request["subscribe_url"], "sink": request["publish_url"], "events_url": request["events_url"],
        "binding": "shared", "params": {"width": width, "height": 512},
    });
    orchestrator.runner.inner_post("/v1/streams", &body).status
}

#[test]
fn a_stream_whose_pictures_kill_a_shared_worker_twice_gets_one_of_its_own() {
    let Some(clip) = clip() else { return };
    let setup = Setup::python("live", "Shared").flag("--capacity", "2");
    let orchestrator = Orchestrator::idle(setup.flag("--max-restarts", "10"));
    let (well, deadly) = (orchestrator.open("well"), orchestrator.open("deadly"));
    assert_eq!(shared(&orchestrator, &well, 512), 201);
    let film = |session: Session| -> Stream { orchestrator.watch(session, &clip) };
    let well = film(well);
    well.viewer.until_more(RATE, FIRST);
    assert_eq!(shared(&orchestrator, &deadly, 576), 201);
    let deadly = film(deadly);
    deadly
        .session
        .until_event("error", 2 * SOON, |it| says(it, "a worker of its own now"));
    let restarts = |stream: &Stream| stream.session.events_of("restart").len();
    let before = restarts(&well);
    let died_again = || restarts(&deadly) > before + 1;
    assert!(
        wait_until(SOON, died_again),
        "{}",
        orchestrator.runner.last_words()
    );
    assert_eq!(restarts(&well), before, "its worker is another one now");
    well.viewer.until_more(RATE, SOON);
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
