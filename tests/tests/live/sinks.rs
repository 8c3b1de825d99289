//! Outputs, events and control that are wrong: the stream goes on as far as it can, and is well when they are.

use std::time::Duration;

use framerill_tests::{
    live::{
        hostile::{Mode, Peer},
        orchestrator::{Orchestrator, Stream},
        runner::{Role, Runner, Setup},
        verdict::{Look, Verdict},
    },
    wait_until,
};
use serde_json::json;

use crate::scene::{
    FIRST, RATE, SOON, STOPPED, assert_nearly_all_finished, clip, film_changed, stop, verdict,
};

/// A stream with a peer in front of one of its channels.
fn with_peer(field: &str, suffix: &str, mode: Mode) -> Option<(Orchestrator, Peer, Stream)> {
    let clip = clip()?;
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let peer = Peer::start(&orchestrator.channels, mode);
    let session = orchestrator.open("sink");
    let url = peer.url(&format!("sink{suffix}"));
    let stream = film_changed(&orchestrator, session, &clip, |body| {
        body[field] = json!(url)
    });
    Some((orchestrator, peer, stream))
}

fn output_recovers_from(mode: Mode) {
    let Some((orchestrator, peer, stream)) = with_peer("publish_url", "-out", mode) else {
        return;
    };
    let runner = &orchestrator.runner;
    stream.camera.until_more(120);
    assert_eq!(runner.health(), "OK", "{mode:?}");
    peer.set(Mode::Pass);
    is_back_at_the_live_edge(&orchestrator, &stream);
}

/// The output goes on with what is sent now, and then ends.
fn is_back_at_the_live_edge(orchestrator: &Orchestrator, stream: &Stream) -> Verdict {
    let back = stream.viewer.sees_more(3 * RATE, Duration::from_secs(20));
    assert!(
        back,
        "no output when the peer was well again\n{}",
        orchestrator.runner.last_words()
    );
    let newest = stream.camera.sent().last().map_or(0, |it| it.pts);
    let seen = verdict(stream, Look::Same);
    assert_eq!(
        (seen.of_another_place(), seen.not_rising.len()),
        (0, 0),
        "{:?}",
        seen.faults()
    );
    let last = seen.shown.last().map_or(0, |it| it.pts);
    let late = framerill_tests::live::clip::distance(last, newest);
    assert!(late < 5 * 90_000, "{late} ticks late");
    stop(orchestrator, stream);
    seen
}

/// What the runner says of segments that its output lost.
fn segments_lost(runner: &Runner) -> f64 {
    let page = runner.get("/metrics").text();
    let lines = page.lines();
    let lost = lines.filter_map(|line| line.strip_prefix("framerill_segments_lost_total{"));
    lost.filter_map(|line| line.split_once("} ")?.1.parse::<f64>().ok())
        .sum()
}

#[test]
fn an_output_that_refuses_is_tried_again() {
    output_recovers_from(Mode::Refuse);
}

#[test]
fn an_output_that_hangs_is_tried_again() {
    output_recovers_from(Mode::Hang);
}

#[test]
fn an_output_that_answers_500_is_tried_again() {
    output_recovers_from(Mode::Status(500));
}

#[test]
fn an_output_that_is_slow_loses_whole_segments_and_is_at_the_live_edge_when_it_is_well() {
    let Some((orchestrator, peer, stream)) = with_peer("publish_url", "-out", Mode::Pass) else {
        return;
    };
    let runner = &orchestrator.runner;
    stream.viewer.until_more(2 * RATE, FIRST);
    assert!(segments_lost(runner) < 0.5);
    peer.set(Mode::Slow(4096));
    let lost = wait_until(Duration::from_secs(30), || segments_lost(runner) > 1.5);
    assert!(lost, "everything waits\n{}", runner.last_words());
    assert_eq!(runner.health(), "OK");
    peer.set(Mode::Pass);
    let seen = is_back_at_the_live_edge(&orchestrator, &stream);
    // Two segments of two seconds, of which the first may have begun.
    let missing = seen.missing.len();
    assert!(missing > 2 * RATE, "{missing} are missing");
}

#[test]
fn an_output_that_breaks_in_the_middle_goes_on_with_the_next_segment() {
    let Some((orchestrator, peer, stream)) = with_peer("publish_url", "-out", Mode::Pass) else {
        return;
    };
    stream.viewer.until_more(2 * RATE, FIRST);
    peer.set(Mode::Refuse);
    stream.camera.until_more(15);
    peer.set(Mode::Pass);
    stream.viewer.until_more(4 * RATE, SOON);
    let seen = verdict(&stream, Look::Same);
    assert_eq!(seen.of_another_place(), 0, "{:?}", seen.faults());
    assert!(
        seen.missing.len() <= 4 * RATE,
        "{} are missing",
        seen.missing.len()
    );
    stop(&orchestrator, &stream);
}

#[test]
fn an_output_that_is_not_there_ends_the_stream() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let session = orchestrator.open("gone");
    orchestrator.channels.delete("gone-out");
    let stream = orchestrator.film(
        session,
        &clip,
        &json!({}),
        &framerill_tests::live::camera::Options::default(),
    );
    orchestrator
        .runner
        .until_health(&["IDLE"], Duration::from_secs(40));
    assert_eq!(stream.viewer.pictures(), 0);
    let over = wait_until(STOPPED, || orchestrator.runner.find(Role::Media).is_none());
    assert!(over, "{}", orchestrator.runner.last_words());
    assert!(!stream.session.left().contains(&"gone-events".to_owned()));
}

#[test]
fn events_that_nobody_takes_hold_nothing_up() {
    for mode in [Mode::Hang, Mode::Refuse, Mode::Status(500)] {
        let Some((orchestrator, _peer, stream)) = with_peer("events_url", "-events", mode) else {
            return;
        };
        stream.viewer.until_more(4 * RATE, FIRST + SOON);
        assert_nearly_all_finished(&verdict(&stream, Look::Same), &orchestrator.runner);
        stream.session.close();
        // Nor the end.
        orchestrator
            .runner
            .until_health(&["IDLE"], Duration::from_secs(8));
    }
}

#[test]
fn a_control_channel_that_cannot_be_read_ends_nothing() {
    for mode in [Mode::Status(404), Mode::Status(500), Mode::Hang, Mode::Html] {
        let Some((orchestrator, _peer, stream)) = with_peer("control_url", "-control", mode) else {
            return;
        };
        stream.viewer.until_more(5 * RATE, FIRST + SOON);
        let seen = verdict(&stream, Look::Same);
        assert_nearly_all_finished(&seen, &orchestrator.runner);
        stop(&orchestrator, &stream);
    }
}

#[test]
fn a_control_channel_that_recovers_is_heard() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::python("live", "Tuned"));
    let peer = Peer::start(&orchestrator.channels, Mode::Status(500));
    let session = orchestrator.open("deaf");
    let stream = film_changed(&orchestrator, session, &clip, |body| {
        body["control_url"] = json!(peer.url("deaf-control"));
    });
    stream.viewer.until_more(RATE, FIRST);
    peer.set(Mode::Pass);
    stream.session.say(&json!({"negative": true}));
    let heard = wait_until(SOON, || {
        let status = orchestrator.runner.status().unwrap_or_default();
        status["inference_status"]["last_params_update_time"].is_u64()
    });
    assert!(
        heard,
        "{:?}\n{}",
        orchestrator.runner.status(),
        orchestrator.runner.last_words()
    );
    stream.viewer.until_more(2 * RATE, SOON);
    let seen = verdict(&stream, Look::Negative);
    assert!(seen.ends_finished(RATE / 2), "negatives, as it was told");
}
