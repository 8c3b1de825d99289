//! What streams leave behind when they are over: nothing.

use std::time::Duration;

use framerill_tests::{
    live::{
        now,
        orchestrator::Orchestrator,
        runner::Setup,
        usage::{Held, held},
    },
    wait_until,
};
use serde_json::json;

use crate::scene::{FIRST, SOON, STOPPED, clip};

/// Starts before which everything may still grow.
const SETTLED: u32 = 20;
const STARTS: u32 = 120;
const MORE_BYTES: u64 = 6 << 20;
/// At rest, nothing comes and goes for so long.
const QUIET: Duration = Duration::from_secs(1);

#[test]
fn a_hundred_starts_leave_no_descriptor_no_process_and_no_memory() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let runner = &orchestrator.runner;
    let rest = || -> Held {
        runner.until_health(&["IDLE"], STOPPED);
        let mut last = held(runner.pid());
        let mut quiet_since = now();
        // What is on its way out is gone when nothing has changed for a while.
        let is_quiet = wait_until(2 * SOON, || {
            let before = std::mem::replace(&mut last, held(runner.pid()));
            if (before.processes, before.descriptors) != (last.processes, last.descriptors) {
                quiet_since = now();
            }
            quiet_since.elapsed() >= QUIET
        });
        assert!(is_quiet, "it does not come to rest: {last:?}");
        last
    };
    let mut settled = None;
    for start in 1..=STARTS {
        let name = format!("start-{start}");
        if start % 10 == 0 {
            let stream = orchestrator.stream(&name, &clip, &json!({}));
            stream.viewer.until_more(3, FIRST);
            stream.session.close();
        } else {
            let session = orchestrator.open(&name);
            let answer = orchestrator.post(&session, &json!({}));
            assert_eq!(answer.status, 200, "start {start}: {}", answer.text());
            // Every other one is replaced while it runs.
            if start % 2 == 0 {
                session.close();
            }
        }
        if start == SETTLED {
            settled = Some(rest());
        }
    }
    let last = orchestrator.open("last");
    assert_eq!(orchestrator.post(&last, &json!({})).status, 200);
    last.close();
    let (before, after) = (settled.expect("it went by"), rest());
    assert_eq!(
        after.processes, before.processes,
        "{before:?} became {after:?}"
    );
    assert!(
        after.descriptors <= before.descriptors,
        "{before:?} became {after:?}"
    );
    // Threads for work that blocks end when they had none for ten seconds.
    let threads = || held(runner.pid()).threads;
    let ended = wait_until(2 * SOON, || threads() <= before.threads + 1);
    assert!(ended, "{before:?} became {} threads", threads());
    assert!(
        after.pss_bytes <= before.pss_bytes + MORE_BYTES,
        "{before:?} became {after:?}"
    );
}
