//! What goes wrong with peers is told by `error` events that say what to do, and is no trouble of the inference (runner
//! contract §5.4, §6.3).

use std::{fs, time::Duration};

use framerill_tests::{
    live::{
        clip::Clip,
        hostile::{Mode, Peer},
        orchestrator::{Orchestrator, Stream},
        runner::{Role, Setup},
    },
    process::kill_9,
    source::Source,
    wait_until,
};
use serde_json::{Value, json};

use crate::scene::{FIRST, RATE, SOON, clip, clip_of, film_changed, stop};

/// Ticks of 1/90000 s.
const HOUR: i64 = 3600 * 90_000;

/// A stream with a peer in front of one of its channels.
fn with_peer(field: &str, suffix: &str, mode: Mode) -> Option<(Orchestrator, Peer, Stream)> {
    let clip = clip()?;
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let peer = Peer::start(&orchestrator.channels, mode);
    let session = orchestrator.open("trouble");
    let url = peer.url(&format!("trouble{suffix}"));
    let stream = film_changed(&orchestrator, session, &clip, |body| {
        body[field] = json!(url);
    });
    Some((orchestrator, peer, stream))
}

fn started() -> Option<(Orchestrator, Stream)> {
    let clip = clip()?;
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let stream = orchestrator.stream("trouble", &clip, &json!({}));
    stream.viewer.until_more(RATE, FIRST);
    Some((orchestrator, stream))
}

fn says(event: &Value, what: &str) -> bool {
    event["message"]
        .as_str()
        .is_some_and(|it| it.contains(what))
}

/// Waits for an `error` event with this in it.
fn until_told(stream: &Stream, what: &str) {
    stream
        .session
        .until_event("error", SOON, |it| says(it, what));
}

fn times_told(stream: &Stream, what: &str) -> usize {
    let errors = stream.session.events_of("error");
    errors.iter().filter(|it| says(it, what)).count()
}

/// Nothing of it was the pipeline's.
fn assert_inference_is_well(orchestrator: &Orchestrator) {
    let said = orchestrator.runner.said();
    let bad = "state DEGRADED_INFERENCE: an error or a restart";
    assert!(!said.contains(bad), "{}", orchestrator.runner.last_words());
}

#[test]
fn an_output_channel_that_is_not_there_is_told_and_ends_the_stream() {
    let peer = with_peer("publish_url", "-out", Mode::Status(404));
    let Some((orchestrator, _peer, stream)) = peer else {
        return;
    };
    until_told(&stream, "Error writing output: its channel is not there");
    orchestrator.runner.until_health(&["IDLE"], SOON);
    assert_inference_is_well(&orchestrator);
}

#[test]
fn an_output_channel_that_goes_away_is_told_and_ends_the_stream() {
    let Some((orchestrator, peer, stream)) = with_peer("publish_url", "-out", Mode::Pass) else {
        return;
    };
    // A segment of two seconds is whole.
    stream.viewer.until_more(4 * RATE, SOON);
    peer.set(Mode::Status(404));
    until_told(
        &stream,
        "Error writing output: its channel was closed or is gone",
    );
    orchestrator.runner.until_health(&["IDLE"], SOON);
    assert_inference_is_well(&orchestrator);
}

#[test]
fn an_output_that_refuses_all_the_time_is_told_again_and_again() {
    let peer = with_peer("publish_url", "-out", Mode::Refuse);
    let Some((orchestrator, peer, stream)) = peer else {
        return;
    };
    let told = || {
        times_told(
            &stream,
            "Error writing output: nothing could be delivered for",
        )
    };
    let again = wait_until(Duration::from_secs(35), || told() >= 2);
    assert!(again, "{:#?}", stream.session.events_of("error"));
    assert_inference_is_well(&orchestrator);
    let status = orchestrator.runner.status().expect("it answers");
    let last = &status["inference_status"]["last_error"];
    assert!(
        last.as_str()
            .is_some_and(|it| it.starts_with("Error writing output"))
    );
    peer.set(Mode::Pass);
    stream.viewer.until_more(RATE, SOON);
    stop(&orchestrator, &stream);
}

#[test]
fn an_input_that_hangs_is_told_once_after_five_seconds() {
    let Some((orchestrator, peer, stream)) = with_peer("subscribe_url", "", Mode::Hang) else {
        return;
    };
    until_told(&stream, "Error reading input: nothing came for 5 s");
    peer.set(Mode::Pass);
    stream.viewer.until_more(RATE, SOON);
    assert_eq!(times_told(&stream, "nothing came"), 1);
    assert!(orchestrator.runner.said().contains("the input is back"));
    assert_inference_is_well(&orchestrator);
    stop(&orchestrator, &stream);
}

#[test]
fn pages_in_the_middle_of_an_input_are_told() {
    let Some((orchestrator, peer, stream)) = with_peer("subscribe_url", "", Mode::Pass) else {
        return;
    };
    stream.viewer.until_more(RATE, FIRST);
    peer.set(Mode::Html);
    // So many of them that the source is given up, or too few for that within five seconds.
    let told = || {
        let all = [
            "is not a video that can be read",
            "no picture could be decoded",
        ];
        all.iter().any(|what| times_told(&stream, what) > 0)
    };
    assert!(
        wait_until(SOON, told),
        "{}",
        orchestrator.runner.last_words()
    );
    assert_inference_is_well(&orchestrator);
}

#[test]
fn bytes_without_a_picture_are_told_once_and_as_such() {
    let Some((orchestrator, stream)) = started() else {
        return;
    };
    stream.camera.only_sound(true);
    until_told(
        &stream,
        "Error reading input: no picture could be decoded for 5 s",
    );
    stream.camera.only_sound(false);
    stream.viewer.until_more(RATE, SOON);
    assert_eq!(times_told(&stream, "no picture could be decoded"), 1);
    assert_inference_is_well(&orchestrator);
    stop(&orchestrator, &stream);
}

#[test]
fn silence_a_jump_and_another_source_are_told_each_and_the_stream_goes_on() {
    let Some((orchestrator, stream)) = started() else {
        return;
    };
    let Some(large) = clip_of((1280, 720), 3) else {
        return;
    };
    stream.camera.silence();
    until_told(&stream, "Error reading input: nothing came for 5 s");
    stream.camera.resume();
    stream.viewer.until_more(RATE, SOON);
    stream.camera.jump(HOUR);
    until_told(
        &stream,
        "Error reading input: the source's clock jumped ahead by 3",
    );
    let offset = || {
        let page = orchestrator.runner.get("/metrics").text();
        let line = page
            .lines()
            .find(|it| it.starts_with("framerill_time_offset_seconds{"))?;
        line.split_once("} ")?.1.parse::<f64>().ok()
    };
    assert!(offset().is_some_and(|it| it < -3500.0), "{:?}", offset());
    stream.camera.show(&large);
    until_told(&stream, "pictures from h264 of 640×360 to h264 of 1280×720");
    stream.viewer.until_more(RATE, SOON);
    assert_eq!(times_told(&stream, "nothing came"), 1);
    assert_inference_is_well(&orchestrator);
    stop(&orchestrator, &stream);
}

#[test]
fn another_codec_is_told() {
    let how = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -fps_mode passthrough \
               -x265-params bframes=0:keyint=60:min-keyint=60:scenecut=0:log-level=error";
    let source = Source {
        size: (640, 360),
        tag: 4,
        ..Clip::half_minute()
    };
    let (Some(other), Some((orchestrator, stream))) =
        (Clip::encoded(&source, "hevc", how), started())
    else {
        return;
    };
    stream.camera.show(&other);
    until_told(&stream, "pictures from h264 of 640×360 to hevc of 640×360");
    assert_inference_is_well(&orchestrator);
}

#[test]
fn a_control_message_that_is_too_long_or_no_json_is_told() {
    let Some((orchestrator, stream)) = started() else {
        return;
    };
    stream.session.say_bytes("{");
    until_told(
        &stream,
        "Error updating params: a control message is left out: it is not JSON",
    );
    stream.session.say_bytes(vec![b' '; 20 << 20]);
    until_told(
        &stream,
        "Error updating params: a control message is left out: it is longer than",
    );
    assert_eq!(stream.session.events_of("error").len(), 2);
    stream.viewer.until_more(RATE, SOON);
    assert_inference_is_well(&orchestrator);
}

#[test]
fn a_parameters_file_that_is_no_json_is_told() {
    let Some(clip) = clip() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("params.json");
    let setup = Setup::pipeline("noop").flag("--params-file", &file.to_string_lossy());
    let orchestrator = Orchestrator::idle(setup);
    let stream = orchestrator.stream("trouble", &clip, &json!({}));
    stream.viewer.until_more(RATE, FIRST);
    for (text, why) in [("{", "EOF"), ("[1]", "they should be an object")] {
        fs::write(&file, text).expect("a file");
        stream.session.until_event("error", SOON, |it| {
            says(it, "Error updating params: ") && says(it, why)
        });
    }
}

#[test]
fn a_pipeline_that_raises_from_the_first_frame_on_is_hung_in_its_own_time_and_its_lines_are_kept() {
    let Some(clip) = clip() else { return };
    let setup = Setup::python("live", "Raises").flag("--max-frame-time", "3");
    let orchestrator = Orchestrator::idle(setup);
    let stream = orchestrator.stream("trouble", &clip, &json!({}));
    for restart in 1..=3 {
        let event = stream
            .session
            .until_event("restart", SOON, |it| it["restart_count"] == restart);
        let lines = event["restart_logs"].to_string();
        assert!(lines.contains("this picture is wrong"), "{event}");
    }
    stream.session.until_event("error", SOON, |it| {
        says(
            it,
            "Error in process run method: worker lost, no restart left",
        )
    });
}

#[test]
fn the_death_of_infer_is_logged_with_how_the_machine_is() {
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let runner = &orchestrator.runner;
    kill_9(runner.process(Role::Infer)).expect("it runs");
    let is_told = || {
        let said = runner.said();
        let line = said
            .lines()
            .find(|it| it.contains("infer ended: diagnostics"));
        line.is_some_and(|it| it.contains("memory ") && it.contains("load "))
    };
    assert!(wait_until(SOON, is_told), "{}", runner.last_words());
}
