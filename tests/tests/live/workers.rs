//! A worker dies, stands still or raises, and the stream goes on (DESIGN, Processes and Egress modes).

use std::time::{Duration, Instant};

use framerill_tests::{
    live::{
        clip::distance,
        now,
        orchestrator::{Orchestrator, Stream},
        runner::{Role, Runner, Setup, signal},
        verdict::{Kind, Look, Verdict},
    },
    process::kill_9,
    wait_until,
};
use rustix::process::Signal;
use serde_json::json;

use crate::{
    bare,
    scene::{
        FIRST, GIVEN_UP_ONE_IN, RATE, SOON, TWO_INTERVALS, assert_nearly_all_there, clip, ticks,
        verdict,
    },
};

/// What was on its way to a worker that is lost is bridged, too, where no other work is behind.
const ON_ITS_WAY: u64 = 9000;
/// The first finished picture is there so long after the pipeline's own load.
const BACK_WITHIN: Duration = Duration::from_millis(100);
/// What a build for tests adds to that: the end is noticed, a namespace made, and a picture decoded, encoded and carried. On a
/// machine that has other work, which changes from one second to the next, the load may also take twice as long as beside it.
const BUSY: Duration = Duration::from_millis(500);

/// How a worker was lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loss {
    pub(crate) at: Instant,
    /// When the runner found out; of an end, at once.
    pub(crate) found: Instant,
    /// What its pipeline takes to load by itself, in the same time; none for a worker that goes on.
    pub(crate) load: Duration,
}

impl Loss {
    /// Its process ends now.
    pub(crate) fn now(load: Duration) -> Self {
        let at = now();
        Self {
            at,
            found: at,
            load,
        }
    }

    /// Its pipeline is loaded alone once more: on a machine that has become busier that takes longer.
    pub(crate) fn measure_again(&mut self, target: &str) {
        self.load = self.load.max(bare::load(target));
    }

    /// How long it is away at most.
    fn at_most(&self) -> Duration {
        self.found.duration_since(self.at) + self.load + BACK_WITHIN + self.load + BUSY
    }
}

/// From the pts that was sent when a worker was lost to the first one that was sent after that and came out finished, which
/// only a worker that is well again can do; none if there is no such one.
pub(crate) fn outage(stream: &Stream, seen: &Verdict, lost_at: Instant) -> Option<(u64, i64)> {
    let sent = stream.camera.sent();
    let lost = sent.iter().find(|it| it.at >= lost_at)?.pts;
    let finished = seen.shown.iter().filter(|it| it.kind == Kind::Finished);
    let back = finished
        .map(|it| distance(lost, it.pts))
        .find(|it| *it > 0)?;
    Some((lost, back))
}

/// The same from what was on its way on.
fn with_what_was_on_its_way((lost, back): (u64, i64)) -> (u64, i64) {
    let from = (lost + (1 << 33) - ON_ITS_WAY) % (1 << 33);
    (from, distance(from, lost) + back)
}

/// When the first finished picture behind others that stood in came; none if nothing stood in after that moment.
fn back_at(seen: &Verdict, from: Instant) -> Option<Instant> {
    let later = seen
        .shown
        .iter()
        .filter(|it| it.at.is_some_and(|at| at > from));
    let mut held = later.skip_while(|it| it.kind == Kind::Finished).peekable();
    held.peek()?;
    let back = held.find(|it| it.kind == Kind::Finished);
    back.expect("the pipeline comes back").at
}

/// Every pts is there; the pipeline is back when it had the time to load; and what stands in does so for as long as it was
/// away and two intervals more.
pub(crate) fn assert_bridged(stream: &Stream, runner: &Runner, loss: Loss) {
    let seen = verdict(stream, Look::Negative);
    let bridged = outage(stream, &seen, loss.at).expect("the pipeline comes back");
    let bridged = with_what_was_on_its_way(bridged);
    assert_nearly_all_there(&seen, runner, Some(bridged));
    let outage = back_at(&seen, loss.at).map_or(Duration::ZERO, |back| back - loss.at);
    assert!(
        outage <= loss.at_most(),
        "away for {outage:?} of {:?} at most: {loss:?}\n{}",
        loss.at_most(),
        runner.last_words()
    );
    let fillers = seen.fillers();
    let longest = fillers.iter().map(|(_, length)| *length).max();
    assert!(
        longest.is_none_or(|it| it <= ticks(outage) + TWO_INTERVALS),
        "{fillers:?} for {outage:?}"
    );
    assert!(fillers.len() <= 2, "{fillers:?}");
}

pub(crate) fn restarts(runner: &Runner) -> u64 {
    let status = runner.status().unwrap_or_default();
    status["inference_status"]["restart_count"]
        .as_u64()
        .unwrap_or(0)
}

fn killed(setup: Setup) {
    let Some(clip) = clip() else { return };
    let target = setup.target().to_owned();
    let orchestrator = Orchestrator::idle(setup);
    let runner = &orchestrator.runner;
    let stream = orchestrator.stream("killed", &clip, &json!({}));
    stream.viewer.until_more(3 * RATE, SOON);
    let worker = runner.process(Role::Worker);
    let mut loss = Loss::now(bare::load(&target));
    kill_9(worker).expect("it runs");
    stream.viewer.until_more(4 * RATE, SOON);
    loss.measure_again(&target);
    let event = stream.session.until_event("restart", SOON, |_| true);
    assert_eq!(event["restart_count"], 1, "{event}");
    assert!(
        event["restart_time"].is_f64() && event["restart_logs"].is_array(),
        "{event}"
    );
    assert_ne!(runner.other(Role::Worker, Some(worker)), worker);
    assert_bridged(&stream, runner, loss);
    assert_eq!(restarts(runner), 1);
    assert!(stream.viewer.watched().ended.is_none());
}

#[test]
fn a_rust_worker_that_is_killed_is_back_after_its_load_and_every_pts_appears() {
    killed(Setup::pipeline("invert"));
}

#[test]
fn a_python_worker_that_is_killed_is_back_after_its_load_and_every_pts_appears() {
    killed(Setup::python("live", "Negative"));
}

#[test]
fn a_worker_that_is_stopped_is_replaced_and_every_pts_appears() {
    let Some(clip) = clip() else { return };
    let setup = Setup::python("live", "Negative");
    let target = setup.target().to_owned();
    let orchestrator = Orchestrator::idle(setup);
    let runner = &orchestrator.runner;
    let stream = orchestrator.stream("stopped", &clip, &json!({}));
    stream.viewer.until_more(2 * RATE, FIRST);
    let worker = runner.process(Role::Worker);
    let mut loss = Loss::now(bare::load(&target));
    signal(worker, Signal::STOP);
    // No heartbeat for five seconds; then it is loaded again.
    let within = Duration::from_secs(20);
    assert!(
        wait_until(within, || restarts(runner) == 1),
        "{}",
        runner.last_words()
    );
    loss.found = now();
    stream.viewer.until_more(4 * RATE, SOON);
    loss.measure_again(&target);
    assert_bridged(&stream, runner, loss);
    assert!(!runner.all(Role::Worker).contains(&worker));
}

#[test]
fn a_worker_that_is_stopped_for_a_moment_is_only_late() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::python("live", "Negative"));
    let runner = &orchestrator.runner;
    let stream = orchestrator.stream("late", &clip, &json!({}));
    stream.viewer.until_more(2 * RATE, FIRST);
    let worker = runner.process(Role::Worker);
    let mut loss = Loss::now(Duration::ZERO);
    signal(worker, Signal::STOP);
    stream.viewer.until_more(RATE, SOON);
    signal(worker, Signal::CONT);
    loss.found = now();
    stream.viewer.until_more(3 * RATE, SOON);
    assert_bridged(&stream, runner, loss);
    assert_eq!(
        (restarts(runner), runner.find(Role::Worker)),
        (0, Some(worker))
    );
}

#[test]
fn a_pipeline_that_hangs_is_killed_after_its_time_and_the_stream_goes_on() {
    let Some(clip) = clip() else { return };
    let setup = Setup::python("live", "Hangs");
    let target = setup.target().to_owned();
    let orchestrator = Orchestrator::idle(setup);
    let runner = &orchestrator.runner;
    let marker = runner.folder().join("hung");
    let params = json!({"marker": marker, "at": 60});
    let stream = orchestrator.stream("hangs", &clip, &params);
    let hung = wait_until(SOON, || marker.exists());
    assert!(hung, "{}", runner.last_words());
    let at = now();
    let load = bare::load(&target);
    assert!(
        wait_until(Duration::from_secs(25), || restarts(runner) == 1),
        "{}",
        runner.last_words()
    );
    let found = now();
    let killed_after = found - at;
    assert!(
        (9..20).contains(&killed_after.as_secs()),
        "{killed_after:?}"
    );
    stream.viewer.until_more(4 * RATE, SOON);
    let mut loss = Loss { at, found, load };
    loss.measure_again(&target);
    assert_bridged(&stream, runner, loss);
}

#[test]
fn a_pipeline_that_fails_from_its_first_picture_on_has_each_of_them_bridged() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::python("live", "Raises"));
    let stream = orchestrator.stream("fails", &clip, &json!({"first": 0}));
    stream.viewer.until_more(4 * RATE, SOON);
    let seen = verdict(&stream, Look::Negative);
    let last_words = || orchestrator.runner.last_words();
    assert_eq!(seen.count(Kind::Finished), 0, "{}", last_words());
    let all = seen.shown.len() + seen.missing.len();
    let most = 1 + all / GIVEN_UP_ONE_IN;
    assert!(
        seen.missing.len() <= most,
        "{:?}\n{}",
        seen.missing,
        last_words()
    );
}

#[test]
fn never_online_for_four_seconds_without_a_real_output_and_never_without_a_picture() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::python("live", "Raises"));
    let runner = &orchestrator.runner;
    let stream = orchestrator.stream("raises", &clip, &json!({"first": 48}));
    stream.viewer.until_more(RATE, FIRST);
    let told = stream.session.until_event("error", SOON, |it| {
        let message = it["message"].as_str().unwrap_or_default();
        message.contains("this picture is wrong")
    });
    assert!(
        told["message"]
            .as_str()
            .is_some_and(|it| it.starts_with("Error processing ")),
        "{told}"
    );
    let from = now();
    let mut online_since = None;
    let watched = wait_until(Duration::from_secs(8), || {
        let online = runner.state().as_deref() == Some("ONLINE");
        online_since = online_since.filter(|_| online).or_else(|| online.then(now));
        let long =
            online_since.is_some_and(|since: Instant| since.elapsed() > Duration::from_secs(4));
        assert!(!long, "ONLINE, {:?} after the first error", from.elapsed());
        from.elapsed() > Duration::from_secs(7)
    });
    assert!(watched);
    let newest = stream
        .camera
        .sent()
        .last()
        .map(|it| it.pts)
        .expect("pictures");
    let seen = verdict(&stream, Look::Negative);
    let failing = stream.camera.sent()[60].pts;
    assert_nearly_all_there(&seen, runner, Some((failing, i64::MAX)));
    let last = seen.shown.last().expect("pictures");
    assert_ne!(last.kind, Kind::Finished);
    assert!(
        distance(last.pts, newest) < 90_000,
        "the output stands still: {last:?}, {newest} was sent\n{}",
        runner.last_words()
    );
}

#[test]
fn a_pipeline_that_never_loads_is_an_error_and_is_refused() {
    let orchestrator = Orchestrator::start(Setup::python("live", "NeverLoads"));
    let runner = &orchestrator.runner;
    runner.until_health(&["ERROR"], Duration::from_secs(40));
    let status = runner.status().expect("infer answers");
    let last = status["inference_status"]["last_error"]
        .as_str()
        .unwrap_or_default();
    assert!(last.contains("the model is not there"), "{status}");
    assert_eq!(status["inference_status"]["restart_count"], 3);
    let session = orchestrator.open("refused");
    let refused = orchestrator.post(&session, &json!({}));
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(runner.health(), "ERROR");
}

#[test]
fn a_worker_may_die_three_times_and_the_fourth_death_ends_the_stream() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("invert"));
    let runner = &orchestrator.runner;
    let stream = orchestrator.stream("budget", &clip, &json!({}));
    stream.viewer.until_more(RATE, FIRST);
    let mut worker = None;
    for death in 1..=3 {
        let next = runner.other(Role::Worker, worker);
        kill_9(next).expect("it runs");
        worker = Some(next);
        assert!(
            wait_until(SOON, || restarts(runner) == death),
            "{}",
            runner.last_words()
        );
        stream.viewer.until_more(2 * RATE, SOON);
    }
    kill_9(runner.other(Role::Worker, worker)).expect("it runs");
    runner.until_health(&["ERROR"], SOON);
    assert!(
        stream.viewer.ends(SOON),
        "the stream goes on without a worker"
    );
    assert_eq!(stream.session.events_of("restart").len(), 3);
}
