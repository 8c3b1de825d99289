//! Several streams side by side: none slows another.

use std::time::{Duration, Instant};

use framerill_tests::{
    live::{
        clip::distance,
        now,
        orchestrator::{Orchestrator, Stream},
        runner::{Role, Setup},
        verdict::Look,
    },
    process::kill_9,
    wait_until,
};
use serde_json::json;

use crate::scene::{
    FIRST, RATE, SOON, STOPPED, api, assert_nearly_all_finished, assert_nearly_all_there, clip_of,
    verdict,
};

/// What another stream's trouble may cost on a machine that both share.
const SLOWER: Duration = Duration::from_millis(150);

/// How long pictures of a stream were on their way, those that came in that time: the median.
fn delay(stream: &Stream, from: Instant, to: Instant) -> Duration {
    let sent = stream.camera.sent();
    let watched = stream.viewer.watched();
    let came = watched.pictures.iter();
    let came = came.filter(|it| (from..to).contains(&it.at));
    let mut delays: Vec<_> = came
        .filter_map(|it| {
            let own = sent.iter().find(|sent| Some(sent.pts) == it.pts)?;
            Some(it.at.saturating_duration_since(own.at))
        })
        .collect();
    delays.sort();
    assert!(delays.len() >= RATE, "{} pictures", delays.len());
    delays[delays.len() / 2]
}

/// What comes later is as soon there as what came before that moment.
fn assert_as_fast(stream: &Stream, since: Instant, before: Instant) {
    let (usual, later) = (delay(stream, since, before), delay(stream, before, now()));
    assert!(later <= usual + SLOWER, "{later:?} instead of {usual:?}");
}

#[test]
fn two_streams_run_side_by_side_and_a_third_is_refused() {
    let (Some(one), Some(two)) = (clip_of((640, 360), 1), clip_of((640, 360), 2)) else {
        return;
    };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop").flag("--capacity", "2"));
    let first = orchestrator.stream("one", &one, &json!({}));
    let second = orchestrator.stream("two", &two, &json!({}));
    first.viewer.until_more(RATE, FIRST);
    second.viewer.until_more(RATE, FIRST);
    let third = orchestrator.open("three");
    let refused = orchestrator.post(&third, &json!({}));
    assert_eq!(refused.status, 400);
    let msg = refused.json()["detail"]["msg"]
        .as_str()
        .map(ToOwned::to_owned);
    assert!(
        msg.as_deref()
            .is_some_and(|it| it.contains("capacity 2 in use")),
        "{msg:?}"
    );
    first.viewer.until_more(3 * RATE, SOON);
    second.viewer.until_more(RATE, SOON);
    for stream in [&first, &second] {
        assert_nearly_all_finished(&verdict(stream, Look::Same), &orchestrator.runner);
    }
    first.session.close();
    assert!(first.viewer.ends(STOPPED));
    // The place is free again, and the other stream did not notice.
    let free = wait_until(STOPPED, || {
        orchestrator.post(&third, &json!({})).status == 200
    });
    assert!(free, "{}", orchestrator.runner.last_words());
    second.viewer.until_more(2 * RATE, SOON);
    assert_nearly_all_finished(&verdict(&second, Look::Same), &orchestrator.runner);
}

#[test]
fn a_camera_that_stalls_slows_no_other_stream() {
    let (Some(one), Some(two)) = (clip_of((640, 360), 1), clip_of((640, 360), 2)) else {
        return;
    };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop").flag("--capacity", "2"));
    let first = orchestrator.stream("stalls", &one, &json!({}));
    let second = orchestrator.stream("runs", &two, &json!({}));
    first.viewer.until_more(RATE, FIRST);
    second.viewer.until_more(RATE, FIRST);
    let both = now();
    second.viewer.until_more(2 * RATE, SOON);
    let held = now();
    first.camera.hold();
    second.viewer.until_more(5 * RATE, SOON);
    assert_as_fast(&second, both, held);
    first.camera.resume();
    first.viewer.until_more(2 * RATE, SOON);
    second.viewer.until_more(2 * RATE, SOON);
    assert_nearly_all_finished(&verdict(&second, Look::Same), &orchestrator.runner);
    // What was held back comes late; nothing of it comes wrong.
    assert_eq!(verdict(&first, Look::Same).of_another_place(), 0);
}

#[test]
fn a_worker_that_dies_again_and_again_slows_no_other_stream() {
    let (Some(one), Some(two)) = (clip_of((640, 360), 1), clip_of((640, 360), 2)) else {
        return;
    };
    let setup = Setup::pipeline("invert").flag("--capacity", "2");
    let orchestrator = Orchestrator::idle(setup);
    let runner = &orchestrator.runner;
    let first = orchestrator.stream("dies", &one, &json!({}));
    let mut worker = runner.process(Role::Worker);
    let second = orchestrator.stream("runs", &two, &json!({}));
    first.viewer.until_more(RATE, FIRST);
    second.viewer.until_more(RATE, FIRST);
    let own = runner.other(Role::Worker, Some(worker));
    let both = now();
    second.viewer.until_more(2 * RATE, SOON);
    let died = now();
    let died_at = second.camera.sent().last().map_or(0, |it| it.pts);
    for death in 1..=3 {
        kill_9(worker).expect("it runs");
        let told = wait_until(SOON, || first.session.events_of("restart").len() == death);
        assert!(told, "{}", runner.last_words());
        first.viewer.until_more(RATE, SOON);
        let workers = runner.all(Role::Worker);
        let next = workers.iter().copied().find(|it| *it != own);
        worker = next.expect("it is back");
        assert!(workers.contains(&own));
    }
    let none: [serde_json::Value; 0] = [];
    assert_eq!(second.session.events_of("restart"), none);
    assert_eq!(second.session.events_of("error"), none);
    assert_as_fast(&second, both, died);
    let seen = verdict(&second, Look::Negative);
    assert_nearly_all_finished(&seen, runner);
    let fillers = seen.fillers();
    let long = fillers.iter().filter(|it| distance(died_at, it.0) > 0);
    let long: Vec<_> = long.filter(|it| it.1 > 45_000).collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn a_worker_that_hangs_slows_no_other_stream() {
    let (Some(one), Some(two)) = (clip_of((640, 360), 1), clip_of((640, 360), 2)) else {
        return;
    };
    let setup = Setup::python("live", "Hangs").flag("--capacity", "2");
    let setup = setup.flag("--max-frame-time", "4");
    let orchestrator = Orchestrator::idle(setup);
    let marker = orchestrator.runner.folder().join("hung");
    let second = orchestrator.stream("runs", &two, &json!({}));
    let first = orchestrator.stream("hangs", &one, &json!({"marker": marker, "at": 48}));
    second.viewer.until_more(RATE, SOON);
    assert!(
        wait_until(SOON, || marker.exists()),
        "{}",
        orchestrator.runner.last_words()
    );
    let hung_at = second.camera.sent().last().map_or(0, |it| it.pts);
    second.viewer.until_more(9 * RATE, SOON + SOON);
    let seen = verdict(&second, Look::Negative);
    // That another pipeline was loaded before may have cost it a picture; that it hangs does not.
    let later: Vec<_> = seen
        .fillers()
        .into_iter()
        .filter(|(from, _)| distance(hung_at, *from) > 0)
        .collect();
    assert_eq!(later, []);
    let missing = seen.missing.iter();
    let missing = missing.filter(|pts| distance(hung_at, **pts) > 0).count();
    assert_eq!(missing, 0);
    first.viewer.until_more(2 * RATE, SOON);
    assert_nearly_all_there(&verdict(&first, Look::Negative), &orchestrator.runner, None);
}

#[test]
fn a_seat_whose_worker_was_lost_for_good_takes_the_next_stream_that_needs_it() {
    let (Some(one), Some(two)) = (clip_of((640, 360), 1), clip_of((640, 360), 2)) else {
        return;
    };
    let setup = Setup::pipeline("invert").flag("--capacity", "2");
    let orchestrator = Orchestrator::idle(setup.variable("FRAMERILL_MAX_RESTARTS", "0"));
    let runner = &orchestrator.runner;
    let lost = orchestrator.stream("lost", &one, &json!({}));
    lost.viewer.until_more(RATE, FIRST);
    let streams = api(&orchestrator, "GET", "/v1/streams", &json!({})).json();
    let id = streams["streams"][0]["id"].as_u64().expect("it runs");
    kill_9(runner.process(Role::Worker)).expect("it runs");
    assert!(lost.viewer.ends(STOPPED), "{}", runner.last_words());
    // The only worker that there was is lost, and a start would get another one.
    runner.until_health(&["IDLE"], SOON);
    let first = orchestrator.stream("first", &one, &json!({}));
    let second = orchestrator.stream("second", &two, &json!({}));
    first.viewer.until_more(2 * RATE, SOON);
    second.viewer.until_more(2 * RATE, SOON);
    runner.until_health(&["OK"], SOON);
    let path = format!("/v1/streams/{id}");
    let told = api(&orchestrator, "GET", &path, &json!({})).json();
    assert!(told["fault"].is_string(), "{told}");
}
