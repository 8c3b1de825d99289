//! Service managers signal every process of a group at once.

use framerill_tests::live::{
    orchestrator::Orchestrator, runner::Role, runner::Setup, runner::signal,
};
use rustix::process::Signal;
use serde_json::json;

use crate::scene::{FIRST, RATE, SOON, STOPPED, clip};

/// The contract's end (§4.1, D9) whoever is told: the viewer's channel is closed by the runner.
#[test]
fn a_signal_to_each_process_at_once_ends_the_stream_in_order() {
    let Some(clip) = clip() else { return };
    let mut orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let stream = orchestrator.stream("volley", &clip, &json!({}));
    stream.viewer.until_more(RATE, FIRST);
    let runner = &orchestrator.runner;
    let all = [Role::Infer, Role::Media, Role::Worker].map(|it| runner.process(it));
    runner.signal(Signal::TERM);
    for pid in all {
        signal(pid, Signal::TERM);
    }
    runner.signal(Signal::TERM);
    assert_eq!(orchestrator.runner.ended(SOON), Some(143));
    assert!(stream.viewer.ends(STOPPED), "its channel stays open");
    assert!(!stream.session.left().contains(&stream.session.output()));
}
