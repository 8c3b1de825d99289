//! `framerill serve` as a container's first process: whatever is orphaned below it becomes its own.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use framerill_tests::{
    bin,
    process::{Process, children, descendants, descendants_called, kill_9},
    wait_until,
};
use rustix::process::{Pid, Signal, kill_process};

use crate::runner::{Runner, Stage};

const SOON: Duration = Duration::from_secs(10);
const INFER: &str = "framerill-fake-infer";
const ORPHAN: &str = "sleep";

/// A `serve` in a container, whose infer leaves an orphan at each start.
fn contained() -> Option<Runner> {
    let stage = Stage::new().contained()?;
    let infer = stage.path("infer.sh");
    let script = format!(
        "#!/bin/sh\n(setsid {ORPHAN} 600 &)\nexec {} \"$@\"\n",
        bin(INFER).display()
    );
    fs::write(&infer, script).expect("a file");
    fs::set_permissions(&infer, fs::Permissions::from_mode(0o755)).expect("a file");
    let infer = infer.display().to_string();
    Some(Runner::well(stage.env("FRAMERILL_INFER_PROGRAM", &infer)))
}

/// The container's first process, and the `serve` below it.
fn first_and_serve(runner: &Runner) -> (u32, u32) {
    let first = children(runner.pid()).pop().expect("it runs");
    let is_serve = |it: &Process| it.is_called("framerill") && it.is_called("serve");
    let serve = children(first.pid).into_iter().find(is_serve);
    (first.pid, serve.expect("it runs").pid)
}

fn one(runner: &Runner, name: &str) -> u32 {
    runner.until(name, || {
        let found = descendants_called(runner.pid(), name);
        found.first().map(|it| it.pid)
    })
}

#[test]
fn orphans_are_reaped_when_they_end() {
    let Some(runner) = contained() else { return };
    let (first, _) = first_and_serve(&runner);
    let orphan = one(&runner, ORPHAN);
    let parent = |pid| Process::of(pid).map(|it| it.parent);
    runner.until("it is adopted", || {
        (parent(orphan) == Some(first)).then_some(())
    });
    kill_9(orphan).expect("it runs");
    runner.until("it is reaped", || {
        Process::of(orphan).is_none().then_some(())
    });
    for death in 1..=3 {
        kill_9(one(&runner, INFER)).expect("it runs");
        runner.until_infer_answered(death + 1);
    }
    let all_run = || descendants(runner.pid()).iter().all(Process::is_running);
    assert!(wait_until(SOON, all_run), "{:?}", descendants(runner.pid()));
}

#[test]
fn a_signal_to_the_first_process_ends_all_in_order_and_its_code_is_serves() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let Some(runner) = contained() else { return };
        let (first, _) = first_and_serve(&runner);
        let first = i32::try_from(first).ok().and_then(Pid::from_raw);
        kill_process(first.expect("a number"), signal).expect("it runs");
        runner.until("infer is told", || runner.was_told_to_leave().then_some(()));
        let (ended, _) = runner.end();
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    }
}

#[test]
fn none_of_both_outlives_the_other() {
    for is_first in [false, true] {
        let Some(runner) = contained() else { return };
        let all: Vec<_> = descendants(runner.pid());
        assert!(all.iter().any(|it| it.is_called(INFER)), "{all:?}");
        let (first, serve) = first_and_serve(&runner);
        kill_9(if is_first { first } else { serve }).expect("it runs");
        let (ended, _) = runner.end();
        // Of an end by a signal `unshare` makes a code of its own.
        assert!(is_first || ended.code == Some(137), "{ended:?}");
        let is_left = |it: &Process| Process::of(it.pid).is_some_and(|now| now.is_running());
        assert!(wait_until(SOON, || !all.iter().any(is_left)));
    }
}
