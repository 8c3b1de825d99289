//! How long a start takes, with and without the shim, and how long until a killed worker's successor speaks.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod owner;
mod stage;

use std::{
    process::{Command as Std, Stdio},
    time::{Duration, Instant},
};

use framerill_supervisor::{Config, Update, isolation::Namespace};
use framerill_worker::{Channel, message::FromChild};
use owner::Owner;
use stage::{CHILD, Running, SOON, command, kill, namespaces, tree};

const ROUNDS: usize = 21;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[expect(clippy::disallowed_methods, reason = "real processes, real time")]
fn timed(mut run: impl FnMut()) -> Duration {
    let times = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed()
    });
    median(times.collect())
}

/// Spawn to `hello` without any of this crate.
fn bare_start() -> Duration {
    timed(|| {
        let (ours, theirs) = Channel::pair().unwrap();
        let mut child = Std::new(CHILD)
            .arg("speak")
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Channel::new(ours).recv::<FromChild>(Some(SOON)).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    })
}

fn start(namespace: Namespace) -> Duration {
    let command = command(&["speak"]).namespace(namespace);
    timed(|| {
        let running = Running::start(&command);
        running.until_message(|message| matches!(message, FromChild::Hello { .. }));
    })
}

#[expect(clippy::disallowed_methods, reason = "real processes, real time")]
fn kill_to_hello(namespace: Namespace) -> Duration {
    let config = Config {
        max_restarts: u32::MAX,
        settled_time: Duration::ZERO,
        ..Config::default()
    };
    let mut owner = Owner::start(config, command(&["speak"]).namespace(namespace));
    let hello = |owner: &mut Owner| {
        while !matches!(owner.update(), Update::Message(FromChild::Hello { .. }, _)) {}
    };
    let ready = |owner: &mut Owner| {
        while !matches!(owner.update(), Update::Message(FromChild::Ready { .. }, _)) {}
    };
    ready(&mut owner);
    let times = (0..ROUNDS).map(|_| {
        let program = tree::program(owner.child.pid().unwrap(), namespace).unwrap();
        let start = Instant::now();
        kill(program);
        hello(&mut owner);
        let took = start.elapsed();
        ready(&mut owner);
        took
    });
    median(times.collect())
}

#[test]
fn a_killed_workers_successor_speaks_as_soon_as_a_process_can_start() {
    let bare = bare_start();
    eprintln!("spawn to hello, bare: {bare:.1?} (medians of {ROUNDS})");
    for namespace in namespaces() {
        let (start, again) = (start(namespace), kill_to_hello(namespace));
        eprintln!("{namespace}: spawn to hello {start:.1?}, kill -9 to hello {again:.1?}");
        // The promise is 100 ms over the worker's own load; a machine under load gets half of it here.
        assert!(again <= start + Duration::from_millis(50), "{namespace}");
    }
}
