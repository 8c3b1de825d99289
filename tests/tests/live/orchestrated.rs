//! A stream from an orchestrator's start to its end (runner contract §11).

use std::time::Duration;

use framerill_tests::{
    live::{
        camera::Options,
        clip::Clip,
        orchestrator::Orchestrator,
        runner::{Role, Setup},
        verdict::{Kind, Look, Verdict},
    },
    process::is_running,
    source::Source,
    wait_until,
};
use serde_json::json;

use crate::scene::{
    FIRST, RATE, SOON, STOPPED, assert_nearly_all_finished, clip, clip_of, codecs, stop, verdict,
};

/// Types of events and the queue of each (runner contract §6.3).
const QUEUES: [(&str, &str); 6] = [
    ("status", "ai_stream_events"),
    ("error", "ai_stream_events"),
    ("restart", "ai_stream_events"),
    ("runner_receive_stream_request", "stream_trace"),
    ("runner_receive_first_ingest_segment", "stream_trace"),
    ("runner_send_first_processed_segment", "stream_trace"),
];

#[test]
fn a_stream_runs_from_its_start_to_its_end_as_orchestrators_drive_it() {
    let source = Source {
        seconds: 16.0,
        ..Clip::half_minute()
    };
    let Some(clip) = Clip::of(&source) else {
        return;
    };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let runner = &orchestrator.runner;
    assert_eq!(runner.get("/hardware/info").status, 200);
    assert_eq!(
        runner.get("/version").json()["pipeline"],
        "live-video-to-video"
    );
    let worker = runner.process(Role::Worker);

    let session = orchestrator.open("whole");
    let options = Options {
        endless: false,
        ..Options::default()
    };
    let stream = orchestrator.film(session, &clip, &json!({}), &options);
    stream.viewer.until_more(1, FIRST);
    runner.until_health(&["OK"], SOON);
    // A stream that ends by its input channel stops by itself.
    assert!(
        stream.viewer.ends(Duration::from_secs(40)),
        "{}",
        runner.last_words()
    );
    runner.until_health(&["IDLE"], STOPPED);
    let seen = verdict(&stream, Look::Same);
    assert_nearly_all_finished(&seen, runner);
    assert_eq!(seen.size, (512, 512));
    // All but what the cap of the rate takes away, and a busy machine.
    let expected = 16 * RATE;
    assert!(
        (expected - expected / 20..=expected + 2).contains(&seen.shown.len()),
        "{} pictures",
        seen.shown.len()
    );
    let sound = seen.sound(&clip).sound.expect("there is sound");
    assert!(sound.beeps >= 15 && sound.max_ms.abs() <= 40.0, "{sound:?}");

    let watched = stream.viewer.watched();
    let none: [String; 0] = [];
    assert_eq!(watched.gaps, none);
    assert_eq!(codecs(&watched.segments[0].bytes), ["h264", "opus"]);
    for kind in [
        "runner_receive_stream_request",
        "runner_receive_first_ingest_segment",
        "runner_send_first_processed_segment",
    ] {
        assert_eq!(stream.session.events_of(kind).len(), 1, "{kind}");
    }
    let status = &stream.session.events_of("status")[0];
    assert_eq!(
        (&status["pipeline"], &status["state"]),
        (&json!("noop"), &json!("ONLINE"))
    );
    for events in stream.session.events() {
        let kind = events["event"]["type"].as_str();
        let queue = QUEUES.iter().find(|(it, _)| kind == Some(*it));
        let queue = queue.map(|(_, queue)| *queue);
        assert_eq!(events["queue_event_type"].as_str(), queue, "{events}");
    }
    // Output and events are ended by the runner, the rest is the orchestrator's.
    assert!(!stream.session.left().contains(&stream.session.output()));
    assert!(runner.find(Role::Media).is_none());
    assert!(is_running(worker), "the pipeline stays loaded");
    for look in orchestrator.looks() {
        let (status, word) = look.said.expect("health always answers");
        assert_eq!(status, 200);
        assert_ne!(word, "ERROR");
        assert!(look.took < Duration::from_secs(1), "{:?}", look.took);
    }
}

#[test]
fn deleting_any_channel_but_the_events_ends_the_stream_within_six_seconds() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let runner = &orchestrator.runner;
    for (name, suffix) in [("one", ""), ("two", "-control"), ("three", "-out")] {
        let stream = orchestrator.stream(name, &clip, &json!({}));
        stream.viewer.until_more(RATE, FIRST);
        orchestrator.channels.delete(&format!("{name}{suffix}"));
        let over = wait_until(Duration::from_secs(6), || {
            let left = stream.session.left();
            let of_runner = |it: &String| it.ends_with("-out") || it.ends_with("-events");
            runner.find(Role::Media).is_none() && !left.iter().any(of_runner)
        });
        let left = stream.session.left();
        assert!(over, "{suffix}: {left:?} are left\n{}", runner.last_words());
        runner.until_health(&["IDLE"], STOPPED);
    }
    let stream = orchestrator.stream("four", &clip, &json!({}));
    stream.viewer.until_more(RATE, FIRST);
    orchestrator.channels.delete("four-events");
    // Longer than any of the others took to end.
    stream.viewer.until_more(7 * RATE, SOON);
    assert_nearly_all_finished(&verdict(&stream, Look::Same), runner);
}

#[test]
fn a_second_start_ends_the_first_stream_before_its_own_first_byte() {
    let (Some(one), Some(two)) = (clip_of((640, 360), 1), clip_of((640, 360), 2)) else {
        return;
    };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let first = orchestrator.stream("first", &one, &json!({}));
    first.viewer.until_more(2 * RATE, FIRST);
    let second = orchestrator.stream("second", &two, &json!({}));
    second.viewer.until_more(3 * RATE, SOON);
    assert!(first.viewer.ends(STOPPED));
    let ended = first.viewer.watched().ended_at.expect("it ended");
    let watched = second.viewer.watched();
    let began = watched.segments[0].began.expect("it has bytes");
    assert!(ended < began, "the first ended {:?} late", ended - began);
    let left = first.session.left();
    assert!(!left.contains(&"first-out".to_owned()), "{left:?}");
    assert!(!left.contains(&"first-events".to_owned()), "{left:?}");
    let seen = verdict(&second, Look::Same);
    assert_eq!(seen.count(Kind::Foreign), 0);
    assert_nearly_all_finished(&seen, &orchestrator.runner);
    assert_eq!(orchestrator.runner.all(Role::Media).len(), 1);
    stop(&orchestrator, &second);
}

#[test]
fn a_start_that_is_refused_leaves_the_running_stream_alone() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::python("live", "Tuned"));
    let stream = orchestrator.stream("good", &clip, &json!({}));
    stream.viewer.until_more(RATE, FIRST);
    let bad = orchestrator.open("bad");
    let refused = orchestrator.post(&bad, &json!({"level": "high"}));
    assert_eq!(refused.status, 400, "{}", refused.text());
    let msg = refused.json()["detail"]["msg"]
        .as_str()
        .map(ToOwned::to_owned);
    assert!(
        msg.is_some_and(|it| it.contains("level")),
        "{}",
        refused.text()
    );
    assert!(refused.took < Duration::from_secs(2));
    stream.viewer.until_more(2 * RATE, SOON);
    assert_nearly_all_finished(&verdict(&stream, Look::Same), &orchestrator.runner);
}

#[test]
fn the_first_picture_waits_for_no_second_segment() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let stream = orchestrator.stream("quick", &clip, &json!({}));
    stream.viewer.until_more(2, FIRST);
    let first = stream.viewer.watched().pictures[0].at - stream.asked;
    assert!(first < Duration::from_millis(1500), "{first:?}");
    assert!(stream.camera.sent().len() < 60, "a second segment began");
}

#[test]
fn a_stream_that_begins_in_the_middle_of_a_segment_begins_with_its_keyframe() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let session = orchestrator.open("late");
    let camera = framerill_tests::live::camera::Camera::start(
        &orchestrator.channels,
        "late",
        &clip,
        &Options::default(),
    );
    camera.until_more(90);
    let viewer =
        framerill_tests::live::viewer::Viewer::start(&orchestrator.channels, &session.output());
    assert_eq!(orchestrator.post(&session, &json!({})).status, 200);
    viewer.until_more(2 * RATE, SOON);
    // From the keyframe of the segment that ran at the start.
    let first = viewer.watched().pictures[0].pts;
    assert_eq!(
        first,
        Some(camera.sent()[60].pts),
        "{}",
        orchestrator.runner.last_words()
    );
    let seen = Verdict::of(
        &viewer.watched(),
        &camera.sent(),
        clip.source.size,
        Look::Same,
    );
    // Of a burst that is behind the newest counts (Law 4); what comes out is right.
    assert_eq!((seen.of_another_place(), seen.not_rising.len()), (0, 0));
}
