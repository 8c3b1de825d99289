//! Sound leaves with its picture, however long the pipeline takes (DESIGN, Sound).

use std::time::Duration;

use framerill_tests::{
    live::{
        camera::Options,
        clip::Clip,
        orchestrator::Orchestrator,
        runner::{Role, Setup},
        verdict::Look,
    },
    process::kill_9,
    source::Source,
};
use serde_json::json;

use crate::scene::{FIRST, RATE, SOON, verdict};

const STEP_MS: f64 = 40.0;

fn twenty_seconds() -> Option<std::sync::Arc<Clip>> {
    Clip::of(&Source {
        seconds: 14.0,
        size: (640, 360),
        ..Clip::half_minute()
    })
}

fn in_step(setup: Setup, seconds: f64, disturb: impl FnOnce(&Orchestrator)) {
    let Some(clip) = twenty_seconds() else { return };
    let orchestrator = Orchestrator::idle(setup);
    let session = orchestrator.open("sound");
    let options = Options {
        endless: false,
        ..Options::default()
    };
    let stream = orchestrator.film(session, &clip, &json!({"seconds": seconds}), &options);
    stream.viewer.until_more(1, FIRST);
    disturb(&orchestrator);
    assert!(stream.viewer.ends(Duration::from_secs(40)));
    let seen = verdict(&stream, Look::Negative);
    let report = seen.sound(&clip);
    let sound = report.sound.expect("there is sound");
    assert!(sound.beeps >= 12, "{sound:?}: {:?}", report.faults);
    assert!(sound.max_ms.abs() <= STEP_MS, "{sound:?}");
    assert_eq!(seen.missing.len(), 0);
    // And it comes when its picture comes, not seconds before.
    let watched = stream.viewer.watched();
    assert!(watched.sounds >= 600, "{} pieces of sound", watched.sounds);
}

#[test]
fn a_pipeline_of_5_ms_has_its_sound_in_step() {
    in_step(Setup::python("live", "Negative"), 0.005, |_| {});
}

#[test]
fn a_pipeline_of_400_ms_has_its_sound_in_step() {
    in_step(Setup::python("live", "Negative"), 0.4, |_| {});
}

#[test]
fn sound_is_in_step_over_the_death_of_a_worker() {
    in_step(Setup::python("live", "Negative"), 0.02, |orchestrator| {
        kill_9(orchestrator.runner.process(Role::Worker)).expect("it runs");
    });
}

#[test]
fn sound_without_pictures_and_pictures_without_sound_go_through() {
    let mute = Source {
        sound: false,
        size: (640, 360),
        ..Clip::half_minute()
    };
    let Some(mute) = Clip::of(&mute) else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let stream = orchestrator.stream("mute", &mute, &json!({}));
    stream.viewer.until_more(2 * RATE, FIRST);
    assert_eq!(verdict(&stream, Look::Same).missing.len(), 0);
    assert_eq!(stream.viewer.watched().sounds, 0);
    let clip = twenty_seconds().expect("it was there before");
    let session = orchestrator.open("dark");
    assert_eq!(orchestrator.post(&session, &json!({})).status, 200);
    let viewer = framerill_tests::live::viewer::Viewer::start(&orchestrator.channels, "dark-out");
    let camera = framerill_tests::live::camera::Camera::start(
        &orchestrator.channels,
        "dark",
        &clip,
        &Options::default(),
    );
    camera.only_sound(true);
    let heard = framerill_tests::wait_until(SOON, || viewer.look(|it| it.sounds > 50));
    assert!(heard, "{}", orchestrator.runner.last_words());
}
