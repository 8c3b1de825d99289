//! The size of a stream's pictures is what its parameters say, from the first one to the last (runner contract §7, §8.4).

use std::{fs, path::PathBuf, sync::Arc};

use framerill_tests::{
    live::{
        clip::Clip,
        orchestrator::{Orchestrator, Stream},
        runner::Setup,
        verdict::Look,
    },
    wait_until,
};
use serde_json::{Value, json};

use crate::scene::{FIRST, RATE, SOON, api, clip, verdict};

const DOUBLED: (u32, u32) = (1024, 1024);

fn larger() -> Setup {
    Setup::python("upscaler", "Larger")
}

/// Every size that pictures had so far, in order.
fn sizes(stream: &Stream) -> Vec<(u32, u32)> {
    verdict(stream, Look::Same).recording.sizes
}

/// Until an update was refused for its size; what was said.
fn until_refused(stream: &Stream) -> String {
    let text = |it: &Value| it["message"].as_str().unwrap_or_default().to_owned();
    let is_it = |it: &Value| text(it).contains("Cannot change output resolution mid-stream");
    text(&stream.session.until_event("error", SOON, is_it))
}

#[test]
fn an_upscaler_is_encoded_at_its_own_size() {
    for class in ["Larger", "Doubles"] {
        let Some(clip) = clip() else { return };
        let orchestrator = Orchestrator::idle(Setup::python("upscaler", class));
        let stream = orchestrator.stream("larger", &clip, &json!({}));
        stream.viewer.until_more(RATE, FIRST);
        until_finished(&orchestrator, &stream);
        let seen = verdict(&stream, Look::Same);
        assert_eq!(seen.recording.sizes, [DOUBLED], "{class}");
        assert_eq!(
            (seen.not_rising, seen.segments),
            (vec![], vec![]),
            "{class}"
        );
    }
}

#[test]
fn an_update_that_changes_the_size_of_pictures_is_refused_and_the_next_stream_takes_it() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(larger());
    let stream = orchestrator.stream("first", &clip, &json!({"factor": 2}));
    stream.viewer.until_more(RATE, FIRST);
    stream.session.say(&json!({"factor": 1}));
    let said = until_refused(&stream);
    let sizes_of = "(Current resolution: (1024, 1024) requested resolution: (512, 512))";
    assert!(
        said.starts_with("Error updating params: ") && said.contains(sizes_of),
        "{said}"
    );
    // Pictures of the same size are no change, whatever else is.
    stream.session.say(&json!({"factor": 2, "level": 1}));
    let is_taken = || {
        let streams = api(&orchestrator, "GET", "/v1/streams", &json!({})).json();
        streams["streams"][0]["params_status"] == "applied"
    };
    assert!(
        wait_until(SOON, is_taken),
        "{}",
        orchestrator.runner.last_words()
    );
    stream.viewer.until_more(RATE, SOON);
    assert_eq!(sizes(&stream), [DOUBLED]);
    let next = orchestrator.stream("next", &clip, &json!({"factor": 1}));
    next.viewer.until_more(RATE, FIRST);
    assert_eq!(sizes(&next), [(512, 512)]);
}

/// A stream by our own API that shows what comes in until its worker gives something.
fn with_originals(orchestrator: &Orchestrator, clip: &Arc<Clip>, params: &Value) -> Stream {
    let session = orchestrator.open("cold");
    let request = session.request(params);
    let body = json!({
        "source": request["subscribe_url"], "sink": request["publish_url"], "on_worker_loss": "original", "params": params,
    });
    let answer = api(orchestrator, "POST", "/v1/streams", &body);
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    orchestrator.watch(session, clip)
}

fn until_finished(orchestrator: &Orchestrator, stream: &Stream) {
    let is_finished = || {
        stream.viewer.until_more(RATE, SOON);
        verdict(stream, Look::Same).ends_finished(RATE)
    };
    let is_well = wait_until(SOON, is_finished);
    assert!(is_well, "{}", orchestrator.runner.last_words());
}

#[test]
fn fillers_before_the_first_picture_have_its_size() {
    let Some(clip) = clip() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("gate");
    let reached = PathBuf::from(format!("{}.reached", gate.display()));
    let setup = larger().variable("GATE", &gate.display().to_string());
    let orchestrator = Orchestrator::start(setup);
    assert!(wait_until(FIRST, || reached.exists()), "it does not load");
    let params = json!({"factor": 2, "width": 384});
    let stream = with_originals(&orchestrator, &clip, &params);
    stream.viewer.until_more(RATE, FIRST);
    assert_eq!(sizes(&stream), [(768, 1024)]);
    fs::write(&gate, "").expect("a file");
    until_finished(&orchestrator, &stream);
    assert_eq!(sizes(&stream), [(768, 1024)]);
}

#[test]
fn while_the_code_that_knows_the_size_is_not_there_fillers_have_the_streams_own() {
    let Some(clip) = clip() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("gate");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, &gate, mode).expect("a pipe");
    let setup = larger().variable("IMPORT_GATE", &gate.display().to_string());
    let orchestrator = Orchestrator::start(setup);
    orchestrator.runner.until_state("LOADING", FIRST);
    let stream = with_originals(&orchestrator, &clip, &json!({"factor": 2}));
    stream.viewer.until_more(RATE, FIRST);
    assert_eq!(sizes(&stream), [(512, 512)]);
    fs::write(&gate, "").expect("somebody reads");
    until_finished(&orchestrator, &stream);
    assert_eq!(sizes(&stream), [(512, 512), DOUBLED]);
    assert_eq!(verdict(&stream, Look::Same).segments, Vec::<String>::new());
}

#[test]
fn a_size_that_no_picture_has_is_refused_at_the_start_and_its_method_named() {
    let orchestrator = Orchestrator::idle(larger());
    for (says, why) in [
        (json!("raise"), "RuntimeError: no such model"),
        (json!("wide"), "two whole numbers"),
        (json!([512]), "two whole numbers"),
        (json!([512.5, 512]), "two whole numbers"),
        (json!([0, 512]), "out of range"),
        (json!([-4, 512]), "out of range"),
        (json!([100_000, 2]), "out of range"),
        (json!([16_384, 16_384]), "out of range"),
    ] {
        let session = orchestrator.open("hostile");
        let answer = orchestrator.post(&session, &json!({ "says": says }));
        let text = answer.text();
        assert_eq!(answer.status, 400, "{says}: {text}");
        let is_named = text.contains("get_output_resolution") && text.contains(why);
        assert!(is_named, "{says}: {text}");
    }
}

#[test]
fn odd_sides_lose_their_last_row_and_column() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(larger());
    let stream = orchestrator.stream("odd", &clip, &json!({"says": [701, 511]}));
    stream.viewer.until_more(RATE, FIRST);
    assert_eq!(sizes(&stream), [(700, 510)]);
}
