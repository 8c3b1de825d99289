//! Names that are never resolved, files that cannot be read, a log that takes nothing: what waits for them waits alone.

use std::{
    panic::resume_unwind,
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use framerill_tests::{
    http,
    live::{
        names::HangingNames,
        orchestrator::{Orchestrator, Stream},
        runner::{Role, Runner, Setup, signal},
        stalled::Stalled,
        verdict::Look,
    },
    wait_until,
};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::scene::{
    FIRST, RATE, SOON, assert_nearly_all_finished, bound, clip, film_changed, verdict,
};

/// A look at the health that takes longer is a look that hung.
const ANSWERED: Duration = Duration::from_secs(1);
const ASK_EVERY: Duration = Duration::from_millis(20);
/// A stream whose peers all hang is given up within this.
const LEFT: Duration = Duration::from_secs(8);

/// Asks for health and status again and again while `scene` plays: how many answers each gave.
fn answered_during(runner: &Runner, scene: impl FnOnce()) -> [usize; 2] {
    let inner = runner.inner().expect("infer runs");
    let ask = |address: &str, path: &str, over: &Receiver<()>| {
        let mut answers = 0;
        while over.recv_timeout(ASK_EVERY) == Err(RecvTimeoutError::Timeout) {
            let answer = http::get(address, path, ANSWERED);
            let answer = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            answers += 1;
        }
        answers
    };
    let (health_over, health) = channel();
    let (status_over, status) = channel();
    thread::scope(|scope| {
        // Whoever asks stops also when the scene fails.
        let over = (health_over, status_over);
        let health = scope.spawn(move || ask(&runner.address, "/health", &health));
        let status = scope.spawn(move || ask(&inner, "/api/status", &status));
        scene();
        drop(over);
        let answers = [health, status].map(|it| it.join());
        answers.map(|it| it.unwrap_or_else(|failed| resume_unwind(failed)))
    })
}

/// A URL whose host has to be looked up.
fn by_name(url: &Value) -> Value {
    let url = url.as_str().expect("a URL");
    json!(url.replace("127.0.0.1", "channels.test"))
}

/// The stream is whole, and who asked was answered.
fn assert_undisturbed(stream: &Stream, look: Look, runner: &Runner, answers: [usize; 2]) {
    assert_nearly_all_finished(&verdict(stream, look), runner);
    assert!(answers.iter().all(|it| *it > 100), "{answers:?}");
}

#[test]
fn names_that_are_never_resolved_hold_up_nobody_else() {
    let (Some(clip), Some(names)) = (clip(), HangingNames::make()) else {
        return;
    };
    let setup = Setup::pipeline("noop").flag("--capacity", "4");
    let mut orchestrator = Orchestrator::idle(setup.names(names));
    let stream = {
        // Nobody hears its events, and it runs.
        let session = orchestrator.open("runs");
        film_changed(&orchestrator, session, &clip, |body| {
            body["events_url"] = by_name(&body["events_url"]);
        })
    };
    stream.viewer.until_more(RATE, FIRST);
    let runner = &orchestrator.runner;
    let answers = answered_during(runner, || {
        let names = runner.names.as_ref().expect("they hang");
        assert!(names.answer(), "nobody asked where the events go");
        for field in ["subscribe_url", "publish_url", "control_url"] {
            let session = orchestrator.open(field);
            let mut body = session.request(&json!({}));
            body[field] = by_name(&body[field]);
            let answer = orchestrator.post_body(&body);
            assert_eq!(answer.status, 200, "{field}: {}", answer.text());
            assert!(answer.took < ANSWERED, "{field}: {:?}", answer.took);
            stream.viewer.until_more(RATE, SOON);
        }
        stream.viewer.until_more(5 * RATE, SOON);
    });
    assert_undisturbed(&stream, Look::Same, runner, answers);
    // The end waits for no name either.
    runner.signal(Signal::TERM);
    assert_eq!(orchestrator.runner.ended(LEFT), Some(143));
}

#[test]
fn files_that_stall_hold_up_nobody_else() {
    let Some(clip) = clip() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let [model, other] =
        ["model.bin", "other.bin"].map(|name| Stalled::make(folder.path().join(name)));
    let setup = Setup::python("live", "LoadsFile").flag("--capacity", "3");
    let mut orchestrator = Orchestrator::idle(setup);
    let stream = orchestrator.stream("runs", &clip, &json!({}));
    stream.viewer.until_more(RATE, FIRST);
    let runner = &orchestrator.runner;
    let answers = answered_during(runner, || {
        let loads = [("loads", &model), ("waits", &other)].map(|(name, model)| {
            let session = orchestrator.open(name);
            let params = json!({"model": model.path()});
            let answer = bound(&orchestrator, &session, "prompt", &params);
            assert_eq!(answer.status, 201, "{}", answer.text());
            assert!(answer.took < ANSWERED, "{:?}", answer.took);
            orchestrator.watch(session, &clip)
        });
        stream.viewer.until_more(5 * RATE, SOON);
        assert!(model.release(), "nobody loads the model");
        // It is read now, and its stream runs.
        let [loads, waits] = loads;
        loads.viewer.until_more(RATE, SOON);
        assert_eq!(waits.viewer.pictures(), 0);
    });
    assert_undisturbed(&stream, Look::Negative, runner, answers);
    // The end waits for no file either.
    runner.signal(Signal::TERM);
    assert_eq!(orchestrator.runner.ended(LEFT), Some(143));
}

#[test]
fn a_log_that_takes_nothing_holds_up_nobody() {
    let Some(clip) = clip() else { return };
    let setup = Setup::pipeline("invert").stalled_log();
    let mut orchestrator = Orchestrator::idle(setup);
    let stream = orchestrator.stream("unheard", &clip, &json!({}));
    stream.viewer.until_more(RATE, FIRST);
    let runner = &orchestrator.runner;
    let answers = answered_during(runner, || {
        // Each of them has something to say.
        signal(runner.process(Role::Worker), Signal::KILL);
        stream.viewer.until_more(2 * RATE, SOON);
        stream.session.say(&json!({"nonsense": 1}));
        let refused = orchestrator.post_body(&json!({}));
        assert_eq!(refused.status, 422);
        stream.viewer.until_more(2 * RATE, SOON);
    });
    assert!(answers.iter().all(|it| *it > 50), "{answers:?}");
    let is_well = || {
        stream.viewer.until_more(RATE, SOON);
        verdict(&stream, Look::Negative).ends_finished(RATE / 2)
    };
    assert!(wait_until(SOON, is_well), "the worker does not come back");
    runner.signal(Signal::TERM);
    assert_eq!(orchestrator.runner.ended(LEFT), Some(143));
}
