//! A worker alone, without a runner: how long its pipeline takes to load by itself.

use std::{
    os::fd::OwnedFd,
    process::{Command, Stdio},
    time::Duration,
};

use framerill_tests::{bin, live::now, python};
use framerill_worker::{Channel, message::FromChild};
use serde_json::json;

use crate::scene::SOON;

/// From the start of a worker of that pipeline until it is ready.
pub(crate) fn load(target: &str) -> Duration {
    let (ours, theirs) = Channel::pair().expect("a socket pair");
    let mut command = if target.contains(':') {
        let mut python = Command::new(python());
        python.args(["-m", "framerill.worker", target]);
        python
    } else {
        let mut framerill = Command::new(bin("framerill"));
        framerill.args(["worker", target]);
        framerill
    };
    let began = now();
    let mut worker = command
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .spawn()
        .expect("it runs");
    let channel = Channel::new(ours);
    let until = |fits: fn(&FromChild) -> bool| loop {
        let (message, _) = channel.recv(Some(SOON)).expect("it says what it owes");
        if fits(&message) {
            return;
        }
    };
    until(|it| matches!(it, FromChild::Hello { .. }));
    let load = json!({"type": "load", "id": 1, "pipeline": target, "params": {}});
    channel.send(&load, &[], SOON).expect("it reads");
    until(|it| matches!(it, FromChild::Ready { .. }));
    let took = began.elapsed();
    drop(channel);
    worker.wait().expect("it leaves when its parent has gone");
    took
}
