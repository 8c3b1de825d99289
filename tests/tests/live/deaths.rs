//! Workers are killed and stopped at random, and nothing else happens: every input pts appears, whenever it was.
//!
//! `FRAMERILL_SEED` repeats a run.

use std::time::Duration;

use framerill_tests::{
    live::{
        clip::distance,
        now,
        orchestrator::Orchestrator,
        runner::{Role, Setup, signal},
        verdict::Look,
    },
    wait_until,
};
use rustix::process::Signal;
use serde_json::json;

use crate::{
    dice::Dice,
    scene::{FIRST, RATE, SOON, assert_whole, clip, verdict},
    workers::outage,
};

const LASTING: Duration = Duration::from_secs(20);
/// No outage is longer: three that follow one another at once, and the pauses between restarts.
const LONGEST: i64 = 10 * 90_000;

#[test]
fn workers_die_and_stand_still_at_random_and_every_pts_appears() {
    let Some(clip) = clip() else { return };
    let mut dice = Dice::of_this_run();
    let setup = Setup::pipeline("invert").variable("FRAMERILL_MAX_RESTARTS", "1000");
    let orchestrator = Orchestrator::idle(setup);
    let runner = &orchestrator.runner;
    let stream = orchestrator.stream("deaths", &clip, &json!({}));
    stream.viewer.until_more(2 * RATE, FIRST);
    let began = now();
    let (mut lost, mut log) = (Vec::new(), Vec::new());
    while began.elapsed() < LASTING {
        let pictures =
            |most: u64, dice: &mut Dice| usize::try_from(1 + dice.throw(most)).unwrap_or(1);
        // A worker that is loading may be hit like one that works.
        if let Some(worker) = runner.find(Role::Worker) {
            lost.push(now());
            let at = began.elapsed().as_millis();
            if dice.throw(2) == 0 {
                log.push(format!("{at:>6} ms kill {worker}"));
                signal(worker, Signal::KILL);
            } else {
                let still = pictures(60, &mut dice);
                log.push(format!("{at:>6} ms stop {worker} for {still} pictures"));
                signal(worker, Signal::STOP);
                stream.camera.until_more(still);
                signal(worker, Signal::CONT);
            }
        }
        stream.camera.until_more(pictures(60, &mut dice));
    }
    let why = || {
        format!(
            "FRAMERILL_SEED={}\n{}\n{}",
            dice.seed,
            log.join("\n"),
            runner.last_words()
        )
    };
    let mut outages = Vec::new();
    let well = wait_until(SOON, || {
        stream.viewer.until_more(2 * RATE, SOON);
        let seen = verdict(&stream, Look::Negative);
        let found = lost.iter().map(|&at| outage(&stream, &seen, at));
        outages = found.collect::<Option<_>>().unwrap_or_default();
        outages.len() == lost.len()
    });
    assert!(well, "the worker does not come back\n{}", why());
    let seen = verdict(&stream, Look::Negative);
    let within = |pts: &&u64| {
        let mut all = outages.iter();
        all.any(|(from, length)| (0..*length).contains(&distance(*from, **pts)))
    };
    let missing: Vec<_> = seen.missing.iter().filter(within).collect();
    assert!(
        missing.is_empty(),
        "pts are missing: {missing:?} of {outages:?}\n{}",
        why()
    );
    assert!(
        outages.iter().all(|(_, length)| *length < LONGEST),
        "{outages:?}\n{}",
        why()
    );
    assert!(outages.len() >= 5, "too little happened\n{}", why());
    assert_whole(&seen, runner, None);
}
