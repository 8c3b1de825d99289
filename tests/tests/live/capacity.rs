//! Several streams side by side: none slows another.

use framerill_tests::{
    live::{clip::distance, orchestrator::Orchestrator, runner::Setup, verdict::Look},
    wait_until,
};
use serde_json::json;

use crate::scene::{FIRST, RATE, SOON, STOPPED, assert_perfect, assert_whole, clip_of, verdict};

#[test]
fn two_streams_run_side_by_side_and_a_third_is_refused() {
    let (Some(one), Some(two)) = (clip_of((640, 360), 1), clip_of((640, 360), 2)) else {
        return;
    };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop").flag("--capacity", "2"));
    let first = orchestrator.stream("one", &one, &json!({}));
    let second = orchestrator.stream("two", &two, &json!({}));
    first.viewer.until_more(RATE, FIRST);
    second.viewer.until_more(RATE, FIRST);
    let third = orchestrator.open("three");
    let refused = orchestrator.post(&third, &json!({}));
    assert_eq!(refused.status, 400);
    let msg = refused.json()["detail"]["msg"]
        .as_str()
        .map(ToOwned::to_owned);
    assert!(
        msg.as_deref()
            .is_some_and(|it| it.contains("capacity 2 in use")),
        "{msg:?}"
    );
    first.viewer.until_more(3 * RATE, SOON);
    second.viewer.until_more(RATE, SOON);
    for stream in [&first, &second] {
        assert_perfect(&verdict(stream, Look::Same), &orchestrator.runner);
    }
    first.session.close();
    assert!(first.viewer.ends(STOPPED));
    // The place is free again, and the other stream did not notice.
    let free = wait_until(STOPPED, || {
        orchestrator.post(&third, &json!({})).status == 200
    });
    assert!(free, "{}", orchestrator.runner.last_words());
    second.viewer.until_more(2 * RATE, SOON);
    assert_perfect(&verdict(&second, Look::Same), &orchestrator.runner);
}

#[test]
fn a_camera_that_stalls_slows_no_other_stream() {
    let (Some(one), Some(two)) = (clip_of((640, 360), 1), clip_of((640, 360), 2)) else {
        return;
    };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop").flag("--capacity", "2"));
    let first = orchestrator.stream("stalls", &one, &json!({}));
    let second = orchestrator.stream("runs", &two, &json!({}));
    first.viewer.until_more(RATE, FIRST);
    second.viewer.until_more(RATE, FIRST);
    first.camera.hold();
    second.viewer.until_more(5 * RATE, SOON);
    first.camera.resume();
    first.viewer.until_more(2 * RATE, SOON);
    second.viewer.until_more(2 * RATE, SOON);
    assert_perfect(&verdict(&second, Look::Same), &orchestrator.runner);
    // What was held back comes late; nothing of it comes wrong.
    assert_eq!(verdict(&first, Look::Same).of_another_place(), 0);
}

#[test]
fn a_worker_that_hangs_slows_no_other_stream() {
    let (Some(one), Some(two)) = (clip_of((640, 360), 1), clip_of((640, 360), 2)) else {
        return;
    };
    let setup = Setup::python("live", "Hangs").flag("--capacity", "2");
    let orchestrator = Orchestrator::idle(setup);
    let marker = orchestrator.runner.folder().join("hung");
    let second = orchestrator.stream("runs", &two, &json!({}));
    let first = orchestrator.stream("hangs", &one, &json!({"marker": marker, "at": 48}));
    second.viewer.until_more(RATE, SOON);
    assert!(
        wait_until(SOON, || marker.exists()),
        "{}",
        orchestrator.runner.last_words()
    );
    let hung_at = second.camera.sent().last().map_or(0, |it| it.pts);
    second.viewer.until_more(15 * RATE, SOON + SOON);
    let seen = verdict(&second, Look::Negative);
    // That another pipeline was loaded before may have cost it a picture; that it hangs does not.
    let later: Vec<_> = seen
        .fillers()
        .into_iter()
        .filter(|(from, _)| distance(hung_at, *from) > 0)
        .collect();
    assert_eq!(later, []);
    let missing = seen.missing.iter();
    let missing = missing.filter(|pts| distance(hung_at, **pts) > 0).count();
    assert_eq!(missing, 0);
    first.viewer.until_more(2 * RATE, SOON);
    assert_whole(&verdict(&first, Look::Negative), &orchestrator.runner, None);
}
