//! Inputs whose pictures come several at a time, as of publishers that send as they please.

use std::time::Duration;

use framerill_tests::live::{orchestrator::Orchestrator, runner::Setup, verdict::Look};
use serde_json::{Value, json};

use crate::scene::{FIRST, RATE, SOON, assert_nearly_all_there, clip, verdict};

/// So much comes at once.
const BURST: Duration = Duration::from_millis(400);
const BURSTS: usize = 6;

fn play(setup: Setup, params: &Value, look: Look) {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(setup);
    let stream = orchestrator.stream("bursts", &clip, params);
    stream.viewer.until_more(RATE, FIRST);
    for _ in 0..BURSTS {
        stream.camera.hold();
        let comes = stream.viewer.sees_more(2 * RATE, BURST);
        assert!(!comes, "no more than what was on its way");
        stream.camera.resume();
        stream.viewer.until_more(RATE / 2, SOON);
    }
    stream.viewer.until_more(RATE, SOON);
    let seen = verdict(&stream, look);
    assert_nearly_all_there(&seen, &orchestrator.runner, None);
}

/// The encoder holds the pictures that the worker passes on.
#[test]
fn pictures_of_a_burst_wait_for_the_encoder_and_next_to_all_are_there() {
    play(Setup::pipeline("noop"), &json!({}), Look::Same);
}

#[test]
fn pictures_of_a_burst_wait_for_a_fast_worker_and_next_to_all_are_there() {
    let setup = Setup::python("live", "Negative");
    play(setup, &json!({"seconds": 0.015}), Look::Negative);
}
