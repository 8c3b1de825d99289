//! What is kept of what happened, and the facts that the rules are asked with.

use std::time::Duration;

use super::{
    input::{Moment, Restarts, StreamNumber},
    limits::{LOAD_SLACK, OUTPUT_LATE},
    rules::Facts,
    window::Window,
};
use crate::lifecycle::State;

/// What stream and worker reported, as far as the rules ask for it. Every time is an explicit option: a thing that
/// happened at time 0 happened (§12, D40).
#[derive(Clone, Debug)]
pub(super) struct Observation {
    /// The current stream, or the last one.
    pub(super) stream: Option<Stream>,
    worker: Worker,
    pub(super) fps_in: Window,
    pub(super) fps_out: Window,
    pub(super) last_input: Option<Moment>,
    pub(super) last_output: Option<Moment>,
    pub(super) last_error: Option<Moment>,
    pub(super) last_restart: Option<Moment>,
}

#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) number: StreamNumber,
    pub(super) restarts: Restarts,
    pub(super) is_running: bool,
    started: Duration,
    /// The last input or the start, moved on by what the driver slept.
    silent_since: Duration,
    decoded: u64,
    answered: u64,
}

#[derive(Clone, Debug)]
struct Worker {
    state: State,
    started: Duration,
    ready: Option<Duration>,
    /// When it last began to load or to reload.
    load_began: Duration,
    /// The start of its time to load, moved on by what the driver slept.
    load_since: Duration,
    /// When parameters were last applied without a load.
    updated: Option<Duration>,
}

impl Observation {
    /// Nothing yet: a worker is to come.
    pub(super) fn new(now: Duration) -> Self {
        Self {
            stream: None,
            worker: Worker {
                state: State::Starting,
                started: now,
                ready: None,
                load_began: now,
                load_since: now,
                updated: None,
            },
            fps_in: Window::open(now),
            fps_out: Window::open(now),
            last_input: None,
            last_output: None,
            last_error: None,
            last_restart: None,
        }
    }

    /// The stream that runs.
    pub(super) fn running(&mut self) -> Option<&mut Stream> {
        self.stream.as_mut().filter(|stream| stream.is_running)
    }

    pub(super) fn running_number(&self) -> Option<StreamNumber> {
        let running = self.stream.as_ref().filter(|stream| stream.is_running);
        running.map(|stream| stream.number)
    }

    /// Nothing of a former stream counts (§12, D16 and D41), but that the worker was restarted.
    pub(super) fn stream_started(
        &mut self,
        now: Duration,
        number: StreamNumber,
        restarts: Restarts,
    ) {
        self.stream = Some(Stream {
            number,
            restarts,
            is_running: true,
            started: now,
            silent_since: now,
            decoded: 0,
            answered: 0,
        });
        self.fps_in = Window::open(now);
        self.fps_out = Window::open(now);
        self.last_input = None;
        self.last_output = None;
        self.last_error = None;
        self.worker.load_since = now;
        self.worker.updated = None;
    }

    /// The counts of the running stream.
    pub(super) fn progress(&mut self, now: Moment, decoded: u64, answered: u64) {
        let Some(stream) = self.running() else {
            return;
        };
        let inputs = grown(&mut stream.decoded, decoded);
        let outputs = grown(&mut stream.answered, answered);
        if inputs > 0 {
            stream.silent_since = now.at;
            self.last_input = Some(now);
            self.fps_in.count(now.at, inputs);
        }
        if outputs > 0 {
            self.last_output = Some(now);
            self.fps_out.count(now.at, outputs);
        }
    }

    /// One that was only sent, or rejected, begins no new load age (§12, D17).
    pub(super) fn params_applied(&mut self, now: Duration) {
        self.worker.updated = Some(now);
    }

    /// Where the worker is in its life; each step that is not ready has its own time to load.
    pub(super) fn worker_is(&mut self, now: Duration, state: State) {
        match state {
            _ if state == self.worker.state => {}
            State::Ready => self.worker_ready(now),
            State::Starting => self.worker_starts(now),
            State::Loading | State::Draining | State::Stopped | State::Failed => {
                self.load_began(now);
            }
        }
        self.worker.state = state;
    }

    fn worker_starts(&mut self, now: Duration) {
        self.worker.started = now;
        self.load_began(now);
    }

    fn load_began(&mut self, now: Duration) {
        self.worker.load_began = now;
        self.worker.load_since = now;
    }

    /// Another worker was asked for; if none comes, it is asked for again after the same time.
    pub(super) fn give_time_to_load(&mut self, now: Duration) {
        self.worker.load_since = now;
    }

    /// What was measured while it could not answer is no measure of its output.
    fn worker_ready(&mut self, now: Duration) {
        self.worker.ready = Some(now);
        self.worker.updated = None;
        self.fps_out = Window::open(now);
    }

    /// Nothing that the last worker did counts (§4.4).
    pub(super) fn worker_restarting(&mut self, now: Moment) {
        self.worker_starts(now.at);
        self.worker.state = State::Starting;
        self.fps_out = Window::open(now.at);
        self.last_output = None;
        self.last_error = None;
        self.last_restart = Some(now);
    }

    /// Time that the driver slept is no silence and no load, and rates over it mean nothing.
    pub(super) fn forgive(&mut self, now: Duration, slept: Duration) {
        let load_since = &mut self.worker.load_since;
        *load_since = (*load_since + slept).min(now);
        if let Some(stream) = &mut self.stream {
            stream.silent_since = (stream.silent_since + slept).min(now);
        }
        self.fps_in = Window::open(now);
        self.fps_out = Window::open(now);
    }

    /// Whether a rate is new.
    pub(super) fn close_windows(&mut self, now: Duration) -> bool {
        let input = self.fps_in.tick(now);
        self.fps_out.tick(now) || input
    }

    /// When ONLINE without another output stops being honest.
    pub(super) fn proven(&self) -> Duration {
        let output = self.last_output.map(|last| last.at);
        let started = self.stream.as_ref().map(|stream| stream.started);
        [output, started, self.worker.ready]
            .into_iter()
            .flatten()
            .fold(Duration::ZERO, Duration::max)
    }

    /// §5.2, at `now`.
    pub(super) fn facts(&self, now: Duration) -> Facts {
        let age = |since: Duration| now.saturating_sub(since);
        let age_of = |moment: Option<Moment>| moment.map(|moment| age(moment.at));
        let worker = &self.worker;
        let stream = self.stream.as_ref();
        let since = stream.map_or(worker.started, |it| it.started.max(worker.started));
        let in_age = age_of(self.last_input).unwrap_or(age(since));
        let out_age = age_of(self.last_output);
        let loaded = worker
            .load_began
            .max(worker.ready.unwrap_or_default())
            .max(since);
        // While output flows, an update is no reason to overlook the rest (§12, D17).
        let updated = worker
            .updated
            .filter(|_| out_age.is_none_or(|age| age > OUTPUT_LATE));
        Facts {
            is_ready: worker.state == State::Ready,
            is_streaming: stream.is_some_and(|stream| stream.is_running),
            had_input: self.last_input.is_some(),
            in_age,
            silence: stream.map_or(Duration::ZERO, |it| age(it.silent_since)),
            out_age,
            load_age: age(loaded.max(updated.unwrap_or_default())).saturating_sub(LOAD_SLACK),
            load: age(worker.load_since).saturating_sub(LOAD_SLACK),
            proof_age: age(self.proven()),
            fps_in: self.fps_in.rate(),
            fps_out: self.fps_out.rate(),
            error_age: age_of(self.last_error),
            restart_age: age_of(self.last_restart),
        }
    }
}

/// By how much a count has grown; one that fell began anew.
fn grown(count: &mut u64, now: u64) -> u64 {
    let before = std::mem::replace(count, now);
    now.checked_sub(before).unwrap_or(now)
}
