//! The rules of §5.3, with the rulings of DESIGN.

use framerill_supervisor::{
    guardian::{Cause, Health, Input, Output, Restarts, Rule, State, StopReason},
    lifecycle::{self},
};

use crate::watch::{Watch, error, is_reset, is_restart, is_stop, killed, millis, secs};

#[test]
fn it_is_loading_until_the_worker_is_ready_and_then_offline() {
    let mut watch = Watch::loading();
    watch.run(secs(100));
    assert_eq!((watch.state(), watch.states()), (State::Loading, vec![]));
    watch.worker(lifecycle::State::Ready);
    watch.run(secs(1));
    assert_eq!(
        (watch.state(), watch.rule()),
        (State::Offline, Rule::NoStream)
    );
    assert_eq!(watch.count(is_reset), 0, "no stream, nothing to clear");
}

#[test]
fn it_is_evaluated_once_a_second() {
    let mut watch = Watch::offline();
    for second in 11..20 {
        watch.run(secs(1));
        assert_eq!(watch.wake, secs(second + 1));
    }
}

#[test]
fn accepting_a_stream_is_online_at_once_even_while_the_worker_loads() {
    let mut watch = Watch::loading();
    watch.run(millis(500));
    watch.start(Restarts::Allowed);
    assert_eq!(
        (watch.state(), watch.rule()),
        (State::Online, Rule::Accepted)
    );
    watch.run(millis(500));
    assert_eq!(
        (watch.state(), watch.rule()),
        (State::Loading, Rule::NotReady)
    );
}

#[test]
fn rule_0_an_error_stays_whatever_comes() {
    let mut watch = Watch::well();
    watch.give(Input::WorkerFailed { reason: killed() });
    watch.out.clear();
    watch.worker(lifecycle::State::Ready);
    watch.flow(secs(100), 24, 24);
    watch.lose();
    watch.end();
    watch.run(secs(100));
    assert_eq!(watch.state(), State::Error);
    assert_eq!(watch.states(), []);
}

#[test]
fn rule_1_a_lost_worker_is_loading_at_once_and_the_stream_stays() {
    let mut watch = Watch::well();
    watch.run(millis(100));
    watch.lose();
    assert_eq!(watch.states(), [(watch.at, State::Loading)]);
    watch.worker(lifecycle::State::Loading);
    watch.flow(secs(5), 24, 0);
    watch.worker(lifecycle::State::Ready);
    watch.flow(secs(60), 24, 24);
    assert_eq!(watch.state(), State::Online);
    assert_eq!(watch.count(is_stop), 0);
}

#[test]
fn rule_1_no_restart_left_is_an_error_with_its_cause_and_stops_the_stream() {
    let mut watch = Watch::well();
    watch.give(Input::WorkerFailed { reason: killed() });
    assert_eq!(watch.states(), [(watch.at, State::Error)]);
    assert_eq!(
        watch.guardian.refusal(),
        Some(&Cause::NoRestartLeft(killed()))
    );
    let stop = Output::StopStream {
        stream: 1,
        reason: StopReason::Error,
    };
    assert_eq!(watch.count(|output| *output == stop), 1);
    let status = watch.guardian.status();
    let why = status.inference.last_error.clone().unwrap();
    let told = "Error in process run method: worker lost, no restart left: killed by signal 9";
    assert!(why.starts_with(told), "{why}");
    assert_eq!(status.health(), Health::Error);
}

/// `comfyui` begun by `/live-video-to-video` (§4.4).
#[test]
fn rule_1_a_stream_that_allows_no_restart_makes_the_first_loss_an_error() {
    let mut watch = Watch::offline();
    watch.start(Restarts::Forbidden);
    watch.flow(secs(20), 24, 24);
    watch.lose();
    assert_eq!(watch.state(), State::Error);
    assert_eq!(
        watch.guardian.refusal(),
        Some(&Cause::NoRestartAllowed(killed()))
    );
    assert_eq!(watch.count(|output| *output == Output::StopWorker), 1);
    assert_eq!(watch.guardian.status().inference.restart_count, 0);
}

#[test]
fn rule_1_without_a_stream_a_worker_that_served_such_a_one_is_restarted() {
    let mut watch = Watch::offline();
    watch.start(Restarts::Forbidden);
    watch.end();
    watch.lose();
    assert_eq!(watch.state(), State::Loading);
}

#[test]
fn rule_2_a_load_beyond_its_limit_asks_for_another_worker_and_is_no_error() {
    let mut watch = Watch::loading();
    watch.run(secs(182));
    assert_eq!(watch.count(is_restart), 0);
    watch.run(secs(1));
    assert_eq!(watch.count(is_restart), 1);
    watch.run(secs(182));
    assert_eq!(watch.count(is_restart), 1);
    watch.run(secs(1));
    assert_eq!(watch.count(is_restart), 2, "nothing came of it");
    assert_eq!(watch.state(), State::Loading);
}

#[test]
fn rule_2_a_reload_has_its_own_time() {
    let mut watch = Watch::well();
    watch.flow(secs(300), 24, 24);
    watch.worker(lifecycle::State::Loading);
    watch.flow(secs(180), 24, 0);
    assert_eq!(
        (watch.state(), watch.count(is_restart)),
        (State::Loading, 0)
    );
    watch.worker(lifecycle::State::Ready);
    watch.flow(secs(5), 24, 24);
    assert_eq!(watch.state(), State::Online);
}

#[test]
fn rule_3_a_stream_that_ended_is_degraded_input_and_offline_when_its_last_input_is_3_s_old() {
    let mut watch = Watch::well();
    watch.end();
    let ended = watch.at;
    watch.run(secs(10));
    assert_eq!(
        watch.states(),
        [
            (ended + secs(1), State::DegradedInput),
            (ended + secs(4), State::Offline)
        ]
    );
}

#[test]
fn rule_3_a_stream_that_never_had_input_is_offline_at_once() {
    let mut watch = Watch::started();
    watch.run(millis(300));
    watch.end();
    watch.run(millis(700));
    assert_eq!(watch.state(), State::Offline);
}

/// §5.4, action 4. The initial params may make the worker load; that is no second end of a stream.
#[test]
fn rule_3_the_worker_is_reset_once_a_stream_when_it_is_offline() {
    let mut watch = Watch::well();
    watch.end();
    watch.run(secs(4));
    assert_eq!(watch.count(is_reset), 1);
    watch.worker(lifecycle::State::Loading);
    watch.run(secs(5));
    assert_eq!(watch.state(), State::Loading);
    watch.worker(lifecycle::State::Ready);
    watch.run(secs(5));
    assert_eq!((watch.state(), watch.count(is_reset)), (State::Offline, 1));
}

#[test]
fn rule_4_silence_stops_the_stream_once_and_ends_in_offline_never_in_an_error() {
    let mut watch = Watch::well();
    let silent = watch.at;
    watch.run(secs(300));
    assert_eq!(watch.first(is_stop), silent + secs(61));
    assert_eq!(watch.count(is_stop), 1);
    let states = watch.states();
    assert_eq!(states.last(), Some(&(silent + secs(90), State::Offline)));
    assert!(states.iter().all(|(_, state)| *state != State::Error));
    assert!(!watch.out.iter().any(|(_, it)| is_restart(it)));
}

#[test]
fn rule_4_a_stream_that_stops_for_silence_is_offline_at_the_next_second() {
    let mut watch = Watch::well();
    watch.run(secs(61));
    watch.end();
    watch.run(secs(1));
    assert_eq!(watch.state(), State::Offline);
}

#[test]
fn rule_5a_a_fresh_stream_is_online_for_4_s_and_not_a_moment_longer() {
    let mut watch = Watch::offline();
    watch.run(millis(700));
    watch.start(Restarts::Allowed);
    watch.flow(millis(3750), 24, 0);
    assert_eq!(watch.state(), State::Online);
    watch.run(millis(249));
    assert_eq!(watch.state(), State::Online);
    watch.run(millis(1));
    assert_eq!(
        watch.state(),
        State::DegradedInference,
        "between two seconds, too"
    );
}

#[test]
fn rule_5b_neither_input_nor_output_is_degraded_input() {
    let mut watch = Watch::started();
    watch.run(secs(5));
    assert_eq!(
        (watch.state(), watch.rule()),
        (State::DegradedInput, Rule::NothingToAnswer)
    );
}

/// Also what 5d was: the ERROR is the lifecycle's verdict that the worker is hung and no restart is left.
#[test]
fn rule_5cd_input_without_output_is_degraded_inference_until_the_worker_is_hung() {
    let mut watch = Watch::started();
    watch.flow(secs(120), 24, 0);
    assert_eq!(
        (watch.state(), watch.rule()),
        (State::DegradedInference, Rule::NothingAnswered)
    );
    assert_eq!(watch.count(is_restart) + watch.count(is_stop), 0);
    watch.lose();
    assert_eq!(watch.state(), State::Loading);
}

#[test]
fn rule_6_output_that_stops_is_degraded_inference_until_the_worker_is_hung() {
    let mut watch = Watch::well();
    watch.flow(secs(7), 24, 0);
    assert_eq!(watch.state(), State::DegradedInference);
    assert_eq!(watch.count(is_stop) + watch.count(is_restart), 0);
    watch.flow(secs(60), 24, 0);
    assert_eq!(watch.state(), State::DegradedInference);
}

#[test]
fn rule_7_an_error_is_degraded_inference_for_15_s() {
    let mut watch = Watch::well();
    let at = watch.at;
    watch.give(error("Error processing input frame: no"));
    watch.flow(secs(30), 24, 24);
    assert_eq!(
        watch.states(),
        [
            (at + secs(1), State::DegradedInference),
            (at + secs(15), State::Online)
        ]
    );
}

#[test]
fn rule_7_a_restart_is_degraded_inference_for_60_s() {
    let mut watch = Watch::well();
    let at = watch.at;
    watch.lose();
    watch.worker(lifecycle::State::Ready);
    watch.flow(secs(80), 24, 24);
    let states = watch.states();
    assert_eq!(states.last(), Some(&(at + secs(60), State::Online)));
    assert!(
        states
            .iter()
            .any(|(_, state)| *state == State::DegradedInference)
    );
}

#[test]
fn rule_8_late_or_slow_input_is_degraded_input() {
    let mut watch = Watch::well();
    watch.run(secs(3));
    assert_eq!(watch.state(), State::DegradedInput);
    watch.flow(secs(30), 24, 24);
    assert_eq!(watch.state(), State::Online);
    watch.flow(secs(25), 12, 12);
    assert_eq!(
        (watch.state(), watch.rule()),
        (State::DegradedInput, Rule::InputPoor)
    );
}

#[test]
fn rule_9_late_or_slow_output_is_degraded_inference() {
    let mut watch = Watch::well();
    watch.flow(secs(4), 24, 0);
    assert_eq!(
        (watch.state(), watch.rule()),
        (State::DegradedInference, Rule::OutputPoor)
    );
    let mut watch = Watch::well();
    watch.flow(secs(25), 24, 8);
    assert_eq!(
        (watch.state(), watch.rule()),
        (State::DegradedInference, Rule::OutputPoor)
    );
}

#[test]
fn rule_10_all_well_is_online() {
    let mut watch = Watch::well();
    watch.flow(secs(600), 24, 11);
    assert_eq!((watch.state(), watch.states()), (State::Online, vec![]));
}

/// DESIGN, Rulings, states.
#[test]
fn never_online_for_more_than_4_s_without_an_output_even_if_updates_never_end() {
    let mut watch = Watch::well();
    let last = watch.at;
    for _ in 0..100 {
        watch.give(Input::ParamsQueued);
        watch.give(Input::ParamsApplied);
        watch.flow(millis(500), 24, 0);
        let age = watch.at - last;
        assert!(age <= secs(4) || watch.state() != State::Online, "{age:?}");
    }
    assert_eq!(watch.state(), State::DegradedInference);
}
