//! A worker runs out of memory, and the stream goes on.

use std::time::Duration;

use framerill_tests::{
    live::{
        now,
        orchestrator::Orchestrator,
        runner::{Role, Setup},
        usage::held,
        verdict::Look,
    },
    process::kill_9,
    wait_until,
};
use serde_json::json;

use crate::{
    scene::{FIRST, RATE, SOON, assert_whole, clip, verdict},
    workers::{assert_bridged, restarts},
};

/// Far more than a worker without a model has.
const BALLOON_BYTES: u64 = 512 << 20;
/// What a worker without a model has at most.
const USUAL_BYTES: u64 = 128 << 20;

#[test]
fn a_picture_for_which_there_is_no_memory_is_lost_alone_and_told() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::python("live", "WantsTooMuch"));
    let runner = &orchestrator.runner;
    let worker = runner.process(Role::Worker);
    let marker = runner.folder().join("full");
    let stream = orchestrator.stream("full", &clip, &json!({"marker": marker, "at": 48}));
    stream.viewer.until_more(RATE, FIRST);
    let told = stream.session.until_event("error", SOON, |it| {
        let message = it["message"].as_str().unwrap_or_default();
        message.starts_with("Error processing input frame: ") && message.contains("MemoryError")
    });
    stream.viewer.until_more(2 * RATE, SOON);
    let failed = stream.camera.sent()[48].pts;
    let seen = verdict(&stream, Look::Negative);
    assert_whole(&seen, runner, Some((failed, 90_000)));
    assert!(
        seen.ends_finished(RATE / 2),
        "{told}\n{}",
        runner.last_words()
    );
    // Pictures that came while memory was sought are late, and stand in for one another; no other fails.
    let failed: Vec<_> = stream.session.events_of("error");
    assert_eq!(failed.len(), 1, "{failed:?}");
    // It is the same worker, and has given back what it took.
    assert_eq!(
        (restarts(runner), runner.find(Role::Worker)),
        (0, Some(worker))
    );
    let kept = held(worker).pss_bytes;
    assert!(kept < USUAL_BYTES, "{kept} bytes");
}

#[test]
fn a_worker_that_is_killed_for_its_memory_is_back_without_it_and_every_pts_appears() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::python("live", "Balloons"));
    let runner = &orchestrator.runner;
    let worker = runner.process(Role::Worker);
    let marker = runner.folder().join("full");
    let stream = orchestrator.stream("full", &clip, &json!({"marker": marker, "at": 72}));
    stream.viewer.until_more(2 * RATE, FIRST);
    assert!(
        wait_until(SOON, || marker.exists()),
        "{}",
        runner.last_words()
    );
    let lost_at = now();
    // The kernel's killer comes without a word, too.
    let full = wait_until(SOON, || held(worker).pss_bytes > BALLOON_BYTES);
    assert!(full, "{:?}", held(worker));
    kill_9(worker).expect("it runs");
    let event = stream.session.until_event("restart", SOON, |_| true);
    assert_eq!(event["restart_count"], 1, "{event}");
    stream.viewer.until_more(4 * RATE, SOON);
    assert_bridged(&stream, runner, lost_at, Duration::from_secs(6));
    assert_eq!(restarts(runner), 1);
    let page = runner.get("/metrics").text();
    let counted = r#"framerill_restarts_total{role="worker",reason="signal"} 1.0"#;
    assert!(page.lines().any(|it| it == counted), "{page}");
    let next = runner.other(Role::Worker, Some(worker));
    let kept = held(next).pss_bytes;
    assert!(kept < USUAL_BYTES, "{kept} bytes");
}
