//! The corrections of §12 that concern states.

use framerill_supervisor::{
    Config, ExitReason, Guardian, Lifecycle,
    guardian::{Event, Input, Moment, Output, Restarts, Rule, State},
    lifecycle::{self},
};
use std::time::Duration;

use crate::watch::{WALL, Watch, error, is_restart, killed, millis, secs};

/// §8.5: what a former stream's media still reports is none of the current one's.
#[test]
fn d12_streams_are_told_apart_by_a_number_of_their_own() {
    let mut watch = Watch::well();
    watch.start(Restarts::Allowed);
    watch.give(Input::Progress {
        stream: 1,
        decoded: 9000,
        answered: 9000,
    });
    watch.give(Input::StreamEnded { stream: 1 });
    assert_eq!(watch.guardian.ignored(), 2);
    assert_eq!(watch.guardian.status().input.last_input_time_ms, None);
    watch.flow(secs(10), 24, 24);
    assert_eq!(watch.state(), State::Online, "the second stream runs");
}

#[test]
fn d15_a_restart_is_told_at_once_on_the_channel_of_the_stream_that_stays() {
    let mut watch = Watch::well();
    watch.run(millis(300));
    watch.lose();
    let restart = Event::Restart {
        stream: Some(1),
        restart_count: 1,
        restart_time_ms: WALL + 40_300,
        reason: killed(),
    };
    assert_eq!(
        watch.first(|it| *it == Output::Event(restart.clone())),
        watch.at
    );
}

#[test]
fn d16_a_stream_is_not_degraded_before_a_window_of_its_own_has_closed() {
    let mut watch = Watch::well();
    // The windows of the first stream would say 12 frames a second.
    watch.flow(secs(30), 12, 3);
    watch.start(Restarts::Allowed);
    watch.out.clear();
    watch.flow(secs(30), 24, 24);
    assert_eq!(watch.states(), []);
    assert_eq!(watch.state(), State::Online);
}

#[test]
fn d16_output_that_a_load_held_up_says_nothing_about_the_rate_after_it() {
    let mut watch = Watch::well();
    watch.worker(lifecycle::State::Loading);
    watch.flow(secs(30), 24, 0);
    watch.worker(lifecycle::State::Ready);
    watch.flow(secs(30), 24, 24);
    let bad = |(_, state): &(Duration, State)| *state == State::DegradedInference;
    assert!(!watch.states().iter().any(bad), "{:?}", watch.states());
}

#[test]
fn d17_an_update_that_is_only_queued_or_rejected_hides_nothing() {
    let mut watch = Watch::well();
    for _ in 0..6 {
        watch.give(Input::ParamsQueued);
        watch.flow(millis(500), 24, 0);
    }
    assert_eq!(
        (watch.state(), watch.rule()),
        (State::DegradedInference, Rule::OutputPoor)
    );
}

#[test]
fn d17_updates_hide_no_errors_while_output_flows() {
    let mut watch = Watch::well();
    watch.give(error("Error updating params: no"));
    for _ in 0..10 {
        watch.give(Input::ParamsApplied);
        watch.flow(millis(500), 24, 24);
    }
    assert_eq!(
        (watch.state(), watch.rule()),
        (State::DegradedInference, Rule::Troubled)
    );
}

#[test]
fn d17_updates_do_not_extend_the_time_to_load() {
    let mut watch = Watch::started();
    watch.worker(lifecycle::State::Loading);
    for _ in 0..183 {
        watch.give(Input::ParamsQueued);
        watch.give(Input::ParamsApplied);
        watch.run(secs(1));
    }
    assert_eq!(watch.count(is_restart), 1);
}

#[test]
fn d17_the_first_update_after_an_output_does_not_end_online_within_4_s() {
    let mut watch = Watch::well();
    watch.give(Input::ParamsApplied);
    watch.flow(millis(3500), 24, 0);
    assert_eq!(watch.state(), State::Online, "an update may hold output up");
    watch.flow(secs(1), 24, 24);
    assert_eq!(watch.states(), []);
}

/// A rejection is an error report; what was queued is still what was sent.
#[test]
fn d29_a_rejected_update_is_the_last_error_and_the_time_of_the_update_stands() {
    let mut watch = Watch::well();
    watch.give(Input::ParamsQueued);
    let queued = WALL + 40_000;
    watch.run(millis(100));
    watch.give(error("Error updating params: bad width"));
    watch.run(secs(1));
    let inference = &watch.guardian.status().inference;
    assert_eq!(inference.last_params_update_time_ms, Some(queued));
    assert_eq!(
        inference.last_error.as_deref(),
        Some("Error updating params: bad width")
    );
    assert_eq!(inference.last_error_time_ms, Some(queued + 100));
}

#[test]
fn d30_a_stream_is_refused_in_error_and_error_stays() {
    let mut watch = Watch::offline();
    assert_eq!(watch.guardian.refusal(), None);
    watch.give(Input::WorkerFailed { reason: killed() });
    assert!(watch.guardian.refusal().is_some());
    watch.start(Restarts::Allowed);
    watch.run(secs(10));
    assert_eq!((watch.state(), watch.guardian.ignored()), (State::Error, 1));
    assert_eq!(watch.guardian.status().start_time_ms, 0);
}

#[test]
fn d31_frames_that_no_worker_got_are_input_all_the_same() {
    let mut watch = Watch::started();
    watch.worker(lifecycle::State::Loading);
    watch.flow(secs(23), 24, 0);
    let input = &watch.guardian.status().input;
    assert_eq!(input.last_input_time_ms, Some(WALL + 33_000));
    assert!((23.0..25.0).contains(&input.fps), "{}", input.fps);
}

#[test]
fn d40_what_happens_at_time_0_happened() {
    let zero = Moment::default();
    let mut guardian = Guardian::new(zero);
    guardian.handle(zero, Input::WorkerState(lifecycle::State::Ready));
    guardian.handle(
        zero,
        Input::StreamStarted {
            stream: 0,
            restarts: Restarts::Allowed,
        },
    );
    let progress = Input::Progress {
        stream: 0,
        decoded: 1,
        answered: 1,
    };
    guardian.handle(zero, progress);
    guardian.handle(zero, Input::StreamEnded { stream: 0 });
    let status = guardian.status();
    assert_eq!(status.input.last_input_time_ms, Some(0));
    assert_eq!(status.inference.last_output_time_ms, Some(0));
    let at = |seconds| Moment {
        at: secs(seconds),
        wall_ms: 0,
    };
    guardian.handle(at(1), Input::Deadline);
    assert_eq!(guardian.state(), State::DegradedInput, "it had input");
}

#[test]
fn d41_a_stream_begins_without_the_outputs_and_errors_of_the_last_one() {
    let mut watch = Watch::well();
    watch.give(error("Error in pipeline loops: old"));
    watch.flow(secs(2), 24, 24);
    watch.lose();
    watch.worker(lifecycle::State::Ready);
    watch.flow(secs(2), 24, 24);
    watch.give(error("Error in pipeline loops: told just before the start"));
    watch.give(Input::ParamsQueued);
    watch.start(Restarts::Allowed);
    let status = watch.guardian.status();
    assert_eq!(status.inference.last_params_update_time_ms, None);
    assert_eq!(status.start_time_ms, watch.moment().wall_ms);
    assert_eq!(status.input, Default::default());
    let inference = &status.inference;
    assert_eq!((inference.last_output_time_ms, inference.fps), (None, 0.0));
    assert_eq!(
        (inference.last_error_time_ms, &inference.last_error),
        (None, &None)
    );
    assert_eq!(inference.restart_count, 1);
    assert_eq!(inference.last_restart_time_ms, Some(WALL + 42_000));
    watch.frames(6, 0);
    let inference = &watch.guardian.status().inference;
    assert_eq!(inference.last_output_time_ms, None, "input is no output");
    let told = |it: &Output| matches!(it, Output::Event(Event::Error { message, .. }) if message.ends_with("start"));
    assert_eq!(
        watch.count(told),
        1,
        "it is told, but on the channel of its own stream"
    );
}

/// Until the worker is ready, or is lost for good.
fn restart(worker: &mut Lifecycle, watch: &mut Watch) {
    loop {
        match worker.poll() {
            lifecycle::Output::Spawn { .. } => {
                worker.handle(watch.at, lifecycle::Input::Spawned { pid: 1 });
                worker.handle(watch.at, lifecycle::Input::Hello);
                let max_frame_time = None;
                worker.handle(watch.at, lifecycle::Input::Ready { max_frame_time });
            }
            lifecycle::Output::Event(event) => {
                if let Some(input) = Input::from_lifecycle(&event) {
                    watch.give(input);
                }
            }
            lifecycle::Output::WakeAt(due) if worker.state() == lifecycle::State::Starting => {
                watch.at = due;
                worker.handle(due, lifecycle::Input::Deadline);
            }
            lifecycle::Output::WakeAt(_) | lifecycle::Output::Idle => break,
            _ => {}
        }
    }
    watch.worker(worker.state());
}

/// The budget is the lifecycle's; the guardian counts what was used of it.
#[test]
fn d42_ten_healthy_minutes_give_the_restarts_back_and_the_count_only_grows() {
    let mut worker = Lifecycle::new(Config::default(), Duration::ZERO, 1);
    let mut watch = Watch::loading();
    restart(&mut worker, &mut watch);
    for lived in [1, 1, 601, 1, 1, 1].map(secs) {
        assert_eq!(worker.state(), lifecycle::State::Ready);
        assert_ne!(watch.state(), State::Error);
        watch.at += lived;
        worker.handle(watch.at, lifecycle::Input::Exited(ExitReason::Left));
        restart(&mut worker, &mut watch);
    }
    assert_eq!(watch.state(), State::Error);
    assert_eq!(watch.guardian.status().inference.restart_count, 5);
}

#[test]
fn a_restart_clears_what_the_last_worker_did_after_telling_its_last_words() {
    let mut watch = Watch::well();
    watch.give(Input::ParamsQueued);
    watch.give(error("Error in process run method: out of memory"));
    watch.lose();
    let inference = &watch.guardian.status().inference;
    assert_eq!(inference.last_restart_time_ms, Some(WALL + 40_000));
    assert_eq!(inference.restart_count, 1);
    assert_eq!(inference.last_error, None);
    assert_eq!(inference.last_params_update_time_ms, None);
    assert_eq!(inference.last_output_time_ms, None);
    let order: Vec<_> = watch.out.iter().map(|(_, output)| output).collect();
    assert!(matches!(
        order[0],
        Output::Event(Event::Error {
            stream: Some(1),
            ..
        })
    ));
    assert!(matches!(
        order[1],
        Output::State {
            state: State::Loading,
            ..
        }
    ));
    assert!(matches!(order[2], Output::Event(Event::Restart { .. })));
}
