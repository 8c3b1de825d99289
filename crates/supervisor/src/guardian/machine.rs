//! The guardian itself: what happened in, state, events and stops out.

use std::{collections::VecDeque, time::Duration};

use super::{
    input::{Input, Moment, Restarts, StreamNumber},
    limits::{ONLINE_WITHOUT_OUTPUT, OVERSLEPT, STATUS_EVERY, TICK, TROUBLES},
    observation::Observation,
    output::{Cause, Event, Output, StopReason},
    rules::Rule,
    state::State,
    status::{InferenceStatus, InputStatus, Status},
};
use crate::lifecycle::Reason;

/// The state of one stream at a time and of the worker behind it, over the life of both.
#[derive(Debug)]
pub struct Guardian {
    seen: Observation,
    status: Status,
    cause: Option<Cause>,
    next_tick: Duration,
    /// The worker's newest error that no event has told yet.
    pending: Option<(Moment, Said)>,
    /// Troubles that no event has told yet; at most [`TROUBLES`].
    troubles: VecDeque<(Moment, Said)>,
    is_stop_told: bool,
    is_reset_due: bool,
    report: Option<Report>,
    superseded_errors: u64,
    ignored: u64,
    out: VecDeque<Output>,
}

/// An error, or a trouble, as an event tells it.
#[derive(Debug)]
struct Said {
    message: String,
    traceback: Option<String>,
}

impl From<String> for Said {
    fn from(message: String) -> Self {
        Self {
            message,
            traceback: None,
        }
    }
}

/// The next status event of the running stream.
#[derive(Debug)]
struct Report {
    due: Duration,
    last_ms: u64,
}

impl Guardian {
    /// A guardian whose worker is to come: LOADING.
    #[must_use]
    pub fn new(now: Moment) -> Self {
        Self {
            seen: Observation::new(now.at),
            status: Status {
                start_time_ms: 0,
                state: State::Loading,
                last_state_update_time_ms: Some(now.wall_ms),
                input: InputStatus::default(),
                inference: InferenceStatus::default(),
            },
            cause: None,
            next_tick: now.at + TICK,
            pending: None,
            troubles: VecDeque::new(),
            is_stop_told: false,
            is_reset_due: false,
            report: None,
            superseded_errors: 0,
            ignored: 0,
            out: VecDeque::new(),
        }
    }

    /// The guardian of another worker, which is to come: LOADING. Its counts go on from these.
    #[must_use]
    pub fn anew(&self, now: Moment) -> Self {
        Self {
            superseded_errors: self.superseded_errors,
            ignored: self.ignored,
            ..Self::new(now)
        }
    }

    /// Takes in what happened at `now`.
    pub fn handle(&mut self, now: Moment, input: Input) {
        match input {
            Input::StreamStarted { stream, restarts } => self.stream_started(now, stream, restarts),
            Input::StreamEnding { stream } => {
                if self.seen.running_number() == Some(stream) {
                    self.tell_last();
                } else {
                    self.ignored += 1;
                }
            }
            Input::StreamEnded { stream } => self.stream_ended(stream),
            Input::Progress {
                stream,
                decoded,
                answered,
            } => self.progress(now, stream, decoded, answered),
            Input::ParamsQueued => {
                self.status.inference.last_params_update_time_ms = Some(now.wall_ms);
            }
            Input::ParamsApplied => self.seen.params_applied(now.at),
            Input::ErrorReported { message, traceback } => {
                let former = self.pending.replace((now, Said { message, traceback }));
                self.superseded_errors += u64::from(former.is_some());
            }
            Input::TroubleReported { message } => self.trouble(now, message),
            Input::WorkerState(state) => self.seen.worker_is(now.at, state),
            Input::WorkerRestarting { reason } => self.worker_restarting(now, reason),
            Input::WorkerFailed { reason } => self.failed(now, Cause::NoRestartLeft(reason)),
            Input::Deadline => self.deadline(now),
        }
    }

    /// What to do next; call until `WakeAt`.
    pub fn poll(&mut self) -> Output {
        let output = self.out.pop_front();
        output.unwrap_or_else(|| Output::WakeAt(self.due()))
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> State {
        self.status.state
    }

    /// The numbers of the status object.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Why the state is ERROR; none in every other state. While there is one, streams are refused (§12, D30).
    #[must_use]
    pub fn refusal(&self) -> Option<&Cause> {
        self.cause.as_ref()
    }

    /// Errors that no event told, since newer ones came within the same second (§5.4), and troubles for which there was no
    /// room.
    #[must_use]
    pub fn superseded_errors(&self) -> u64 {
        self.superseded_errors
    }

    /// Inputs that had no meaning: of a stream that does not run, or a start in ERROR.
    #[must_use]
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    fn stream_started(&mut self, now: Moment, stream: StreamNumber, restarts: Restarts) {
        if self.cause.is_some() {
            self.ignored += 1;
            return;
        }
        // What was reported before concerns the former stream.
        self.tell_all();
        self.seen.stream_started(now.at, stream, restarts);
        self.is_stop_told = false;
        self.is_reset_due = true;
        self.report = Some(Report {
            due: now.at + STATUS_EVERY,
            last_ms: now.wall_ms,
        });
        let inference = &mut self.status.inference;
        inference.last_output_time_ms = None;
        inference.last_error_time_ms = None;
        inference.last_error = None;
        inference.last_params_update_time_ms = None;
        inference.fps = 0.0;
        self.status.input = InputStatus::default();
        self.status.start_time_ms = now.wall_ms;
        self.store(now, State::Online, Rule::Accepted);
    }

    fn stream_ended(&mut self, stream: StreamNumber) {
        match self.seen.running() {
            Some(running) if running.number == stream => {
                running.is_running = false;
                self.report = None;
            }
            _ => self.ignored += 1,
        }
    }

    fn progress(&mut self, now: Moment, stream: StreamNumber, decoded: u64, answered: u64) {
        if self.seen.running_number() != Some(stream) {
            self.ignored += 1;
            return;
        }
        self.seen.progress(now, decoded, answered);
        let wall_ms = |moment: Option<Moment>| moment.map(|moment| moment.wall_ms);
        self.status.input.last_input_time_ms = wall_ms(self.seen.last_input);
        self.status.inference.last_output_time_ms = wall_ms(self.seen.last_output);
    }

    fn worker_restarting(&mut self, now: Moment, reason: Reason) {
        if self.cause.is_some() {
            self.ignored += 1;
            return;
        }
        let running = self.seen.running().map(|stream| stream.restarts);
        if running == Some(Restarts::Forbidden) {
            self.failed(now, Cause::NoRestartAllowed(reason));
            self.out.push_back(Output::StopWorker);
            return;
        }
        // Its last words come before its end is told.
        self.tell_error();
        self.seen.worker_restarting(now);
        self.status.inference = InferenceStatus {
            last_restart_time_ms: Some(now.wall_ms),
            restart_count: self.status.inference.restart_count + 1,
            ..InferenceStatus::default()
        };
        self.store(now, State::Loading, Rule::WorkerLost);
        self.out.push_back(Output::Event(Event::Restart {
            stream: self.seen.running_number(),
            restart_count: self.status.inference.restart_count,
            restart_time_ms: now.wall_ms,
            reason,
        }));
    }

    /// ERROR, for good; its cause is the last error.
    fn failed(&mut self, now: Moment, cause: Cause) {
        if self.cause.is_some() {
            self.ignored += 1;
            return;
        }
        // The stream ends with it: one event tells all.
        self.troubles.extend(self.pending.take());
        self.pending = Some((now, cause.message().into()));
        self.tell_last();
        self.status.inference.last_error = Some(cause.message());
        self.cause = Some(cause);
        self.store(now, State::Error, Rule::WorkerLost);
        self.stop_stream(StopReason::Error);
    }

    fn deadline(&mut self, now: Moment) {
        let late = now.at.saturating_sub(self.due());
        if late > OVERSLEPT {
            self.seen.forgive(now.at, late);
        }
        if self.next_tick <= now.at {
            self.next_tick = (self.next_tick + TICK).max(now.at + TICK / 2);
            self.tick(now);
        } else if self.online_until().is_some_and(|until| until <= now.at) {
            self.evaluate(now);
        }
        self.report_status(now);
    }

    /// §5.4.
    fn tick(&mut self, now: Moment) {
        self.tell_trouble();
        self.tell_error();
        let is_new = self.seen.close_windows(now.at);
        let input = self.seen.fps_in.rate().unwrap_or(0.0);
        let output = self.seen.fps_out.rate().unwrap_or(0.0);
        self.status.input.fps = input;
        self.status.inference.fps = output;
        if is_new && self.seen.running().is_some() && (input > 0.0 || output > 0.0) {
            self.out.push_back(Output::Rates { input, output });
        }
        self.evaluate(now);
    }

    fn evaluate(&mut self, now: Moment) {
        if self.cause.is_some() {
            return;
        }
        let rule = self.seen.facts(now.at).rule();
        self.store(now, rule.state(), rule);
        match rule {
            Rule::Silent | Rule::SilentForGood => self.stop_stream(StopReason::Silence),
            Rule::LoadOverdue => {
                self.seen.give_time_to_load(now.at);
                self.out.push_back(Output::RestartWorker);
            }
            _ => {}
        }
    }

    fn store(&mut self, now: Moment, state: State, rule: Rule) {
        // A stream that is accepted in ONLINE is a new ONLINE.
        if state == self.status.state && rule != Rule::Accepted {
            return;
        }
        self.status.state = state;
        self.status.last_state_update_time_ms = Some(now.wall_ms);
        self.out.push_back(Output::State { state, rule });
        if state == State::Offline && std::mem::take(&mut self.is_reset_due) {
            self.out.push_back(Output::ResetWorker);
        }
    }

    fn stop_stream(&mut self, reason: StopReason) {
        if let Some(stream) = self.seen.running_number()
            && !std::mem::replace(&mut self.is_stop_told, true)
        {
            self.out.push_back(Output::StopStream { stream, reason });
        }
    }

    fn trouble(&mut self, now: Moment, message: String) {
        if self.troubles.len() == TROUBLES {
            self.troubles.pop_front();
            self.superseded_errors += 1;
        }
        self.troubles.push_back((now, message.into()));
    }

    fn tell_all(&mut self) {
        while !self.troubles.is_empty() {
            self.tell_trouble();
        }
        self.tell_error();
    }

    /// The newest of what waits, and the rest with it: of a channel that is about to be closed, a reader may miss all but the
    /// next event.
    fn tell_last(&mut self) {
        let mut all: Vec<_> = self.troubles.drain(..).collect();
        if let Some(error) = self.pending.take() {
            let after = all.iter().filter(|(at, _)| at.at <= error.0.at).count();
            all.insert(after, error);
        }
        let Some((at, newest)) = all.pop() else {
            return;
        };
        let said = all
            .into_iter()
            .rev()
            .fold(newest, |said, (_, before)| Said {
                message: format!("{}; before that: {}", said.message, before.message),
                traceback: said.traceback.or(before.traceback),
            });
        self.tell(at, said);
    }

    fn tell_trouble(&mut self) {
        if let Some((at, said)) = self.troubles.pop_front() {
            self.tell(at, said);
        }
    }

    fn tell_error(&mut self) {
        let Some((at, said)) = self.pending.take() else {
            return;
        };
        if self.cause.is_none() {
            self.seen.last_error = Some(at);
        }
        self.tell(at, said);
    }

    fn tell(&mut self, at: Moment, said: Said) {
        let Said { message, traceback } = said;
        // In ERROR nothing is newer than its cause.
        if self.cause.is_none() {
            self.status.inference.last_error_time_ms = Some(at.wall_ms);
            self.status.inference.last_error = Some(message.clone());
        }
        self.out.push_back(Output::Event(Event::Error {
            stream: self.seen.running_number(),
            message,
            traceback,
            time_ms: at.wall_ms,
        }));
    }

    /// At a fixed rate; what was slept through is reported once (§6.3).
    fn report_status(&mut self, now: Moment) {
        let Some(stream) = self.seen.running_number() else {
            return;
        };
        if let Some(report) = self.report.as_mut().filter(|report| report.due <= now.at) {
            report.due += STATUS_EVERY;
            if report.due <= now.at {
                report.due = now.at + STATUS_EVERY;
            }
            let last_status_ms = std::mem::replace(&mut report.last_ms, now.wall_ms);
            self.out.push_back(Output::Event(Event::Status {
                stream,
                last_status_ms,
            }));
        }
    }

    fn due(&self) -> Duration {
        let report = self.report.as_ref().map(|report| report.due);
        [report, self.online_until()]
            .into_iter()
            .flatten()
            .fold(self.next_tick, Duration::min)
    }

    /// When ONLINE ends if nothing comes out.
    fn online_until(&self) -> Option<Duration> {
        let is_online = self.status.state == State::Online;
        is_online.then(|| self.seen.proven() + ONLINE_WITHOUT_OUTPUT)
    }
}
