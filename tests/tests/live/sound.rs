//! Sound leaves with its picture, however long the pipeline takes (DESIGN, Sound).

use std::time::Duration;

use framerill_tests::{
    live::{
        camera::Options,
        clip::Clip,
        orchestrator::{Orchestrator, Stream},
        runner::{Role, Setup},
        verdict::Look,
    },
    process::kill_9,
    source::Source,
    wait_until,
};
use serde_json::json;

use crate::scene::{FIRST, RATE, SOON, assert_nearly_all_finished, clip, film_changed, verdict};

const STEP_MS: f64 = 40.0;
/// Sound and its picture are written at once; what is more is a busy machine's.
const AHEAD_MS: f64 = 100.0;
/// Sound whose picture has gone goes with the next one, which a slow pipeline has 400 ms later.
const BEHIND_MS: f64 = 1000.0;

fn once(seconds: f64) -> Option<std::sync::Arc<Clip>> {
    Clip::of(&Source {
        seconds,
        size: (640, 360),
        ..Clip::half_minute()
    })
}

fn in_step(length: f64, seconds: f64, least_beeps: usize, disturb: impl FnOnce(&Orchestrator)) {
    let Some(clip) = once(length) else { return };
    let orchestrator = Orchestrator::idle(Setup::python("live", "Negative"));
    let session = orchestrator.open("sound");
    let options = Options {
        endless: false,
        ..Options::default()
    };
    let stream = orchestrator.film(session, &clip, &json!({"seconds": seconds}), &options);
    stream.viewer.until_more(1, FIRST);
    disturb(&orchestrator);
    assert!(stream.viewer.ends(Duration::from_secs(60)));
    let seen = verdict(&stream, Look::Negative);
    let report = seen.sound(&clip);
    let sound = report.sound.expect("there is sound");
    assert!(sound.beeps >= least_beeps, "{sound:?}: {:?}", report.faults);
    assert!(sound.max_ms.abs() <= STEP_MS, "{sound:?}");
    let none: [&str; 0] = [];
    assert_eq!(seen.faults_beside_times(), none);
    let watched = stream.viewer.watched();
    // A piece lasts 20 ms.
    let due = length * 50.0;
    let heard = f64::from(u32::try_from(watched.sounds.len()).unwrap_or(0));
    assert!(heard >= 0.85 * due, "{heard} pieces of sound of {due}");
    // And it comes when its picture comes, not before it and not behind it.
    let ahead = watched.sound_ahead_ms();
    assert!(!ahead.is_empty());
    let odd = |it: &&f64| !(-BEHIND_MS..=AHEAD_MS).contains(*it);
    let odd: Vec<_> = ahead.iter().filter(odd).collect();
    assert!(odd.is_empty(), "ms before their pictures: {odd:?}");
}

#[test]
fn a_pipeline_of_5_ms_has_its_sound_in_step() {
    in_step(9.0, 0.005, 7, |_| {});
}

#[test]
fn a_pipeline_of_400_ms_has_its_sound_in_step() {
    // Of most flashes no picture is shown: two or three come out a second, and a flash lasts a tenth of it.
    in_step(28.0, 0.4, 2, |_| {});
}

#[test]
fn sound_is_in_step_over_the_death_of_a_worker() {
    in_step(9.0, 0.02, 7, |orchestrator| {
        kill_9(orchestrator.runner.process(Role::Worker)).expect("it runs");
    });
}

#[test]
fn pictures_without_sound_go_through() {
    let mute = Source {
        sound: false,
        size: (640, 360),
        ..Clip::half_minute()
    };
    let Some(mute) = Clip::of(&mute) else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let stream = orchestrator.stream("mute", &mute, &json!({}));
    stream.viewer.until_more(2 * RATE, FIRST);
    assert_nearly_all_finished(&verdict(&stream, Look::Same), &orchestrator.runner);
    assert!(stream.viewer.watched().sounds.is_empty());
}

/// A stream whose camera leaves the pictures out.
fn dark(name: &str) -> Option<(Orchestrator, Stream)> {
    let clip = clip()?;
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let session = orchestrator.open(name);
    let stream = film_changed(&orchestrator, session, &clip, |_| {});
    stream.camera.only_sound(true);
    Some((orchestrator, stream))
}

#[test]
fn sound_without_pictures_goes_through() {
    let Some((orchestrator, stream)) = dark("dark") else {
        return;
    };
    let heard = wait_until(SOON, || stream.viewer.look(|it| it.sounds.len() > 50));
    assert!(heard, "{}", orchestrator.runner.last_words());
}

#[test]
fn an_input_of_sound_alone_is_degraded_and_is_a_stream_when_pictures_come() {
    let Some((orchestrator, stream)) = dark("dawn") else {
        return;
    };
    orchestrator.runner.until_state("DEGRADED_INPUT", SOON);
    assert_eq!(orchestrator.runner.health(), "OK");
    stream.camera.only_sound(false);
    stream.viewer.until_more(2 * RATE, SOON);
    orchestrator.runner.until_state("ONLINE", SOON);
    let seen = verdict(&stream, Look::Same);
    assert_eq!(seen.of_another_place(), 0, "{:?}", seen.faults());
    assert!(seen.ends_finished(RATE), "{:?}", seen.fillers());
}
