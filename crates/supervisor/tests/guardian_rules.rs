//! §5 of the runner contract with the product's rulings and the corrections of §12, rule by rule, in virtual time. The
//! exact bounds of each rule are tested beside the table, in `guardian/rules.rs`.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use framerill_supervisor::{
    Config, ExitReason, Guardian, Lifecycle,
    guardian::{
        Cause, Event, Health, Input, Moment, Output, Restarts, Rule, State, StopReason, limits,
    },
    lifecycle::{self, Reason},
};

const WALL: u64 = 1_767_100_000_000;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The guardian with a driver that is never late, and media that reports every 250 ms.
struct Watch {
    guardian: Guardian,
    at: Duration,
    /// The wall clock at the monotonic time 0.
    wall: u64,
    wake: Duration,
    out: Vec<(Duration, Output)>,
    stream: u64,
    decoded: u64,
    answered: u64,
}

impl Watch {
    /// At time 0, with a worker that loads.
    fn loading() -> Self {
        let mut this = Self {
            guardian: Guardian::new(Moment {
                at: Duration::ZERO,
                wall_ms: WALL,
            }),
            at: Duration::ZERO,
            wall: WALL,
            wake: Duration::ZERO,
            out: Vec::new(),
            stream: 0,
            decoded: 0,
            answered: 0,
        };
        this.poll();
        this.worker(lifecycle::State::Loading);
        this
    }

    /// At 10 s, without a stream.
    fn offline() -> Self {
        let mut this = Self::loading();
        this.worker(lifecycle::State::Ready);
        this.run(secs(10));
        this.out.clear();
        this
    }

    /// At 10 s, with a stream that has just been accepted.
    fn started() -> Self {
        let mut this = Self::offline();
        this.start(Restarts::Allowed);
        this
    }

    /// At 40 s, with a stream that has been well for 30 s.
    fn well() -> Self {
        let mut this = Self::started();
        this.flow(secs(30), 24, 24);
        assert_eq!(this.state(), State::Online);
        this.out.clear();
        this
    }

    fn moment(&self) -> Moment {
        let at = self.at;
        let wall_ms = self.wall + u64::try_from(at.as_millis()).unwrap();
        Moment { at, wall_ms }
    }

    fn poll(&mut self) {
        for _ in 0..100 {
            match self.guardian.poll() {
                Output::WakeAt(at) => return self.wake = at,
                output => self.out.push((self.at, output)),
            }
        }
        panic!("it does not settle");
    }

    fn give(&mut self, input: Input) {
        self.guardian.handle(self.moment(), input);
        self.poll();
    }

    fn worker(&mut self, state: lifecycle::State) {
        self.give(Input::WorkerState(state));
    }

    fn start(&mut self, restarts: Restarts) {
        self.stream += 1;
        (self.decoded, self.answered) = (0, 0);
        let stream = self.stream;
        self.give(Input::StreamStarted { stream, restarts });
    }

    fn end(&mut self) {
        let stream = self.stream;
        self.give(Input::StreamEnded { stream });
    }

    fn frames(&mut self, decoded: u64, answered: u64) {
        self.decoded += decoded;
        self.answered += answered;
        let (stream, decoded, answered) = (self.stream, self.decoded, self.answered);
        self.give(Input::Progress {
            stream,
            decoded,
            answered,
        });
    }

    /// Nothing happens for so long.
    fn run(&mut self, lasts: Duration) {
        let end = self.at + lasts;
        while self.wake <= end {
            self.at = self.at.max(self.wake);
            self.give(Input::Deadline);
            assert!(self.wake > self.at, "its deadline came and stays");
        }
        self.at = end;
    }

    /// Frames come in and go out at these rates a second for so long.
    fn flow(&mut self, lasts: Duration, fps_in: u64, fps_out: u64) {
        let frames = |fps: u64, quarter: u64| fps * (quarter + 1) / 4 - fps * quarter / 4;
        for quarter in 0..u64::try_from(lasts.as_millis()).unwrap() / 250 {
            self.run(millis(250));
            self.frames(frames(fps_in, quarter), frames(fps_out, quarter));
        }
    }

    /// The driver was stopped for so long, and looks at its queue first.
    fn sleep(&mut self, lasts: Duration) {
        self.at += lasts;
        self.poll();
    }

    fn lose(&mut self) {
        self.give(Input::WorkerRestarting { reason: killed() });
    }

    fn state(&self) -> State {
        self.guardian.state()
    }

    fn rule(&self) -> Rule {
        let rule = |(_, output): &(Duration, Output)| match output {
            Output::State { rule, .. } => Some(*rule),
            _ => None,
        };
        self.out.iter().rev().find_map(rule).unwrap()
    }

    fn count(&self, is_it: impl Fn(&Output) -> bool) -> usize {
        self.out.iter().filter(|(_, output)| is_it(output)).count()
    }

    fn first(&self, is_it: impl Fn(&Output) -> bool) -> Duration {
        let found = self.out.iter().find(|(_, output)| is_it(output));
        found.expect("it is said").0
    }

    /// The states it came to, with their times.
    fn states(&self) -> Vec<(Duration, State)> {
        let state = |(at, output): &(Duration, Output)| match output {
            Output::State { state, .. } => Some((*at, *state)),
            _ => None,
        };
        self.out.iter().filter_map(state).collect()
    }
}

fn killed() -> Reason {
    Reason::from(ExitReason::Signal {
        signal: 9,
        core: false,
    })
}

fn error(message: &str) -> Input {
    let message = message.into();
    Input::ErrorReported { message }
}

fn is_stop(output: &Output) -> bool {
    matches!(output, Output::StopStream { .. })
}

fn is_reset(output: &Output) -> bool {
    *output == Output::ResetWorker
}

fn is_restart(output: &Output) -> bool {
    *output == Output::RestartWorker
}

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
    assert!(why.contains("no restart left: killed by signal 9"), "{why}");
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
    watch.start(Restarts::Allowed);
    let status = watch.guardian.status();
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
        time_ms: WALL + 40_400,
    });
    assert_eq!(watch.first(|it| *it == told), secs(41));
    assert_eq!(
        watch.count(|it| matches!(it, Output::Event(Event::Error { .. }))),
        1
    );
    assert_eq!(watch.guardian.superseded_errors(), 4);
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
