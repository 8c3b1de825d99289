//! Pipelines whose pictures come out on their own time (runner contract §9.2).

use framerill_tests::{
    live::{
        orchestrator::{Orchestrator, Stream},
        runner::{Role, Setup},
        verdict::{Kind, Look},
    },
    wait_until,
};
use serde_json::json;

use crate::scene::{
    FIRST, RATE, SOON, assert_nearly_all_finished, assert_nearly_all_there, clip, stop, verdict,
};

fn started(class: &str) -> Option<(Orchestrator, Stream)> {
    let clip = clip()?;
    let orchestrator = Orchestrator::idle(Setup::python("decoupled", class));
    let stream = orchestrator.stream("decoupled", &clip, &json!({}));
    stream.viewer.until_more(RATE, FIRST);
    Some((orchestrator, stream))
}

fn assert_no_restart(orchestrator: &Orchestrator) {
    let status = orchestrator.runner.status().expect("infer answers");
    assert_eq!(status["inference_status"]["restart_count"], 0);
}

/// Until every picture is finished again.
fn assert_comes_back(orchestrator: &Orchestrator, stream: &Stream) {
    let is_back = || {
        stream.viewer.until_more(RATE, SOON);
        verdict(stream, Look::Negative).ends_finished(RATE)
    };
    assert!(
        wait_until(SOON, is_back),
        "{}",
        orchestrator.runner.last_words()
    );
}

#[test]
fn frames_that_are_kept_inside_come_out_in_their_places() {
    let Some((orchestrator, stream)) = started("Queued") else {
        return;
    };
    stream.viewer.until_more(4 * RATE, SOON);
    assert_nearly_all_finished(&verdict(&stream, Look::Negative), &orchestrator.runner);
    assert_no_restart(&orchestrator);
    // What is kept inside is not hung, however long nothing comes.
    stop(&orchestrator, &stream);
    assert!(orchestrator.runner.find(Role::Worker).is_some());
}

#[test]
fn one_that_gives_nothing_while_frames_come_is_hung() {
    let Some(clip) = clip() else { return };
    let setup = Setup::python("decoupled", "Stops").flag("--max-frame-time", "2");
    let orchestrator = Orchestrator::idle(setup);
    let stream = orchestrator.stream("stops", &clip, &json!({}));
    stream.viewer.until_more(RATE / 2, FIRST);
    stream.session.until_event("restart", SOON, |_| true);
    assert!(
        orchestrator
            .runner
            .said()
            .contains("frames waited and none was answered in time"),
        "{}",
        orchestrator.runner.last_words()
    );
}

#[test]
fn several_pictures_for_one_frame_share_the_time_up_to_the_next() {
    let Some((orchestrator, stream)) = started("Twice") else {
        return;
    };
    stream.viewer.until_more(6 * RATE, SOON);
    let seen = verdict(&stream, Look::Negative);
    assert_eq!(seen.not_rising, [0; 0]);
    // The second one of each is at a time that was not sent.
    let (finished, between) = (seen.count(Kind::Finished), seen.count(Kind::Unsent));
    assert!(
        finished > 2 * RATE && between.abs_diff(finished) <= 1 + finished / 10,
        "{finished} at their times, {between} between\n{}",
        orchestrator.runner.last_words()
    );
    assert_no_restart(&orchestrator);
}

#[test]
fn an_update_that_answers_with_a_task_is_bridged_by_an_overlay_and_told_as_loading() {
    let Some((orchestrator, stream)) = started("Echo") else {
        return;
    };
    stream.session.say(&json!({"model": "second"}));
    orchestrator.runner.until_state("LOADING", SOON);
    let is_back = || {
        let state = orchestrator.runner.state();
        state.is_some_and(|it| it != "LOADING")
    };
    assert!(wait_until(SOON, is_back));
    assert_comes_back(&orchestrator, &stream);
    let seen = verdict(&stream, Look::Negative);
    assert_nearly_all_there(&seen, &orchestrator.runner, None);
    let bridged: i64 = seen.fillers().iter().map(|(_, ticks)| ticks).sum();
    assert!(
        bridged > 135_000,
        "two seconds, and not {:?}",
        seen.fillers()
    );
    assert_no_restart(&orchestrator);
}

#[test]
fn a_task_that_fails_costs_the_worker_and_the_good_parameters_come_back() {
    let Some((orchestrator, stream)) = started("Echo") else {
        return;
    };
    stream.session.say(&json!({"model": "broken"}));
    stream.session.until_event("error", SOON, |event| {
        event["message"] == "Error reloading pipeline: the model is not there"
    });
    stream.session.until_event("restart", SOON, |_| true);
    assert_comes_back(&orchestrator, &stream);
}

#[test]
fn what_put_get_and_change_raise_is_told_in_the_contracts_words_and_the_loops_go_on() {
    let Some((orchestrator, stream)) = started("Echo") else {
        return;
    };
    // Of what is told within a second the last counts: what is refused comes before what is told again and again.
    for (fails, message) in [
        ("change", "Error updating params: it is not changed"),
        ("put", "Error processing input frame: it is not taken"),
        ("get", "Error processing output frame: it is not given"),
    ] {
        stream.session.say(&json!({"fails": fails}));
        stream
            .session
            .until_event("error", SOON, |event| event["message"] == message);
    }
    stream.session.say(&json!({}));
    assert_comes_back(&orchestrator, &stream);
    assert_no_restart(&orchestrator);
}

#[test]
fn a_stream_without_parameters_begins_with_the_initial_ones_which_are_sent() {
    let Some(clip) = clip() else { return };
    let setup = Setup::python("decoupled", "Echo");
    let setup = setup.flag("--initial-params", r#"{"fails": "never"}"#);
    let orchestrator = Orchestrator::idle(setup);
    let sent = || {
        let said = orchestrator.runner.said();
        said.matches("change with {'fails': 'never'}").count()
    };
    let times = |count: usize| {
        let is_so = wait_until(SOON, || sent() >= count);
        assert!(is_so, "{}", orchestrator.runner.last_words());
    };
    times(1);
    let stream = orchestrator.stream("plain", &clip, &json!({}));
    times(2);
    stream.viewer.until_more(RATE, FIRST);
    assert_eq!(sent(), 2);
}

#[test]
fn the_initial_parameters_come_once_more_after_the_load_and_after_each_stream() {
    let Some(clip) = clip() else { return };
    let setup = Setup::python("decoupled", "Echo");
    let setup = setup.flag("--initial-params", r#"{"fails": "never"}"#);
    let orchestrator = Orchestrator::idle(setup);
    let again = "change with {'fails': 'never'}";
    let times = |count: usize| orchestrator.runner.said().matches(again).count() >= count;
    assert!(
        wait_until(SOON, || times(1)),
        "{}",
        orchestrator.runner.last_words()
    );
    let stream = orchestrator.stream("idle", &clip, &json!({"fails": "neither"}));
    stream.viewer.until_more(RATE, FIRST);
    assert!(!times(2), "a stream runs");
    stop(&orchestrator, &stream);
    assert!(
        wait_until(SOON, || times(2)),
        "{}",
        orchestrator.runner.last_words()
    );
}
