//! What most scenes have in common.

use std::{sync::Arc, time::Duration};

use framerill_tests::{
    live::{
        camera::{Camera, Options},
        clip::{Clip, distance},
        now,
        orchestrator::{Orchestrator, Session, Stream},
        runner::Runner,
        verdict::{Kind, Look, Verdict},
        viewer::Viewer,
    },
    source::Source,
};
use serde_json::{Value, json};

/// Pictures of the output a second.
pub(crate) const RATE: usize = 24;
/// Two intervals of the output, in 1/90000 s, and a tick for rounding.
pub(crate) const TWO_INTERVALS: i64 = 7501;
/// What is not there by then does not come.
pub(crate) const SOON: Duration = Duration::from_secs(15);
/// The first picture comes within this, of a build for tests on a machine that is busy.
pub(crate) const FIRST: Duration = Duration::from_secs(5);
/// Everything of a stream is stopped by then.
pub(crate) const STOPPED: Duration = Duration::from_secs(7);

/// The usual clip: small, so that tests measure the runner and not the decoder.
pub(crate) fn clip() -> Option<Arc<Clip>> {
    Clip::usual((640, 360))
}

/// The same with another tag and size.
pub(crate) fn clip_of(size: (u32, u32), tag: u8) -> Option<Arc<Clip>> {
    Clip::of(&Source {
        size,
        tag,
        ..Clip::half_minute()
    })
}

/// Compares what a stream's viewer saw so far with what its camera sent.
pub(crate) fn verdict(stream: &Stream, look: Look) -> Verdict {
    let size = stream.clip.source.size;
    Verdict::of(&stream.viewer.watched(), &stream.camera.sent(), size, look)
}

/// Nothing is wrong with it, and nothing stands in.
pub(crate) fn assert_perfect(verdict: &Verdict, runner: &Runner) {
    assert_whole(verdict, runner);
    assert_eq!(verdict.fillers(), [], "{}", runner.last_words());
}

/// Every pts is there, in order, and no picture is wrong; older ones may stand in.
pub(crate) fn assert_whole(verdict: &Verdict, runner: &Runner) {
    let none: [&str; 0] = [];
    assert_eq!(verdict.faults(), none, "{}", runner.last_words());
    assert!(verdict.count(Kind::Finished) > RATE, "too little was seen");
}

/// Ends a stream as an orchestrator does, and waits until the runner is idle again.
pub(crate) fn stop(orchestrator: &Orchestrator, stream: &Stream) {
    stream.session.close();
    orchestrator.runner.until_health(&["IDLE"], STOPPED);
}

/// How long the output had no picture at most, in 1/90000 s of its own times.
pub(crate) fn widest_gap(verdict: &Verdict) -> i64 {
    let steps = verdict.shown.windows(2);
    steps
        .map(|two| distance(two[0].pts, two[1].pts))
        .max()
        .unwrap_or(0)
}

/// Ticks of 1/90000 s.
pub(crate) fn ticks(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX) * 9 / 100
}

/// A stream whose request was changed before it was sent, as one with a peer in between.
pub(crate) fn film_changed(
    orchestrator: &Orchestrator,
    session: Session,
    clip: &Arc<Clip>,
    change: impl FnOnce(&mut Value),
) -> Stream {
    let mut body = session.request(&json!({}));
    change(&mut body);
    let asked = now();
    let answer = orchestrator.post_body(&body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    Stream {
        camera: Camera::start(
            &orchestrator.channels,
            &session.name,
            clip,
            &Options::default(),
        ),
        viewer: Viewer::start(&orchestrator.channels, &session.output()),
        clip: Arc::clone(clip),
        session,
        asked,
    }
}
