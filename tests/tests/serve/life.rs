//! How serve and infer live and end together (contract §4.1; D9, D42).

use std::{path::Path, process::Command, time::Duration};

use framerill_tests::{
    http::{connect, request},
    process::{is_running, kill_9},
    wait_until,
};
use rustix::process::Signal;
use serde_json::json;

use crate::runner::{Runner, Stage, is_gone_within};

#[test]
fn infers_output_comes_out_of_stderr() {
    let runner = Runner::well(Stage::new());
    for line in ["fake infer speaks on stderr", "fake infer speaks on stdout"] {
        runner.until(line, || runner.stderr().contains(line).then_some(()));
    }
}

#[test]
fn lines_have_the_time_of_the_zone_that_tz_names() {
    const ZONE: &str = "Pacific/Auckland";
    if !Path::new("/usr/share/zoneinfo").join(ZONE).exists() {
        return framerill_tests::skip("no time zones");
    }
    let minute = || {
        let mut date = Command::new("date");
        let told = date.env("TZ", ZONE).arg("+%Y-%m-%d %H:%M").output();
        let told = String::from_utf8(told.expect("date runs").stdout).expect("text");
        format!("timestamp={}:", told.trim())
    };
    let before = minute();
    let runner = Runner::well(Stage::new().env("TZ", ZONE));
    let (told, after) = (runner.stderr(), minute());
    assert!(told.contains(&before) || told.contains(&after), "{told}");
}

#[test]
fn infer_is_told_pipeline_port_params_and_models_and_no_token() {
    let stage = Stage::new()
        .env("INFERPY_INITIAL_PARAMS", r#"{"prompt": "x"}"#)
        .env("AUTH_TOKEN", "hush")
        .env("VERBOSE_LOGGING", "1")
        .env("MODEL_DIR", "/models")
        .env("DIFFUSERS_CACHE", "/elsewhere")
        .arg("--capacity", "2");
    let runner = Runner::well(stage);
    let boot = &runner.boots()[0];
    let args: Vec<_> = boot["args"].as_array().expect("a list").iter().collect();
    let after = |flag: &str| {
        let at = args.iter().position(|it| *it == flag);
        args[at.unwrap_or_else(|| panic!("no {flag}")) + 1]
    };
    assert_eq!(args[1], "infer");
    assert_eq!(after("--pipeline"), "noop");
    assert_eq!(after("--capacity"), "2");
    assert_eq!(after("--initial-params"), r#"{"prompt":"x"}"#);
    assert_ne!(after("--internal-port"), "0");
    assert_eq!(
        boot["env"],
        json!({
            "AUTH_TOKEN": null, "MODEL_DIR": "/models", "HUGGINGFACE_HUB_CACHE": "/models", "DIFFUSERS_CACHE": "/elsewhere",
            "VERBOSE_LOGGING": "1",
        })
    );
}

#[test]
fn infer_is_restarted_three_times_and_then_serve_exits_with_1() {
    let runner = Runner::well(Stage::new());
    for death in 1..=3 {
        kill_9(runner.infer(death)).expect("it runs");
        runner.until_infer_answered(death + 1);
        let page = runner.get("/metrics").text();
        assert!(page.contains(&format!("framerill_infer_restarts_total {death}.0")));
    }
    kill_9(runner.infer(4)).expect("it runs");
    let (ended, _) = runner.end();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let complaint = ended.stderr.lines().last().unwrap_or_default();
    assert!(complaint.starts_with("framerill: infer ended again after 3 restarts"));
}

#[test]
fn an_infer_that_leaves_with_code_0_is_restarted_too() {
    let runner = Stage::new().behave(&json!({"boot": {"exit": 0}})).noop();
    let (ended, _) = runner.end();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_eq!(
        ended.stderr.matches("fake infer speaks on stderr").count(),
        4
    );
}

#[test]
fn an_infer_that_was_told_wrongly_or_cannot_start_ends_serve_with_its_code() {
    for code in [2, 3] {
        let runner = Stage::new().behave(&json!({"boot": {"exit": code}})).noop();
        let (ended, _) = runner.end();
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains("infer does not start"));
    }
    let runner = Stage::new().arg("--infer-program", "/not/there").noop();
    assert_eq!(runner.end().0.code, Some(3));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "driver: measures")]
fn d9_a_signal_ends_infer_then_serve_within_six_seconds() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 143)] {
        let runner = Runner::well(Stage::new());
        let infer = runner.infer(1);
        // A connection that waits holds nothing up.
        let _idle = connect(&runner.address);
        let began = std::time::Instant::now();
        runner.signal(signal);
        let (ended, stage) = runner.end();
        assert!(began.elapsed() < Duration::from_secs(6));
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(stage.path("told-to-leave").exists());
        assert!(!is_running(infer));
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "driver: measures")]
fn d9_an_infer_that_stays_is_killed_and_the_end_still_comes_within_six_seconds() {
    let runner = Runner::well(Stage::new().behave(&json!({"on_term": "stay"})));
    let infer = runner.infer(1);
    let began = std::time::Instant::now();
    runner.signal(Signal::TERM);
    let (ended, _) = runner.end();
    assert!(began.elapsed() < Duration::from_secs(6));
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
    assert!(!is_running(infer));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "driver: measures")]
fn a_signal_that_comes_again_after_a_second_ends_it_at_once() {
    let runner = Runner::well(Stage::new().behave(&json!({"on_term": "stay"})));
    let infer = runner.infer(1);
    runner.signal(Signal::TERM);
    runner.until("infer is told", || runner.was_told_to_leave().then_some(()));
    let began = std::time::Instant::now();
    // What comes within a second is the same wish.
    let insists = || {
        runner.signal(Signal::TERM);
        !is_running(runner.pid())
    };
    assert!(wait_until(Duration::from_secs(3), insists));
    let (ended, _) = runner.end();
    assert!(began.elapsed() > Duration::from_millis(500));
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
    assert!(is_gone_within(infer, Duration::from_secs(1)));
}

#[test]
fn a_signal_while_infer_waits_for_its_restart_ends_serve() {
    let runner = Stage::new().behave(&json!({"boot": {"exit": 1}})).noop();
    runner.infer(3);
    runner.signal(Signal::TERM);
    let (ended, _) = runner.end();
    // It may have given up just before.
    assert!(matches!(ended.code, Some(143 | 1)), "{}", ended.stderr);
}

#[test]
fn d9_infer_dies_with_a_killed_serve_within_a_second() {
    let runner = Runner::well(Stage::new());
    let infer = runner.infer(1);
    kill_9(runner.pid()).expect("it runs");
    assert!(is_gone_within(infer, Duration::from_secs(1)));
}

#[test]
fn a_trickle_server_starts_beside_it_when_asked_for() {
    let runner = Runner::well(Stage::new().arg("--trickle", "127.0.0.1:0"));
    let channels = runner.announced["trickle"].as_str().expect("an URL");
    let address = channels
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    let posted = request(&address, "POST", "/live", &[], b"");
    assert_eq!(posted.status, 200);
    runner.signal(Signal::TERM);
    assert_eq!(runner.end().0.code, Some(143));
}

/// Twenty seconds without an answer; health says so meanwhile, and the budget counts it.
#[test]
fn an_infer_that_answers_no_more_is_replaced() {
    let runner = Runner::well(Stage::new());
    let first = runner.infer(1);
    framerill_tests::live::runner::signal(first, Signal::STOP);
    let second = runner.infer(2);
    assert!(second != first && !is_running(first));
    assert!(
        runner.stderr().contains("infer answers no more"),
        "{}",
        runner.stderr()
    );
}
