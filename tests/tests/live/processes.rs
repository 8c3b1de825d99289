//! Any process of the tree dies, or is asked to leave.

use std::{thread, time::Duration};

use framerill_tests::{
    live::{
        clip::distance,
        now,
        orchestrator::Orchestrator,
        runner::{Role, Setup, signal},
        verdict::Look,
    },
    process::{Process, is_running, kill_9},
    wait_until,
};
use rustix::process::Signal;
use serde_json::json;

use crate::scene::{
    FIRST, RATE, SOON, STOPPED, assert_nearly_all_there, clip, ticks, verdict, widest_gap,
};

const LOST_AT_MOST: Duration = Duration::from_millis(300);
/// Nothing outlives whoever started it for longer.
const ORPHANS_WITHIN: Duration = Duration::from_secs(1);

/// Those that still run when that time has gone by.
fn left_after(time: Duration, pids: &[u32]) -> Vec<Process> {
    let running = || -> Vec<Process> {
        let all = pids.iter().filter_map(|&pid| Process::of(pid));
        all.filter(Process::is_running).collect()
    };
    let gone = wait_until(time, || running().is_empty());
    if gone { Vec::new() } else { running() }
}

/// Kills serve: what of a tree in which a stream runs is alive a second later.
pub(crate) fn left_by_a_killed_serve(orchestrator: &Orchestrator) -> Vec<Process> {
    let below = orchestrator.runner.below();
    assert!(below.len() >= 3, "{below:?}");
    kill_9(orchestrator.runner.pid()).expect("it runs");
    left_after(ORPHANS_WITHIN, &below)
}

/// Media is lost; what it costs. What was kept meanwhile is caught up with in that time.
fn lose_media(how: Signal, caught_up_within: Duration) {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let runner = &orchestrator.runner;
    let stream = orchestrator.stream("media", &clip, &json!({}));
    stream.viewer.until_more(3 * RATE, SOON);
    let media = runner.process(Role::Media);
    let worker = runner.process(Role::Worker);
    signal(media, how);
    stream.viewer.until_more(4 * RATE, SOON);
    assert_ne!(runner.other(Role::Media, Some(media)), media);
    assert_eq!(
        runner.find(Role::Worker),
        Some(worker),
        "the pipeline stays loaded"
    );
    let seen = verdict(&stream, Look::Same);
    // The next process has a rhythm of its own in what the cap of the rate takes away; what counts is the gap.
    let gap = widest_gap(&seen);
    assert!(
        gap <= ticks(LOST_AT_MOST),
        "{gap} ticks\n{}",
        runner.last_words()
    );
    assert_eq!(
        (seen.not_rising.len(), seen.of_another_place()),
        (0, 0),
        "{:?}",
        seen.faults()
    );
    // It is not late from then on either.
    let is_in_time = || {
        let newest = stream.camera.sent().last().map_or(0, |it| it.pts);
        let seen = verdict(&stream, Look::Same);
        let last = seen.shown.last().map_or(0, |it| it.pts);
        distance(last, newest) <= ticks(Duration::from_millis(700))
    };
    assert!(
        wait_until(caught_up_within, is_in_time),
        "{}",
        runner.last_words()
    );
}

#[test]
fn a_media_process_that_is_killed_costs_300_ms_of_output_at_most() {
    lose_media(Signal::KILL, Duration::ZERO);
}

/// What it had not read is kept until it has.
#[test]
fn a_media_process_that_hangs_costs_300_ms_of_output_at_most() {
    lose_media(Signal::STOP, Duration::from_secs(5));
}

#[test]
fn an_infer_that_is_killed_is_replaced_and_health_says_loading_meanwhile() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let runner = &orchestrator.runner;
    let stream = orchestrator.stream("infer", &clip, &json!({}));
    stream.viewer.until_more(RATE, FIRST);
    let infer = runner.process(Role::Infer);
    let below: Vec<u32> = runner
        .below()
        .into_iter()
        .filter(|&pid| pid != infer)
        .collect();
    kill_9(infer).expect("it runs");
    let killed = now();
    let mut words = Vec::new();
    let (left, back) = thread::scope(|scope| {
        let left = scope.spawn(|| left_after(ORPHANS_WITHIN, &below));
        let back = wait_until(SOON, || {
            let answer = runner.get("/health");
            assert_eq!(answer.status, 200, "{}", answer.text());
            let word = answer.json()["status"].as_str().map(ToOwned::to_owned);
            words.push(word.unwrap_or_default());
            words.last().is_some_and(|word| word == "IDLE") && runner.find(Role::Infer).is_some()
        });
        (left.join().expect("it looks"), back)
    });
    assert!(back, "{words:?}\n{}", runner.last_words());
    assert!(words.contains(&"LOADING".to_owned()), "{words:?}");
    assert!(!words.contains(&"ERROR".to_owned()), "{words:?}");
    assert!(killed.elapsed() < Duration::from_secs(10));
    // Its children are gone within a second, its channels with the next infer.
    assert!(left.is_empty(), "{left:#?}");
    let output = stream.session.output();
    assert!(
        wait_until(SOON, || !orchestrator.channels.has(&output)),
        "the output is left"
    );
    assert!(
        wait_until(SOON, || !orchestrator.channels.has("infer-events")),
        "events are left"
    );
    let next = orchestrator.stream("next", &clip, &json!({}));
    next.viewer.until_more(RATE, FIRST);
}

#[test]
fn nothing_below_a_killed_serve_is_alive_a_second_later() {
    let Some(clip) = clip() else { return };
    for setup in [Setup::pipeline("noop"), Setup::python("faults", "Spawns")] {
        let orchestrator = Orchestrator::idle(setup);
        let stream = orchestrator.stream("serve", &clip, &json!({}));
        stream.viewer.until_more(RATE, FIRST);
        let left = left_by_a_killed_serve(&orchestrator);
        assert!(left.is_empty(), "{left:#?}");
    }
}

#[test]
fn sigterm_ends_everything_within_six_seconds_and_ends_its_channels() {
    let Some(clip) = clip() else { return };
    let mut orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let stream = orchestrator.stream("term", &clip, &json!({}));
    stream.viewer.until_more(2 * RATE, FIRST);
    let below = orchestrator.runner.below();
    let asked = now();
    orchestrator.runner.signal(Signal::TERM);
    assert_eq!(orchestrator.runner.ended(SOON), Some(143));
    assert!(
        asked.elapsed() < Duration::from_secs(6),
        "{:?}",
        asked.elapsed()
    );
    assert!(below.iter().all(|&pid| !is_running(pid)));
    assert!(stream.viewer.ends(Duration::from_secs(1)));
    let left = stream.session.left();
    assert!(
        !left
            .iter()
            .any(|it| it == "term-out" || it == "term-events"),
        "{left:?}"
    );
    // What was seen is whole to its last picture.
    let seen = verdict(&stream, Look::Same);
    assert_nearly_all_there(&seen, &orchestrator.runner, None);
}

#[test]
fn a_stopped_infer_is_not_asked_for_ever_and_works_on_when_it_goes_on() {
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let runner = &orchestrator.runner;
    let infer = runner.process(Role::Infer);
    signal(infer, Signal::STOP);
    let asked = now();
    let answer = runner.get("/health");
    assert!(
        asked.elapsed() < Duration::from_secs(4),
        "{:?}",
        asked.elapsed()
    );
    assert!(answer.json().is_object(), "{}", answer.text());
    signal(infer, Signal::CONT);
    runner.until_health(&["IDLE"], STOPPED);
}
