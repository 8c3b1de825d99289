//! Names that are never resolved, and files that are never read or written: what waits for them waits alone.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use framerill_tests::live::{
    http,
    names::HangingNames,
    orchestrator::{Orchestrator, Session, Stream},
    runner::{Runner, Setup},
    verdict::Look,
};
use rustix::{
    fs::{CWD, Mode, mkfifoat},
    process::Signal,
};
use serde_json::{Value, json};

use crate::scene::{FIRST, RATE, SOON, api, assert_perfect, clip, film_changed, verdict};

/// A look at the health that takes longer is a look that hung.
const ANSWERED: Duration = Duration::from_secs(1);
/// A stream whose peers all hang is given up within this.
const LEFT: Duration = Duration::from_secs(8);

/// Asks for health and status again and again while `scene` plays: how many answers each gave.
fn answered_during(runner: &Runner, scene: impl FnOnce()) -> [usize; 2] {
    let inner = runner.inner().expect("infer runs");
    let over = AtomicBool::new(false);
    let ask = |address: &str, path: &str| {
        let mut answers = 0;
        while !over.load(Ordering::Relaxed) {
            let answer = http::get(address, path, ANSWERED);
            let answer = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            answers += 1;
        }
        answers
    };
    thread::scope(|scope| {
        let health = scope.spawn(|| ask(&runner.address, "/health"));
        let status = scope.spawn(|| ask(&inner, "/api/status"));
        // Whoever asks stops also when the scene fails.
        let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(scene));
        over.store(true, Ordering::Relaxed);
        let answers = [health, status].map(|it| it.join());
        if let Err(failed) = played {
            std::panic::resume_unwind(failed);
        }
        answers.map(|it| it.unwrap_or_else(|failed| std::panic::resume_unwind(failed)))
    })
}

/// A URL whose host has to be looked up.
fn by_name(url: &Value) -> Value {
    let url = url.as_str().expect("a URL");
    json!(url.replace("127.0.0.1", "channels.test"))
}

/// The stream is whole, and who asked was answered.
fn assert_undisturbed(stream: &Stream, runner: &Runner, answers: [usize; 2]) {
    assert_perfect(&verdict(stream, Look::Same), runner);
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
    assert_undisturbed(&stream, runner, answers);
    // The end waits for no name either.
    runner.signal(Signal::TERM);
    assert_eq!(orchestrator.runner.ended(LEFT), Some(143));
}

/// A file that is never read from and never written to.
fn stalled(runner: &Runner, name: &str) -> PathBuf {
    let path = runner.folder().join(name);
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).expect("a pipe");
    path
}

#[test]
fn files_that_stall_hold_up_nobody_else() {
    let Some(clip) = clip() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let params = folder.path().join("params.json");
    mkfifoat(CWD, &params, Mode::RUSR | Mode::WUSR).expect("a pipe");
    let setup = Setup::pipeline("noop").flag("--capacity", "3");
    let setup = setup.flag("--params-file", params.to_str().expect("a name"));
    let mut orchestrator = Orchestrator::idle(setup);
    let stream = orchestrator.stream("runs", &clip, &json!({}));
    stream.viewer.until_more(RATE, FIRST);
    let runner = &orchestrator.runner;
    let answers = answered_during(runner, || {
        let (source, sink) = (stalled(runner, "in.ts"), stalled(runner, "out.ts"));
        let session: Session = orchestrator.open("files");
        let channels = session.request(&json!({}));
        for (source, sink) in [
            (json!(source), channels["publish_url"].clone()),
            (channels["subscribe_url"].clone(), json!(sink)),
        ] {
            let body = json!({"source": source, "sink": sink});
            let answer = api(&orchestrator, "POST", "/v1/streams", &body);
            assert_eq!(answer.status, 201, "{body}: {}", answer.text());
            assert!(answer.took < ANSWERED, "{body}: {:?}", answer.took);
            stream.viewer.until_more(2 * RATE, SOON);
        }
        stream.viewer.until_more(4 * RATE, SOON);
    });
    assert_undisturbed(&stream, runner, answers);
    runner.signal(Signal::TERM);
    assert_eq!(orchestrator.runner.ended(LEFT), Some(143));
}
