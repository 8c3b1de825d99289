//! What is told, when, and by which clock.

use framerill_supervisor::guardian::{
    Event, Guardian, Health, Input, Moment, Output, Restarts, State, limits,
};
use std::time::Duration;

use crate::watch::{WALL, Watch, error, is_restart, is_stop, millis, secs, trouble};

/// §5.4, action 1.
#[test]
fn of_several_errors_in_a_second_the_latest_is_told_and_the_others_are_counted() {
    let mut watch = Watch::well();
    for nth in 0..5 {
        watch.give(error(&format!("number {nth}")));
        watch.run(millis(100));
    }
    assert_eq!(watch.out.len(), 0, "not before the second is over");
    watch.run(secs(3));
    let told = Output::Event(Event::Error {
        stream: Some(1),
        message: "number 4".into(),
        traceback: Some("the traceback of number 4".into()),
        time_ms: WALL + 40_400,
    });
    assert_eq!(watch.first(|it| *it == told), secs(41));
    assert_eq!(
        watch.count(|it| matches!(it, Output::Event(Event::Error { .. }))),
        1
    );
    assert_eq!(watch.guardian.superseded_errors(), 4);
}

#[test]
fn troubles_are_told_one_a_second_beside_the_workers_error_and_degrade_nothing() {
    let told = |watch: &Watch| {
        let errors = watch.out.iter().filter_map(|(_, output)| match output {
            Output::Event(Event::Error { message, .. }) => Some(message.clone()),
            _ => None,
        });
        errors.collect::<Vec<_>>()
    };
    let mut watch = Watch::well();
    for what in ["a", "b", "c"] {
        watch.give(trouble(what));
    }
    watch.flow(secs(1), 24, 24);
    assert_eq!(told(&watch), ["a"]);
    watch.flow(secs(3), 24, 24);
    assert_eq!(told(&watch), ["a", "b", "c"]);
    let last = watch.guardian.status().inference.last_error.clone();
    assert_eq!(last.as_deref(), Some("c"));
    assert_eq!((watch.state(), watch.states()), (State::Online, vec![]));
    // The worker's own errors wait for none of them, and degrade.
    watch.give(trouble("d"));
    watch.give(trouble("e"));
    watch.give(error("of the worker"));
    watch.flow(secs(1), 24, 24);
    assert_eq!(told(&watch)[3..], ["d", "of the worker"]);
    assert_eq!(watch.state(), State::DegradedInference);
    // What waits is told while there is a channel for it, and by one event: the channel may be gone for the next.
    watch.give(trouble("f"));
    watch.give(Input::StreamEnding { stream: 1 });
    assert_eq!(told(&watch)[5..], ["f; before that: e"]);
}

#[test]
fn what_was_counted_goes_on_with_the_guardian_of_another_worker() {
    let mut watch = Watch::well();
    watch.give(error("first"));
    watch.give(error("second"));
    watch.give(Input::StreamEnded { stream: 99 });
    let anew = watch.guardian.anew(Moment::default());
    assert_eq!((anew.superseded_errors(), anew.ignored()), (1, 1));
    assert_eq!(*anew.status(), *Guardian::new(Moment::default()).status());
}

#[test]
fn troubles_beyond_what_waits_are_counted_and_the_newest_are_told() {
    let mut watch = Watch::well();
    for n in 0..2 * limits::TROUBLES {
        watch.give(trouble(&n.to_string()));
    }
    let most = limits::TROUBLES;
    assert_eq!(watch.guardian.superseded_errors(), most as u64);
    watch.flow(secs(2 * most as u64), 24, 24);
    let is_error = |it: &Output| matches!(it, Output::Event(Event::Error { .. }));
    assert_eq!(watch.count(is_error), most);
}

/// §6.3.
#[test]
fn the_status_is_told_every_10_s_while_the_stream_runs() {
    let mut watch = Watch::offline();
    watch.run(millis(500));
    watch.start(Restarts::Allowed);
    watch.flow(secs(35), 24, 24);
    watch.end();
    watch.run(secs(60));
    let told = watch.out.iter().filter_map(|(at, output)| match output {
        Output::Event(Event::Status { last_status_ms, .. }) => Some((*at, *last_status_ms)),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    assert_eq!(
        told,
        [
            (millis(20_500), WALL + 10_500),
            (millis(30_500), WALL + 20_500),
            (millis(40_500), WALL + 30_500)
        ]
    );
}

#[test]
fn a_status_that_was_slept_through_is_told_once_at_once() {
    let mut watch = Watch::well();
    watch.sleep(millis(34_700));
    watch.run(Duration::ZERO);
    let is_status = |it: &Output| matches!(it, Output::Event(Event::Status { .. }));
    assert_eq!(watch.count(is_status), 1);
    watch.flow(secs(10), 24, 24);
    assert_eq!(watch.count(is_status), 2);
}

#[test]
fn a_wall_clock_that_is_set_decides_nothing() {
    let mut watch = Watch::well();
    watch.wall -= 3_600_000;
    watch.flow(secs(15), 24, 24);
    watch.wall += 7_200_000;
    watch.flow(secs(15), 24, 24);
    assert_eq!(watch.states(), []);
    let reported = watch.guardian.status().input.last_input_time_ms;
    assert_eq!(reported, Some(WALL + 3_600_000 + 70_000));
}

#[test]
fn what_was_reported_is_told_when_the_stream_is_about_to_end() {
    let mut watch = Watch::well();
    watch.give(error("Error reading input: gone"));
    watch.give(Input::StreamEnding { stream: 1 });
    assert_eq!(
        watch.count(|it| matches!(
            it,
            Output::Event(Event::Error {
                stream: Some(1),
                ..
            })
        )),
        1,
        "at once"
    );
    watch.run(secs(2));
    assert_eq!(
        watch.count(|it| matches!(it, Output::Event(Event::Error { .. }))),
        1
    );
}

#[test]
fn what_the_driver_slept_is_no_silence_and_no_load() {
    let mut watch = Watch::well();
    watch.sleep(secs(100));
    watch.run(Duration::ZERO);
    assert_eq!(
        watch.state(),
        State::DegradedInput,
        "nothing was online for 100 s"
    );
    watch.run(secs(59));
    assert_eq!(watch.count(is_stop), 0);
    watch.run(secs(3));
    assert_eq!(watch.count(is_stop), 1);
    let mut watch = Watch::loading();
    watch.run(secs(100));
    watch.sleep(secs(200));
    watch.run(secs(80));
    assert_eq!(watch.count(is_restart), 0);
    watch.run(secs(5));
    assert_eq!(watch.count(is_restart), 1);
}

#[test]
fn what_came_while_the_driver_slept_counts_from_when_it_is_heard() {
    let mut watch = Watch::well();
    watch.sleep(secs(100));
    watch.frames(2400, 2400);
    watch.flow(secs(30), 24, 24);
    assert_eq!(watch.state(), State::Online);
    assert_eq!(
        watch.states(),
        [],
        "an hour of rates in one report is no rate"
    );
}

/// §5.2: more than ten seconds, at a whole one.
#[test]
fn a_rate_is_told_every_11_s_and_is_0_while_unknown() {
    let mut watch = Watch::started();
    watch.flow(secs(10), 24, 12);
    let fps = |watch: &Watch| {
        let status = watch.guardian.status();
        (status.input.fps, status.inference.fps)
    };
    assert_eq!(fps(&watch), (0.0, 0.0));
    watch.flow(secs(1), 24, 12);
    let (fps_in, fps_out) = fps(&watch);
    assert!((23.0..25.0).contains(&fps_in), "{fps_in}");
    assert!((11.0..13.0).contains(&fps_out), "{fps_out}");
    watch.run(secs(24));
    assert_eq!(fps(&watch), (0.0, 0.0));
}

/// §5.4.
#[test]
fn rates_are_for_the_log_once_a_window_while_something_flows() {
    let is_rates = |output: &Output| matches!(output, Output::Rates { .. });
    let mut watch = Watch::started();
    watch.flow(secs(33), 24, 12);
    assert_eq!(watch.count(is_rates), 3);
    watch.run(secs(24));
    assert_eq!(watch.count(is_rates), 3, "nothing flows");
}

/// Media that was restarted counts from 0 again.
#[test]
fn a_count_that_falls_began_anew() {
    let mut watch = Watch::well();
    (watch.decoded, watch.answered) = (0, 0);
    watch.run(millis(250));
    watch.frames(6, 6);
    assert_eq!(
        watch.guardian.status().input.last_input_time_ms,
        Some(WALL + 40_250)
    );
    watch.flow(secs(20), 24, 24);
    let fps = watch.guardian.status().input.fps;
    assert!((23.0..26.0).contains(&fps), "{fps}");
}

/// §6.1: every key before anything happened.
#[test]
fn a_status_begins_with_nothing() {
    let watch = Watch::loading();
    let status = watch.guardian.status();
    assert_eq!(status.start_time_ms, 0);
    assert_eq!(status.last_state_update_time_ms, Some(WALL));
    assert_eq!(status.input, Default::default());
    assert_eq!(status.inference, Default::default());
}

/// §1.5.
#[test]
fn health_is_the_state_as_c_maps_it() {
    let rows = [
        (State::Loading, Health::Loading, "LOADING"),
        (State::Offline, Health::Idle, "IDLE"),
        (State::Error, Health::Error, "ERROR"),
        (State::Online, Health::Ok, "OK"),
        (State::DegradedInput, Health::Ok, "OK"),
        (State::DegradedInference, Health::Ok, "OK"),
    ];
    for (state, health, wire) in rows {
        assert_eq!(Health::from(state), health);
        assert_eq!(Health::from_wire(Some(state.as_str())), health);
        assert_eq!(health.to_string(), wire);
    }
    assert_eq!(Health::from_wire(None), Health::Idle);
    assert_eq!(Health::from_wire(Some("NEW")), Health::Ok);
}

/// The contract's numbers, where a typo would be a wire fact changed.
#[test]
fn the_limits_are_the_contracts() {
    let seconds = [
        (limits::TICK, 1),
        (limits::ONLINE_WITHOUT_OUTPUT, 4),
        (limits::LOAD_SLACK, 2),
        (limits::LOAD, 180),
        (limits::OFFLINE_AFTER, 3),
        (limits::SILENCE_STOPS, 60),
        (limits::SILENCE_OFFLINE, 90),
        (limits::LOAD_GRACE, 2),
        (limits::OUTPUT_BEHIND, 1),
        (limits::OUTPUT_STALE, 5),
        (limits::ERROR_COUNTS, 15),
        (limits::RESTART_COUNTS, 60),
        (limits::INPUT_LATE, 2),
        (limits::OUTPUT_LATE, 2),
        (limits::FPS_WINDOW, 10),
        (limits::STATUS_EVERY, 10),
    ];
    for (limit, wire) in seconds {
        assert_eq!(limit, secs(wire));
    }
    assert_eq!(
        (
            limits::INPUT_SLOW,
            limits::OUTPUT_ENOUGH,
            limits::OUTPUT_SHARE
        ),
        (15.0, 10.0, 0.8)
    );
}
