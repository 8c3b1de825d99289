//! A worker runs out of memory, and the stream goes on.

use std::fs;

use framerill_tests::{
    live::{
        bounded::Bounded,
        now,
        orchestrator::Orchestrator,
        runner::{Role, Setup},
        usage::held,
        verdict::Look,
    },
    process::{is_running, kill_9},
    skip, wait_until,
};
use serde_json::json;

use crate::{
    bare,
    scene::{FIRST, RATE, SOON, assert_nearly_all_there, clip, verdict},
    workers::{Loss, assert_bridged, restarts},
};

/// Far more than a worker without a model has.
const BALLOON_BYTES: u64 = 512 << 20;
/// The kernel's highest `oom_score_adj`.
const MOST: i32 = 1000;
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
    assert_nearly_all_there(&seen, runner, Some((failed, 90_000)));
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

/// A worker holds far too much memory and is killed, by the test or, where it is bounded, by the kernel.
fn killed_for_its_memory(bounded: Option<&Bounded>) {
    let Some(clip) = clip() else { return };
    let setup = Setup::python("live", "Balloons");
    let target = setup.target().to_owned();
    let orchestrator = Orchestrator::idle(setup);
    let runner = &orchestrator.runner;
    if let Some(bounded) = bounded {
        let all = runner.below().into_iter().chain([runner.pid()]);
        all.for_each(|pid| bounded.take(pid).expect("it takes our own"));
    }
    let worker = runner.process(Role::Worker);
    let others = [runner.process(Role::Infer), runner.pid()];
    let marker = runner.folder().join("full");
    let load = bare::load(&target);
    let stream = orchestrator.stream("full", &clip, &json!({"marker": marker, "at": 72}));
    stream.viewer.until_more(2 * RATE, FIRST);
    assert!(
        wait_until(SOON, || marker.exists()),
        "{}",
        runner.last_words()
    );
    let media = runner.process(Role::Media);
    let at = now();
    if bounded.is_none() {
        let full = wait_until(SOON, || held(worker).pss_bytes > BALLOON_BYTES);
        assert!(full, "{:?}", held(worker));
        kill_9(worker).expect("it runs");
    }
    assert!(
        wait_until(SOON, || !is_running(worker)),
        "{:?}",
        held(worker)
    );
    let found = now();
    let event = stream.session.until_event("restart", SOON, |_| true);
    assert_eq!(event["restart_count"], 1, "{event}");
    stream.viewer.until_more(4 * RATE, SOON);
    let mut loss = Loss { at, found, load };
    loss.measure_again(&target);
    assert_bridged(&stream, runner, loss);
    assert_eq!(restarts(runner), 1);
    // Nobody else was.
    assert_eq!([runner.process(Role::Infer), runner.pid()], others);
    assert_eq!(runner.find(Role::Media), Some(media));
    let page = runner.get("/metrics").text();
    let counted = r#"framerill_restarts_total{role="worker",reason="signal"} 1.0"#;
    assert!(page.lines().any(|it| it == counted), "{page}");
    let next = runner.other(Role::Worker, Some(worker));
    let kept = held(next).pss_bytes;
    assert!(kept < USUAL_BYTES, "{kept} bytes");
}

#[test]
fn a_worker_that_is_killed_while_it_is_full_is_back_without_it_and_every_pts_appears() {
    killed_for_its_memory(None);
}

#[test]
fn the_kernel_ends_the_worker_that_fills_the_memory_of_all_and_it_is_back_without_it() {
    let Some(bounded) = Bounded::to(BALLOON_BYTES) else {
        return skip("memory cannot be bounded here: the kernel's own killer is not seen at work");
    };
    killed_for_its_memory(Some(&bounded));
    assert_eq!(bounded.killed(), 1);
}

#[test]
fn where_memory_runs_out_the_worker_goes_first_then_media_then_infer_and_serve() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let runner = &orchestrator.runner;
    let stream = orchestrator.stream("order", &clip, &json!({}));
    stream.viewer.until_more(1, FIRST);
    let raised = |pid: u32| -> i32 {
        let text = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).expect("it runs");
        text.trim().parse().expect("a number")
    };
    let serve = raised(runner.pid());
    let of = |role| raised(runner.process(role)) - serve;
    assert_eq!(of(Role::Infer), 0);
    assert!(
        of(Role::Media) > 0 || serve == MOST,
        "media: {}",
        of(Role::Media)
    );
    assert!(
        of(Role::Worker) > of(Role::Media) || serve + of(Role::Media) == MOST,
        "worker: {}",
        of(Role::Worker)
    );
}
