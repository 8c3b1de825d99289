//! Workers are killed and stopped at random, and nothing else happens: every input pts appears, whenever it was.
//!
//! `FRAMERILL_SEED` repeats a run.

use std::time::{Duration, Instant};

use framerill_tests::{
    dice::Dice,
    live::{
        clip::distance,
        now,
        orchestrator::{Orchestrator, Stream},
        runner::{Role, Setup, signal},
        verdict::{Look, Verdict},
    },
    wait_until,
};
use rustix::process::Signal;
use serde_json::json;

use crate::{
    scene::{FIRST, RATE, SOON, assert_nearly_all_there, clip, stop, verdict},
    workers::outage,
};

/// A stream lasts so long; then another one begins.
const STREAM: Duration = Duration::from_secs(60);
/// Outages of a stream: fewer are too little.
const LEAST: usize = 10;
/// So many are hit in a row, perhaps while they load; the next one is left alone until it has worked for a while. The pause
/// before a restart stays below a second, then, and no picture is held until its number comes again.
const IN_A_ROW: usize = 3;
/// Pictures for which it then works: enough to be restarted at once again.
const SETTLED: usize = 60;
/// Around a pts that is missing, this much is told, in 1/90000 s.
const NEAR: i64 = 30_000;
/// A worker that stands still for fewer pictures than these is slow, not away: what it is behind with makes way.
const BRIEF: usize = 6;
/// A worker that nothing more happens to is back by then.
const LONGEST: i64 = 10 * 90_000;

struct Play {
    orchestrator: Orchestrator,
    dice: Dice,
    began: Instant,
    /// What was done, for whoever reads a failure.
    log: Vec<String>,
}

impl Play {
    fn note(&mut self, what: &str) {
        let at = self.began.elapsed().as_millis();
        self.log.push(format!("{at:>7} ms {what}"));
    }

    /// For whoever reads a failure.
    fn why(&self) -> String {
        let (seed, log) = (self.dice.seed, self.log.join("\n"));
        let words = self.orchestrator.runner.last_words();
        format!("FRAMERILL_SEED={seed}\n{log}\n{words}")
    }

    /// What was shown around pts that are missing, and when they were sent.
    fn around(&self, stream: &Stream, seen: &Verdict, missing: &[&u64]) -> Vec<String> {
        let sent = stream.camera.sent();
        let of = |pts: u64| {
            let sent = sent.iter().find(|it| it.pts == pts);
            let sent = sent.map(|it| it.at.duration_since(self.began));
            let near = seen
                .shown
                .iter()
                .filter(|it| distance(pts, it.pts).abs() < NEAR);
            let near: Vec<_> = near.map(|it| (distance(pts, it.pts), it.kind)).collect();
            format!("{pts}, sent at {sent:?}, beside {near:?}")
        };
        missing.iter().map(|pts| of(**pts)).collect()
    }

    fn pictures(&mut self) -> usize {
        usize::try_from(1 + self.dice.throw(60)).unwrap_or(1)
    }

    /// A worker is killed, or stopped for a while, now and then: when.
    fn lose_workers(&mut self, stream: &Stream) -> Vec<Instant> {
        let (began, mut lost) = (now(), Vec::new());
        while began.elapsed() < STREAM {
            // A worker that is loading may be hit like one that works.
            if let Some(worker) = self.orchestrator.runner.find(Role::Worker) {
                if self.dice.throw(2) == 0 {
                    lost.push(now());
                    self.note(&format!("kill {worker}"));
                    signal(worker, Signal::KILL);
                } else {
                    let still = self.pictures();
                    if still >= BRIEF {
                        lost.push(now());
                    }
                    self.note(&format!("stop {worker} for {still} pictures"));
                    signal(worker, Signal::STOP);
                    stream.camera.until_more(still);
                    signal(worker, Signal::CONT);
                }
            }
            if lost.len().is_multiple_of(IN_A_ROW) {
                self.settle(stream);
            }
            let pictures = self.pictures();
            stream.camera.until_more(pictures);
        }
        lost
    }

    /// Until a worker has worked for a while.
    fn settle(&self, stream: &Stream) {
        let runner = &self.orchestrator.runner;
        let output = || {
            let status = runner.status().unwrap_or_default();
            status["inference_status"]["last_output_time"].as_u64()
        };
        let last = output();
        let back = wait_until(SOON, || output() > last);
        assert!(back, "no worker comes back\n{}", self.why());
        stream.camera.until_more(SETTLED);
    }

    /// One stream whose workers are lost, and of which no pts is missing while one is away.
    fn scene(&mut self, stream: &Stream) {
        stream.viewer.until_more(2 * RATE, FIRST);
        let lost = self.lose_workers(stream);
        let mut outages = Vec::new();
        let well = wait_until(SOON, || {
            stream.viewer.until_more(2 * RATE, SOON);
            let seen = verdict(stream, Look::Negative);
            let found = lost.iter().map(|&at| outage(stream, &seen, at));
            outages = found.collect::<Option<_>>().unwrap_or_default();
            outages.len() == lost.len()
        });
        assert!(well, "the worker does not come back\n{}", self.why());
        let seen = verdict(stream, Look::Negative);
        let within = |pts: &&u64| {
            let mut all = outages.iter();
            all.any(|(from, length)| (0..*length).contains(&distance(*from, **pts)))
        };
        let missing: Vec<_> = seen.missing.iter().filter(within).collect();
        assert!(
            missing.is_empty(),
            "pts are missing: {:?} of {outages:?}\n{}",
            self.around(stream, &seen, &missing),
            self.why()
        );
        let longest = longest_alone(&outages);
        assert!(longest < LONGEST, "{outages:?}\n{}", self.why());
        assert!(
            outages.len() >= LEAST,
            "too little happened\n{}",
            self.why()
        );
        assert_nearly_all_there(&seen, &self.orchestrator.runner, None);
    }
}

/// How long the pipeline was away at most, of the outages in which no other one began.
fn longest_alone(outages: &[(u64, i64)]) -> i64 {
    let next = outages.iter().skip(1).map(|(from, _)| Some(*from));
    let alone = outages
        .iter()
        .zip(next.chain([None]))
        .filter(|((from, length), next)| next.is_none_or(|next| distance(*from, next) >= *length));
    alone.map(|((_, length), _)| *length).max().unwrap_or(0)
}

fn deaths(setup: Setup, lasting: Duration) {
    let Some(clip) = clip() else { return };
    let setup = setup.variable("FRAMERILL_MAX_RESTARTS", "1000");
    let mut play = Play {
        orchestrator: Orchestrator::idle(setup),
        dice: Dice::of_this_run(),
        began: now(),
        log: Vec::new(),
    };
    let mut streams = 0;
    while play.began.elapsed() < lasting {
        streams += 1;
        let name = format!("deaths-{streams}");
        let stream = play.orchestrator.stream(&name, &clip, &json!({}));
        play.scene(&stream);
        stop(&play.orchestrator, &stream);
    }
}

#[test]
fn workers_die_and_stand_still_at_random_and_every_pts_appears() {
    deaths(Setup::pipeline("invert"), STREAM);
}

#[test]
#[ignore = "twenty minutes: make soak"]
fn python_workers_die_and_stand_still_for_twenty_minutes_and_every_pts_appears() {
    deaths(Setup::python("live", "Negative"), 20 * STREAM);
}
