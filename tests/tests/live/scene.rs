//! What most scenes have in common.

use std::{process::Command, sync::Arc, time::Duration};

use framerill_tests::{
    http::{self, Answer},
    live::{
        camera::{Camera, Options},
        clip::{Clip, distance},
        now,
        orchestrator::{Orchestrator, Session, Stream},
        runner::{Role, Runner},
        verdict::{Kind, Look, Verdict},
        viewer::Viewer,
    },
    source::Source,
    wait_until,
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

/// On a machine that has other work, one picture in so many may be given up. While a worker is well only finished pictures
/// leave, and what waits gives way to the newest (Law 4). `framerill bench live` has the number for a machine without other
/// work; SPECIFICATION.md (Live streams) states this one.
pub(crate) const GIVEN_UP_ONE_IN: usize = 20;
/// Half a second of pictures in a row is more than that.
pub(crate) const NEVER_GIVEN_UP: usize = RATE / 2;
/// When a stream begins, pictures wait for its worker, its encoder and its channel, and give way to newer ones.
const SETTLING: Duration = Duration::from_secs(1);

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

/// Next to all pictures came, finished, and nothing is wrong with any: [`assert_nearly_all_there`], and no more than
/// [`GIVEN_UP_ONE_IN`], and one, stand in or cannot be read.
pub(crate) fn assert_nearly_all_finished(verdict: &Verdict, runner: &Runner) {
    assert_nearly_all_there(verdict, runner, None);
    let stands_in = verdict.count(Kind::Held) + verdict.count(Kind::Unreadable);
    assert!(
        stands_in <= 1 + verdict.shown.len() / GIVEN_UP_ONE_IN,
        "{:?}\n{}",
        verdict.fillers(),
        runner.last_words()
    );
}

/// No picture is at a place that is not its own, times rise, every segment plays alone, the decoder has nothing to say; and
/// next to all pictures came, finished or not: past the first second of the output no more than [`GIVEN_UP_ONE_IN`], and one,
/// are missing, never [`NEVER_GIVEN_UP`] in a row. In the time that `bridged` names, from a pts on, for so many ticks, none
/// is missing at all.
pub(crate) fn assert_nearly_all_there(
    verdict: &Verdict,
    runner: &Runner,
    bridged: Option<(u64, i64)>,
) {
    let mut faults = verdict.faults_beside_times();
    if verdict.count(Kind::Unsent) > 0 {
        faults.push("pts that were not sent".to_owned());
    }
    let within = |pts: &u64| {
        bridged.is_some_and(|(from, length)| (0..=length).contains(&distance(from, *pts)))
    };
    let missing = verdict.missing.iter().copied();
    let (due, given_up): (Vec<u64>, Vec<u64>) = missing.partition(within);
    if !due.is_empty() {
        faults.push(format!("pts are missing: {due:?}"));
    }
    let beginning = verdict.shown.first().map_or(0, |it| it.pts);
    let mut given_up = given_up;
    given_up.retain(|it| distance(beginning, *it) > ticks(SETTLING));
    let whole = distance(beginning, verdict.shown.last().map_or(0, |it| it.pts));
    let whole = usize::try_from(whole / 90_000).unwrap_or(0) * RATE;
    if given_up.len() > 1 + whole / GIVEN_UP_ONE_IN {
        faults.push(format!("too many pts are missing: {given_up:?}"));
    }
    let in_a_row = |run: &[u64]| distance(run[0], run[NEVER_GIVEN_UP - 1]) < 50_000;
    if given_up.windows(NEVER_GIVEN_UP).any(in_a_row) {
        faults.push(format!("half a second is missing: {given_up:?}"));
    }
    let none: [&str; 0] = [];
    assert_eq!(faults, none, "{}", runner.last_words());
    assert!(verdict.count(Kind::Finished) > RATE, "too little was seen");
}

/// Ends a stream as an orchestrator does, and waits until nothing of it is left. `IDLE` is told when its last input is three
/// seconds old, which a test that asks for it waits for.
pub(crate) fn stop(orchestrator: &Orchestrator, stream: &Stream) {
    stream.session.close();
    let runner = &orchestrator.runner;
    let is_over = || runner.find(Role::Media).is_none();
    assert!(wait_until(STOPPED, is_over), "{}", runner.last_words());
    assert_ne!(runner.health(), "ERROR");
}

/// How long the output had no picture at most, in 1/90000 s of its own times.
pub(crate) fn widest_gap(verdict: &Verdict) -> i64 {
    let steps = verdict.shown.windows(2);
    steps
        .map(|two| distance(two[0].pts, two[1].pts))
        .max()
        .unwrap_or(0)
}

/// Codecs of a segment, video first.
pub(crate) fn codecs(segment: &[u8]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("segment.ts");
    std::fs::write(&file, segment).expect("a file");
    let said = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-show_entries",
            "stream=codec_type,codec_name",
            "-of",
            "csv=p=0",
        ])
        .arg(&file)
        .output()
        .expect("ffprobe runs");
    let mut lines: Vec<String> = String::from_utf8_lossy(&said.stdout)
        .lines()
        .filter(|line| !line.is_empty())
        .map(ToOwned::to_owned)
        .collect();
    lines.sort_by_key(|line| !line.ends_with("video"));
    lines.dedup();
    lines
        .into_iter()
        .map(|line| line.split(',').next().unwrap_or_default().to_owned())
        .collect()
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

/// Asks for a stream by our own API, with a binding.
pub(crate) fn bound(
    orchestrator: &Orchestrator,
    session: &Session,
    binding: &str,
    params: &Value,
) -> Answer {
    let request = session.request(params);
    let body = json!({
        "source": request["subscribe_url"], "sink": request["publish_url"], "events_url": request["events_url"],
        "binding": binding, "params": params,
    });
    api(orchestrator, "POST", "/v1/streams", &body)
}

/// A request to our own API.
pub(crate) fn api(orchestrator: &Orchestrator, method: &str, path: &str, body: &Value) -> Answer {
    let json = [("Content-Type", "application/json")];
    let (address, body) = (&orchestrator.runner.address, body.to_string());
    http::send(address, method, path, &json, body.as_bytes(), SOON)
        .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}
