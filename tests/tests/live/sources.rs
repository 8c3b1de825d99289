//! Inputs that are wrong: the runner says so, loses nothing that is its own, and goes on when the input does.

use std::{sync::Arc, time::Duration};

use framerill_tests::{
    live::{
        camera::{Camera, Options},
        clip::{Clip, distance},
        hostile::{Mode, Peer},
        now,
        orchestrator::{Orchestrator, Stream},
        runner::{Role, Setup},
        usage::held,
        verdict::{Kind, Look, Verdict},
    },
    source::Source,
    wait_until,
};
use serde_json::json;

use crate::scene::{
    FIRST, RATE, SOON, STOPPED, assert_nearly_all_finished, clip, clip_of, codecs, film_changed,
    stop, verdict, widest_gap,
};

const CLOCK: u64 = 1 << 33;
/// How long an input is wrong before it is right.
const TROUBLE: Duration = Duration::from_secs(4);

fn started(setup: Setup) -> Option<(Orchestrator, Stream)> {
    let clip = clip()?;
    let orchestrator = Orchestrator::idle(setup);
    let stream = orchestrator.stream("source", &clip, &json!({}));
    stream.viewer.until_more(2 * RATE, FIRST);
    Some((orchestrator, stream))
}

/// Nothing that belongs elsewhere came out, and segments play.
fn assert_sound(stream: &Stream, orchestrator: &Orchestrator) {
    let seen = verdict(stream, Look::Same);
    let none: [&str; 0] = [];
    assert_eq!(
        seen.faults_beside_times(),
        none,
        "{}",
        orchestrator.runner.last_words()
    );
}

fn recovers_from(mode: Mode) {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let runner = &orchestrator.runner;
    let before = held(runner.pid());
    let peer = Peer::start(&orchestrator.channels, mode);
    let session = orchestrator.open("peer");
    let stream = film_changed(&orchestrator, session, &clip, |body| {
        body["subscribe_url"] = json!(peer.url("peer"));
    });
    let came = stream.viewer.sees_more(1, TROUBLE);
    assert!(!came, "pictures came out of {mode:?}");
    assert_ne!(runner.health(), "ERROR");
    let state = runner.state();
    assert_ne!(state.as_deref(), Some("ERROR"), "{mode:?}");
    peer.set(Mode::Pass);
    let back = stream.viewer.sees_more(2 * RATE, SOON);
    assert!(
        back,
        "{mode:?}: nothing came when the peer was well again\n{}",
        runner.last_words()
    );
    assert_sound(&stream, &orchestrator);
    stop(&orchestrator, &stream);
    let settled = wait_until(SOON, || {
        held(runner.pid()).descriptors <= before.descriptors
    });
    assert!(settled, "{before:?} became {:?}", held(runner.pid()));
}

#[test]
fn an_input_that_answers_500_is_tried_again() {
    recovers_from(Mode::Status(500));
}

#[test]
fn an_input_that_hangs_is_tried_again() {
    recovers_from(Mode::Hang);
}

#[test]
fn an_input_that_refuses_is_tried_again() {
    recovers_from(Mode::Refuse);
}

#[test]
fn an_input_that_sends_pages_is_no_stream_until_it_sends_one() {
    recovers_from(Mode::Html);
}

#[test]
fn an_input_that_is_not_there_ends_the_stream_and_the_next_one_starts() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let session = orchestrator.open("gone");
    orchestrator.channels.delete("gone");
    assert_eq!(orchestrator.post(&session, &json!({})).status, 200);
    orchestrator
        .runner
        .until_health(&["IDLE"], Duration::from_secs(40));
    let left = session.left();
    assert!(!left.contains(&"gone-out".to_owned()), "{left:?}");
    let next = orchestrator.stream("next", &clip, &json!({}));
    next.viewer.until_more(RATE, FIRST);
}

#[test]
fn a_connection_that_breaks_in_the_middle_is_made_again() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let peer = Peer::start(&orchestrator.channels, Mode::Pass);
    let session = orchestrator.open("broken");
    let stream = film_changed(&orchestrator, session, &clip, |body| {
        body["subscribe_url"] = json!(peer.url("broken"));
    });
    stream.viewer.until_more(2 * RATE, FIRST);
    for mode in [Mode::Refuse, Mode::Status(500)] {
        peer.set(mode);
        // What is decoded goes out; then nothing comes in.
        stream.camera.until_more(30);
        peer.set(Mode::Pass);
        stream.viewer.until_more(2 * RATE, SOON);
    }
    let seen = verdict(&stream, Look::Same);
    assert_eq!((seen.of_another_place(), seen.not_rising.len()), (0, 0));
    assert!(seen.ends_finished(RATE), "{:?}", seen.faults());
    assert!(orchestrator.runner.find(Role::Media).is_some());
}

#[test]
fn garbage_pages_and_broken_segments_between_good_ones_are_passed_over() {
    let Some((orchestrator, stream)) = started(Setup::pipeline("noop")) else {
        return;
    };
    let noise: Vec<u8> = (0..50_000_u32)
        .map(|it| it.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect();
    for bytes in [
        noise.as_slice(),
        b"<html><body>It works!</body></html>",
        b"",
        &[0x47; 1880],
    ] {
        stream.camera.raw(bytes);
        stream.viewer.until_more(RATE, SOON);
    }
    stream.camera.cut();
    stream.viewer.until_more(2 * RATE, SOON);
    let seen = verdict(&stream, Look::Same);
    assert_eq!(
        (seen.of_another_place(), seen.not_rising.len()),
        (0, 0),
        "{:?}",
        seen.faults()
    );
    assert!(seen.ends_finished(RATE), "{:?}", seen.fillers());
    let restarts = orchestrator
        .runner
        .status()
        .map(|it| it["inference_status"]["restart_count"].clone());
    assert_eq!(restarts, Some(json!(0)));
    stop(&orchestrator, &stream);
}

#[test]
fn four_k_comes_out_at_the_streams_size() {
    let big = Source {
        size: (3840, 2160),
        seconds: 4.0,
        rate: "10".parse().expect("a rate"),
        ..Clip::half_minute()
    };
    shows(Clip::of(&big), 10);
}

#[test]
fn hevc_comes_out_as_h264() {
    let source = Source {
        size: (640, 360),
        seconds: 4.0,
        ..Clip::half_minute()
    };
    shows(hevc(&source), RATE);
}

fn hevc(source: &Source) -> Option<Arc<Clip>> {
    let how = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -fps_mode passthrough \
               -x265-params bframes=0:keyint=60:min-keyint=60:scenecut=0:log-level=error";
    Clip::encoded(source, "hevc", how)
}

fn shows(clip: Option<Arc<Clip>>, pictures: usize) {
    let Some(clip) = clip else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let stream = orchestrator.stream("shown", &clip, &json!({}));
    stream.viewer.until_more(2 * pictures, SOON);
    let seen = verdict(&stream, Look::Same);
    assert_eq!((seen.size, seen.of_another_place()), ((512, 512), 0));
    let segment = stream.viewer.look(|it| it.segments[0].bytes.clone());
    assert_eq!(codecs(&segment), ["h264", "opus"]);
    assert!(
        seen.count(Kind::Finished) >= pictures,
        "{:?}",
        seen.faults()
    );
    stop(&orchestrator, &stream);
}

#[test]
fn the_resolution_may_change_in_the_middle() {
    let Some(large) = clip_of((1280, 720), 3) else {
        return;
    };
    let Some((orchestrator, stream)) = started(Setup::pipeline("noop")) else {
        return;
    };
    stream.camera.show(&large);
    let shown = wait_until(SOON, || {
        stream.camera.sent().last().is_some_and(|it| it.tag == 3)
    });
    assert!(shown);
    stream.viewer.until_more(3 * RATE, SOON);
    let seen = verdict(&stream, Look::Same);
    assert_eq!(seen.size, (512, 512));
    let last = seen.shown.last().expect("pictures");
    assert_eq!(last.kind, Kind::Finished);
    let sent = stream.camera.sent();
    let own = sent
        .iter()
        .find(|it| it.pts == last.pts)
        .expect("it was sent");
    assert_eq!(own.tag, 3, "the new pictures do not come out");
    assert_eq!(seen.of_another_place(), 0);
    assert!(widest_gap(&seen) <= 90_000, "{}", widest_gap(&seen));
    stop(&orchestrator, &stream);
}

#[test]
fn the_codec_may_change_in_the_middle() {
    let source = Source {
        size: (640, 360),
        tag: 4,
        ..Clip::half_minute()
    };
    let Some(other) = hevc(&source) else { return };
    let Some((orchestrator, stream)) = started(Setup::pipeline("noop")) else {
        return;
    };
    stream.camera.show(&other);
    let out = wait_until(SOON, || {
        stream.camera.sent().last().is_some_and(|it| it.tag == 4)
    });
    assert!(out);
    stream.viewer.until_more(3 * RATE, SOON);
    let seen = verdict(&stream, Look::Same);
    let sent = stream.camera.sent();
    let new = seen.shown.iter().filter(|shown| {
        let own = sent.iter().find(|it| it.pts == shown.pts);
        shown.kind == Kind::Finished && own.is_some_and(|it| it.tag == 4)
    });
    assert!(
        new.count() > RATE,
        "{:?}\n{}",
        seen.faults(),
        orchestrator.runner.last_words()
    );
    stop(&orchestrator, &stream);
}

#[test]
fn thirty_seconds_of_silence_are_told_and_survived() {
    let Some((orchestrator, stream)) = started(Setup::pipeline("noop")) else {
        return;
    };
    let runner = &orchestrator.runner;
    stream.camera.silence();
    runner.until_state("DEGRADED_INPUT", Duration::from_secs(12));
    assert_eq!(runner.health(), "OK");
    let still = wait_until(Duration::from_secs(27), || {
        runner.state().as_deref() != Some("DEGRADED_INPUT")
    });
    assert!(!still, "{:?}", runner.state());
    stream.camera.resume();
    stream.viewer.until_more(3 * RATE, SOON);
    runner.until_state("ONLINE", Duration::from_secs(30));
    let newest = stream.camera.sent().last().map_or(0, |it| it.counter);
    let seen = verdict(&stream, Look::Same);
    assert_eq!(seen.not_rising.len(), 0);
    // Over a jump of more than ten seconds pts run on; the picture is the newest one.
    let last = seen.shown.last().and_then(|it| it.counter).expect("a mark");
    assert!(
        (0..60).contains(&((newest + 900 - last) % 900)),
        "{last}, not {newest}"
    );
    assert!(widest_gap(&seen) < 45 * 90_000, "{}", widest_gap(&seen));
    stop(&orchestrator, &stream);
}

#[test]
fn a_minute_of_silence_ends_the_stream_and_is_no_error() {
    let Some((orchestrator, stream)) = started(Setup::pipeline("noop")) else {
        return;
    };
    stream.camera.silence();
    let silent = now();
    orchestrator
        .runner
        .until_health(&["IDLE"], Duration::from_secs(75));
    let lasted = silent.elapsed();
    assert!(lasted > Duration::from_secs(55), "{lasted:?}");
    let words = orchestrator.looks().into_iter().filter_map(|it| it.said);
    assert!(
        words
            .into_iter()
            .all(|(status, word)| status == 200 && word != "ERROR")
    );
    assert!(stream.viewer.ends(STOPPED));
}

/// Pts of the output run on over a jump of the input's, and the pictures are the right ones.
fn jumps(ticks: i64) {
    let Some((orchestrator, stream)) = started(Setup::pipeline("noop")) else {
        return;
    };
    stream.camera.jump(ticks);
    stream.camera.until_more(90);
    stream.viewer.until_more(2 * RATE, SOON);
    let seen = verdict(&stream, Look::Same);
    assert_eq!(seen.not_rising.len(), 0, "{:?}", seen.faults());
    assert!(
        widest_gap(&seen) <= 45_000,
        "a gap of {} ticks",
        widest_gap(&seen)
    );
    // Pictures come in their order, though their pts moved. On a busy machine one may stand in for the next.
    let mut pictures: Vec<_> = seen
        .shown
        .iter()
        .filter_map(|it| Some((it.counter?, it.moved_ticks?)))
        .collect();
    let came = pictures.len();
    pictures.dedup_by_key(|(counter, _)| *counter);
    assert!(pictures.len() + 3 >= came, "{:?}", seen.fillers());
    let steps = pictures
        .windows(2)
        .map(|two| (two[1].0 + 900 - two[0].0) % 900);
    let odd: Vec<_> = steps.filter(|step| !(1..=15).contains(step)).collect();
    assert!(odd.is_empty(), "{odd:?}");
    let moved: Vec<_> = pictures.iter().map(|(_, moved)| *moved).collect();
    let last = *moved.last().expect("pictures");
    assert_eq!(moved[0], 0);
    assert!(
        (last + ticks).abs() <= 45_000,
        "moved by {last} against {ticks}"
    );
    let after = moved.iter().rev().take(RATE);
    assert!(after.into_iter().all(|it| *it == last), "it drifts");
    stop(&orchestrator, &stream);
}

#[test]
fn a_jump_ahead_by_an_hour_does_not_stop_the_output() {
    jumps(3600 * 90_000);
}

#[test]
fn a_jump_back_by_an_hour_does_not_stop_the_output() {
    jumps(-3600 * 90_000);
}

/// Twelve pictures from one keyframe to the next.
fn short_groups() -> Option<Arc<Clip>> {
    let source = Source {
        size: (640, 360),
        ..Clip::half_minute()
    };
    let how = "-c:v libx264 -preset ultrafast -tune zerolatency -g 12 -keyint_min 12 \
               -sc_threshold 0 -fps_mode passthrough";
    Clip::encoded(&source, "short-groups", how)
}

#[test]
fn times_of_four_tenths_of_a_second_over_and_over_do_not_stop_the_output() {
    let Some(clip) = short_groups() else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let stream = orchestrator.stream("loop", &clip, &json!({}));
    stream.viewer.until_more(RATE, FIRST);
    stream.camera.loop_times(36_000);
    let sounds = stream.viewer.look(|it| it.sounds.len());
    stream.camera.until_more(150);
    stream.viewer.until_more(4 * RATE, SOON);
    let seen = verdict(&stream, Look::Same);
    assert_eq!(seen.not_rising.len(), 0, "{:?}", seen.faults());
    let gap = widest_gap(&seen);
    assert!(gap <= 45_000, "a gap of {gap} ticks");
    // Pictures come in their order, though their times do not.
    let counters: Vec<_> = seen.shown.iter().filter_map(|it| it.counter).collect();
    let steps = counters.windows(2).map(|two| (two[1] + 900 - two[0]) % 900);
    let odd: Vec<_> = steps.filter(|step| *step > 15).collect();
    assert!(odd.is_empty(), "{odd:?}");
    let heard = stream.viewer.look(|it| it.sounds.len()) - sounds;
    assert!(heard > 120, "{heard} packets of sound");
    stop(&orchestrator, &stream);
}

#[test]
fn the_clock_of_33_bits_may_wrap() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let session = orchestrator.open("wraps");
    let options = Options {
        first_pts: CLOCK - 3 * 90_000,
        endless: true,
    };
    let stream = orchestrator.film(session, &clip, &json!({}), &options);
    stream.viewer.until_more(6 * RATE, SOON);
    let seen = verdict(&stream, Look::Same);
    assert!(
        seen.shown.iter().any(|it| it.pts < 2 * 90_000),
        "it did not wrap"
    );
    assert_nearly_all_finished(&seen, &orchestrator.runner);
    stop(&orchestrator, &stream);
}

#[test]
fn a_stream_may_begin_at_zero_and_just_before_the_end_of_the_clock() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    for (name, first_pts) in [("zero", 0), ("end", CLOCK - 1)] {
        let session = orchestrator.open(name);
        let options = Options {
            first_pts,
            endless: true,
        };
        let stream = orchestrator.film(session, &clip, &json!({}), &options);
        stream.viewer.until_more(2 * RATE, SOON);
        let seen = verdict(&stream, Look::Same);
        assert_nearly_all_finished(&seen, &orchestrator.runner);
        assert_eq!(
            seen.shown[0].pts, first_pts,
            "the first picture is there, at its time"
        );
        stop(&orchestrator, &stream);
    }
}

#[test]
fn pictures_that_stop_and_come_back_under_running_sound_come_back() {
    let Some((orchestrator, stream)) = started(Setup::pipeline("noop")) else {
        return;
    };
    stream.camera.only_sound(true);
    let before = stream.viewer.look(|it| it.sounds.len());
    let heard = wait_until(SOON, || {
        stream.viewer.look(|it| it.sounds.len()) > before + 150
    });
    assert!(
        heard,
        "the sound stops with the pictures\n{}",
        orchestrator.runner.last_words()
    );
    stream.camera.only_sound(false);
    stream.viewer.until_more(2 * RATE, SOON);
    let seen = verdict(&stream, Look::Same);
    assert_eq!((seen.not_rising.len(), seen.of_another_place()), (0, 0));
    assert!(seen.ends_finished(RATE), "{:?}", seen.fillers());
    stop(&orchestrator, &stream);
}

#[test]
fn a_second_camera_on_the_same_channel_is_followed() {
    let Some((orchestrator, stream)) = started(Setup::pipeline("noop")) else {
        return;
    };
    stream.camera.leave();
    assert!(wait_until(SOON, || stream.camera.ended().is_some()));
    let seq = stream.camera.sent().len();
    assert!(seq > 0);
    // It begins where the clock is by then, as a camera that was switched off and on.
    let last = stream.camera.sent().last().map_or(0, |it| it.pts);
    let options = Options {
        first_pts: (last + 5 * 90_000) % CLOCK,
        endless: true,
    };
    let camera = Camera::resumed(&orchestrator.channels, "source", &stream.clip, &options);
    stream.viewer.until_more(2 * RATE, SOON);
    let newest = camera.sent().last().map_or(0, |it| it.pts);
    let out = stream
        .viewer
        .look(|it| it.pictures.last().and_then(|it| it.pts))
        .unwrap_or(0);
    assert!(distance(out, newest).abs() < 2 * 90_000);
    let sent = [stream.camera.sent(), camera.sent()].concat();
    let watched = stream.viewer.watched();
    let seen = Verdict::of(&watched, &sent, stream.clip.source.size, Look::Same);
    assert!(seen.ends_finished(RATE), "{:?}", seen.faults());
    assert_eq!((seen.of_another_place(), seen.not_rising.len()), (0, 0));
    stop(&orchestrator, &stream);
}
