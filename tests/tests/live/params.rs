//! Parameters while a stream runs (runner contract §2.2, §6.4, §7).

use std::time::Duration;

use framerill_tests::{
    http,
    live::{
        clip::distance,
        orchestrator::{Orchestrator, Stream},
        runner::Setup,
        stalled::Stalled,
        usage::held,
        verdict::Look,
    },
    wait_until,
};
use serde_json::{Value, json};

use crate::scene::{FIRST, RATE, SOON, api, assert_nearly_all_there, clip, film_changed, verdict};

/// A message takes effect within this.
const EFFECT: Duration = Duration::from_secs(3);

fn tuned() -> Option<(Orchestrator, Stream)> {
    let clip = clip()?;
    let orchestrator = Orchestrator::idle(Setup::python("live", "Tuned"));
    let stream = orchestrator.stream("tuned", &clip, &json!({}));
    stream.viewer.until_more(RATE, FIRST);
    Some((orchestrator, stream))
}

/// Pictures by which an effect is known.
const KNOWN: usize = RATE / 2;

/// Whether the last pictures are finished, and all negatives, or all none.
fn are_last(stream: &Stream, is_negative: bool, pictures: usize) -> bool {
    let look = if is_negative {
        Look::Negative
    } else {
        Look::Same
    };
    verdict(stream, look).ends_finished(pictures)
}

/// What was said takes effect, in time.
fn assert_becomes(stream: &Stream, is_negative: bool) {
    let half_seconds = 2 * usize::try_from(EFFECT.as_secs()).unwrap_or(3);
    let became = (0..half_seconds).any(|_| {
        stream.viewer.until_more(KNOWN, SOON);
        are_last(stream, is_negative, KNOWN)
    });
    assert!(became, "not in {EFFECT:?}");
}

/// What was said has no effect.
fn assert_stays(stream: &Stream, is_negative: bool) {
    stream.viewer.until_more(2 * RATE, SOON);
    assert!(are_last(stream, is_negative, 2 * RATE), "it has an effect");
}

/// Nothing was lost on the way, nor in the second after it.
fn assert_undisturbed(stream: &Stream, orchestrator: &Orchestrator) {
    stream.viewer.until_more(RATE, SOON);
    // Negatives or not is the test's own question.
    assert_nearly_all_there(&verdict(stream, Look::Same), &orchestrator.runner, None);
}

#[test]
fn a_message_on_the_control_channel_is_the_whole_new_set() {
    let Some((orchestrator, stream)) = tuned() else {
        return;
    };
    assert_becomes(&stream, false);
    stream.session.say(&json!({"negative": true, "level": 3}));
    assert_becomes(&stream, true);
    // What is left out has the class's default again.
    stream.session.say(&json!({"level": 5}));
    assert_becomes(&stream, false);
    assert_undisturbed(&stream, &orchestrator);
    let status = orchestrator.runner.status().expect("infer answers");
    assert_eq!(status["inference_status"]["restart_count"], 0);
    let none: [Value; 0] = [];
    assert_eq!(stream.session.events_of("error"), none);
    assert_eq!(stream.session.events_of("params_update"), none);
}

#[test]
fn the_inner_route_changes_parameters_too() {
    let Some((orchestrator, stream)) = tuned() else {
        return;
    };
    let answer = orchestrator
        .runner
        .inner_post("/api/params", &json!({"negative": true}));
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "Params updated successfully")
    );
    assert_becomes(&stream, true);
    let inner = orchestrator.runner.inner().expect("infer runs");
    let json = ("Content-Type", "application/json");
    for (header, body) in [
        (json, b"{" as &[u8]),
        (("Content-Type", "text/plain"), b"{}"),
    ] {
        let answer = http::send(&inner, "POST", "/api/params", &[header], body, SOON);
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 400);
        assert!(
            answer.text().starts_with("Error updating params: "),
            "{}",
            answer.text()
        );
    }
    assert_undisturbed(&stream, &orchestrator);
}

#[test]
fn a_rejected_set_is_told_and_leaves_the_running_one_untouched() {
    let Some((orchestrator, stream)) = tuned() else {
        return;
    };
    stream.session.say(&json!({"negative": true}));
    assert_becomes(&stream, true);
    stream.session.say(&json!({"negative": false, "level": 11}));
    let told = |it: &Value| {
        let message = it["message"].as_str().unwrap_or_default();
        message.starts_with("Error updating params: ")
    };
    let event = stream.session.until_event("error", SOON, told);
    assert_eq!(
        event["pipeline"].as_str().map(str::is_empty),
        Some(false),
        "{event}"
    );
    assert!(
        event["time"].is_f64() && event["timestamp"].is_u64(),
        "{event}"
    );
    assert_stays(&stream, true);
    assert_undisturbed(&stream, &orchestrator);
}

#[test]
fn another_size_is_rejected_in_the_middle_of_a_stream_and_taken_by_the_next() {
    let Some((orchestrator, stream)) = tuned() else {
        return;
    };
    stream.session.say(&json!({"width": 640, "height": 640}));
    stream.session.until_event("error", SOON, |it| {
        let message = it["message"].as_str().unwrap_or_default();
        message.contains("Cannot change output resolution mid-stream")
    });
    stream.viewer.until_more(RATE, SOON);
    assert_eq!(verdict(&stream, Look::Same).size, (512, 512));
    let clip = clip().expect("it was there before");
    let next = orchestrator.stream("next", &clip, &json!({"width": 640, "height": 640}));
    next.viewer.until_more(RATE, FIRST);
    assert_eq!(verdict(&next, Look::Same).size, (640, 640));
}

#[test]
fn keepalives_change_nothing() {
    let Some((orchestrator, stream)) = tuned() else {
        return;
    };
    stream.session.say(&json!({"negative": true}));
    assert_becomes(&stream, true);
    let status = || orchestrator.runner.status().expect("infer answers");
    let params = |status: &Value| {
        let inference = &status["inference_status"];
        (
            inference["last_params_hash"].clone(),
            inference["last_params_update_time"].clone(),
        )
    };
    let before = params(&status());
    for _ in 0..5 {
        stream.session.say(&json!({"keep": "alive"}));
    }
    assert_stays(&stream, true);
    assert_eq!(params(&status()), before);
    // Almost a keepalive is none: it is a set of parameters, and this pipeline knows no `keep`.
    stream.session.say(&json!({"keep": "alive", "level": 1}));
    stream.session.until_event("error", SOON, |_| true);
    assert_ne!(params(&status()), before);
    assert_stays(&stream, true);
}

#[test]
fn what_is_no_json_is_passed_over() {
    let Some((orchestrator, stream)) = tuned() else {
        return;
    };
    for noise in ["{", "not JSON", "\u{0}\u{1}", "<html></html>", ""] {
        stream.session.say_bytes(noise.as_bytes().to_vec());
    }
    stream.session.say_bytes(vec![0xff, 0xfe, 0x80]);
    assert_stays(&stream, false);
    stream.session.say(&json!({"negative": true}));
    assert_becomes(&stream, true);
    assert_undisturbed(&stream, &orchestrator);
}

#[test]
fn twenty_megabytes_of_parameters_break_nothing_and_are_not_kept() {
    let Some((orchestrator, stream)) = tuned() else {
        return;
    };
    let before = held(orchestrator.runner.pid());
    let big = json!({"negative": true, "note": "x".repeat(20 << 20)});
    stream.session.say(&big);
    // More than a message may have (runner contract §12, D2).
    let told = wait_until(SOON, || {
        let said = orchestrator.runner.said();
        said.contains("a control message is left out: it is longer than")
    });
    assert!(told, "{}", orchestrator.runner.last_words());
    assert_stays(&stream, false);
    stream.session.say(&json!({"negative": true}));
    assert_becomes(&stream, true);
    assert_undisturbed(&stream, &orchestrator);
    let mut after = before;
    let shrunk = wait_until(SOON, || {
        after = held(orchestrator.runner.pid());
        after.pss_bytes < before.pss_bytes + (40 << 20)
    });
    assert!(shrunk, "{before:?} became {after:?}");
}

#[test]
fn d20_parameters_of_megabytes_reach_the_pipeline_and_cost_no_worker() {
    let Some((orchestrator, stream)) = tuned() else {
        return;
    };
    for (size, is_negative) in [(2 << 20, true), (9 << 20, false)] {
        let note = "x".repeat(size);
        stream
            .session
            .say(&json!({"negative": is_negative, "note": note}));
        assert_becomes(&stream, is_negative);
    }
    let status = orchestrator.runner.status().expect("infer answers");
    assert_eq!(status["inference_status"]["restart_count"], 0);
}

#[test]
fn a_thousand_messages_a_second_end_with_the_last_one() {
    let Some((orchestrator, stream)) = tuned() else {
        return;
    };
    for round in 0..3 {
        for step in 0..1000 {
            stream
                .session
                .say(&json!({"level": step % 11, "negative": (step + round) % 2 == 0}));
        }
        stream.viewer.until_more(RATE, SOON);
    }
    stream.session.say(&json!({"negative": true}));
    let settled = wait_until(SOON, || {
        let status = orchestrator.runner.status();
        status.is_some_and(|it| {
            it["state"] != "ERROR" && it["inference_status"]["restart_count"] == 0
        })
    });
    assert!(settled);
    assert_becomes(&stream, true);
    let seen = verdict(&stream, Look::Same);
    assert_nearly_all_there(&seen, &orchestrator.runner, None);
    assert_eq!(
        orchestrator.runner.status().expect("it answers")["inference_status"]["restart_count"],
        0
    );
}

#[test]
fn the_status_tells_the_hash_of_what_was_said_as_python_writes_it() {
    let Some((orchestrator, stream)) = tuned() else {
        return;
    };
    let status = orchestrator.runner.status().expect("infer answers");
    assert_eq!(status["type"], "status");
    stream.session.say(&json!({"level": 2}));
    // MD5 of `{"level": 2}`.
    let expected = "5a21d74ee6d87c11d32f5ed2d08ac91f";
    let told = wait_until(SOON, || {
        let status = orchestrator.runner.status().unwrap_or_default();
        let inference = &status["inference_status"];
        inference["last_params_update_time"].is_u64() && inference["last_params_hash"] == expected
    });
    assert!(told);
    let empty = "99914b932bd37a50b983c5e7c90ae93b";
    let answer = orchestrator.runner.inner_post("/api/params", &json!({}));
    assert_eq!(answer.status, 200);
    let told = wait_until(SOON, || {
        let status = orchestrator.runner.status().unwrap_or_default();
        status["inference_status"]["last_params_hash"] == empty
    });
    assert!(told, "{:?}", orchestrator.runner.status());
    // What is no set is refused, and shown all the same (contract §7).
    let answer = orchestrator
        .runner
        .inner_post("/api/params", &json!([1, 2]));
    assert_eq!(answer.status, 200);
    // MD5 of `[1, 2]`.
    let of_list = "04cd0e0151f352e7fd414d694a604136";
    let told = wait_until(SOON, || {
        let status = orchestrator.runner.status().unwrap_or_default();
        let inference = &status["inference_status"];
        inference["last_params_hash"] == of_list && inference["last_error"].is_string()
    });
    assert!(told, "{:?}", orchestrator.runner.status());
    // Pts go on meanwhile.
    let seen = verdict(&stream, Look::Same);
    let steps = seen
        .shown
        .windows(2)
        .map(|two| distance(two[0].pts, two[1].pts));
    assert!(steps.max().unwrap_or(0) <= 7500);
}

#[test]
fn parameters_come_from_a_watched_file_and_are_told_where_that_is_asked_for() {
    let Some(clip) = clip() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("params.json");
    let setup = Setup::python("live", "Tuned")
        .flag("--params-file", file.to_str().expect("a name"))
        .variable("FRAMERILL_PARAMS_EVENTS", "true");
    // Nobody writes into it: a watch that opened it would wait for ever.
    let pipe = Stalled::make(file.clone());
    let orchestrator = Orchestrator::idle(setup);
    let session = orchestrator.open("file");
    let stream = film_changed(&orchestrator, session, &clip, |_| {});
    stream.viewer.until_more(RATE, FIRST);
    assert!(!pipe.release(), "it is open");
    std::fs::remove_file(&file).expect("a pipe");
    std::fs::write(&file, json!({"negative": true}).to_string()).expect("a file");
    let told = stream
        .session
        .until_event("params_update", SOON, |it| it["params"]["negative"] == true);
    assert_eq!(told["status"], "applied");
    assert_becomes(&stream, true);
}

#[test]
fn what_the_waiting_worker_has_already_is_applied_to_a_stream_that_brings_none() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("invert"));
    let stream = orchestrator.stream("plain", &clip, &json!({}));
    stream.viewer.until_more(RATE, FIRST);
    let streams = api(&orchestrator, "GET", "/v1/streams", &json!({})).json();
    assert_eq!(
        streams["streams"][0]["params_status"], "applied",
        "{streams}"
    );
}
