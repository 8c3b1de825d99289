//! `/health` and its sisters (contract §1.5; D5, D45).

use std::time::Duration;

use framerill_tests::process::kill_9;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::runner::{Runner, Stage};

#[test]
fn each_state_of_infer_has_its_health() {
    let runner = Runner::well(Stage::new());
    for (status, health) in [
        (json!({"state": "LOADING"}), "LOADING"),
        (json!({"state": "OFFLINE"}), "IDLE"),
        (json!({"state": "ERROR"}), "ERROR"),
        (json!({"state": "ONLINE"}), "OK"),
        (json!({"state": "DEGRADED_INPUT"}), "OK"),
        (json!({"state": "DEGRADED_INFERENCE"}), "OK"),
        (json!({"state": "NEW_IN_2030"}), "OK"),
        (json!({"pipeline": "noop"}), "IDLE"),
    ] {
        runner.behave(&json!({"status": {"code": 200, "body": status}}));
        let reply = runner.get("/health");
        assert_eq!(reply.status, 200);
        assert_eq!(reply.json(), json!({"status": health}), "{status}");
    }
}

#[test]
fn whether_a_frame_could_go_through_is_infers_own_word() {
    let runner = Runner::well(Stage::new());
    for state in ["LOADING", "OFFLINE", "ONLINE"] {
        for (code, is_ready) in [(200, true), (503, false)] {
            let status = json!({"code": 200, "body": {"state": state}});
            let ready = json!({"code": code, "body": {"ready": is_ready}});
            runner.behave(&json!({"status": status, "ready": ready}));
            let reply = runner.get("/readyz");
            assert_eq!(reply.status, code, "{state}");
            assert_eq!(reply.json()["ready"], is_ready);
        }
    }
    runner.behave(&json!({"ready": "hang"}));
    assert_eq!(runner.get("/readyz").status, 503);
}

#[test]
fn parameters_of_megabytes_in_the_status_are_no_failure() {
    let runner = Runner::well(Stage::new());
    let picture = "x".repeat(10 << 20);
    let status =
        json!({"state": "ONLINE", "inference_status": {"last_params": {"picture": picture}}});
    runner.behave(&json!({"status": {"code": 200, "body": status}}));
    assert_eq!(runner.get("/health").json(), json!({"status": "OK"}));
}

#[test]
fn an_infer_that_answers_wrongly_is_a_500_with_the_contracts_words() {
    let runner = Runner::well(Stage::new());
    for status in [
        json!({"code": 500, "body": {"state": "ONLINE"}}),
        json!({"code": 200, "body": "no json"}),
        json!({"code": 200, "body": "[1]"}),
        json!("drop"),
    ] {
        runner.behave(&json!({"status": status}));
        let reply = runner.get("/health");
        assert_eq!(reply.status, 500, "{status}");
        assert_eq!(
            reply.json(),
            json!({"detail": {"msg": "Failed to retrieve pipeline status."}})
        );
        assert_eq!(runner.get("/readyz").status, 503);
        assert_eq!(runner.get("/healthz").status, 200);
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "driver: measures")]
fn d5_an_infer_that_hangs_is_a_500_within_a_second() {
    let runner = Runner::well(Stage::new());
    runner.behave(&json!({"status": "hang"}));
    let began = std::time::Instant::now();
    assert_eq!(runner.get("/health").status, 500);
    assert!(began.elapsed() < Duration::from_secs(1));
    // The same when the whole process stands still.
    runner.behave(&json!({}));
    let infer = i32::try_from(runner.infer(1)).expect("in range");
    let infer = Pid::from_raw(infer).expect("a number");
    kill_process(infer, Signal::STOP).expect("it runs");
    let began = std::time::Instant::now();
    assert_eq!(runner.get("/health").status, 500);
    assert!(began.elapsed() < Duration::from_secs(1));
    kill_process(infer, Signal::CONT).expect("it runs");
    assert_eq!(runner.get("/health").status, 200);
}

#[test]
fn while_infer_starts_health_is_loading() {
    let runner = Stage::new().behave(&json!({"boot": "deaf"})).noop();
    runner.infer(1);
    assert_eq!(runner.get("/health").json(), json!({"status": "LOADING"}));
    let ready = runner.get("/readyz");
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json(), json!({"ready": false, "status": "LOADING"}));
}

#[test]
fn d45_from_the_death_of_infer_to_the_next_one_health_is_loading() {
    let runner = Runner::well(Stage::new());
    for death in 1..=3 {
        kill_9(runner.infer(death)).expect("it runs");
        let mut loading = 0;
        runner.until("infer is back", || {
            let reply = runner.get("/health");
            assert_eq!(reply.status, 200, "{reply:?} after death {death}");
            match reply.json()["status"].as_str() {
                Some("LOADING") => loading += 1,
                Some("IDLE") => return Some(()),
                other => panic!("{other:?} after death {death}"),
            }
            None
        });
        assert!(loading > 0, "nobody saw it");
        runner.until_infer_answered(death + 1);
    }
}
