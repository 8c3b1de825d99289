//! What a start may bring, and what it is answered.

use std::time::Duration;

use framerill_tests::live::{
    orchestrator::Orchestrator,
    runner::{Role, Setup},
    verdict::{Look, Verdict},
};
use serde_json::json;

use crate::scene::{
    FIRST, RATE, SOON, STOPPED, assert_nearly_all_finished, assert_nearly_all_there, clip, verdict,
};

#[test]
fn a_stream_runs_without_control_and_without_events() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let session = orchestrator.open("bare");
    let body = json!({
        "subscribe_url": orchestrator.channels.url("bare"),
        "publish_url": orchestrator.channels.url("bare-out"),
    });
    assert_eq!(orchestrator.post_body(&body).status, 200);
    let camera = framerill_tests::live::camera::Camera::start(
        &orchestrator.channels,
        "bare",
        &clip,
        &framerill_tests::live::camera::Options::default(),
    );
    let viewer =
        framerill_tests::live::viewer::Viewer::start(&orchestrator.channels, &session.output());
    viewer.until_more(3 * RATE, SOON);
    let size = clip.source.size;
    let seen = Verdict::of(&viewer.watched(), &camera.sent(), size, Look::Same);
    assert_nearly_all_finished(&seen, &orchestrator.runner);
    let none: [serde_json::Value; 0] = [];
    assert_eq!(session.events(), none);
}

#[test]
fn a_start_while_the_pipeline_loads_is_accepted_and_runs_when_it_is_loaded() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::start(Setup::python("live", "LoadsSlowly"));
    let stream = orchestrator.stream("early", &clip, &json!({}));
    // It leaves IDLE at once, and the orchestrator does not take it back.
    assert_ne!(orchestrator.runner.health(), "IDLE");
    stream.viewer.until_more(2 * RATE, SOON);
    let seen = verdict(&stream, Look::Negative);
    let finished = seen.count(framerill_tests::live::verdict::Kind::Finished);
    assert!(
        finished > RATE,
        "{finished}\n{}",
        orchestrator.runner.last_words()
    );
    assert_nearly_all_there(&seen, &orchestrator.runner, None);
}

#[test]
fn the_answer_to_a_start_has_its_six_keys_and_comes_within_300_ms() {
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    for round in 0..5 {
        let session = orchestrator.open(&format!("round-{round}"));
        let answer = orchestrator.post(&session, &json!({}));
        let keys = [
            "subscribe_url",
            "publish_url",
            "control_url",
            "events_url",
            "request_id",
            "manifest_id",
        ];
        let expected: serde_json::Map<_, _> = keys
            .map(|key| (key.to_owned(), json!("")))
            .into_iter()
            .collect();
        assert_eq!(answer.json(), json!(expected));
        assert!(
            answer.took < Duration::from_millis(300),
            "{round}: {:?}",
            answer.took
        );
        assert_ne!(orchestrator.runner.health(), "IDLE");
    }
}

#[test]
fn a_stream_without_any_input_is_idle_again_when_its_channel_is_deleted() {
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let session = orchestrator.open("silent");
    assert_eq!(orchestrator.post(&session, &json!({})).status, 200);
    session.until_event("runner_receive_stream_request", SOON, |_| true);
    assert_ne!(orchestrator.runner.health(), "IDLE");
    orchestrator.channels.delete(&session.name);
    orchestrator.runner.until_health(&["IDLE"], STOPPED);
    assert!(orchestrator.runner.find(Role::Media).is_none());
}

#[test]
fn the_next_stream_after_a_stop_is_as_good_as_the_first() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("invert"));
    let worker = orchestrator.runner.process(Role::Worker);
    for round in 0..2 {
        let stream = orchestrator.stream(&format!("round-{round}"), &clip, &json!({}));
        stream.viewer.until_more(2 * RATE, FIRST);
        assert_nearly_all_finished(&verdict(&stream, Look::Negative), &orchestrator.runner);
        stream.session.close();
        orchestrator.runner.until_health(&["IDLE"], STOPPED);
    }
    assert_eq!(orchestrator.runner.find(Role::Worker), Some(worker));
}
