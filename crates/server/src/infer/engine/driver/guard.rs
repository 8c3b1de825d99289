//! Guardians: what they are told, and what they want done.

use std::time::Duration;

use framerill_supervisor::guardian::{self, Input, Output, StopReason};

use super::Driver;
use crate::{
    infer::{engine::wall_ms, event::Event},
    log::{Ids, Level, log_stream},
};

impl Driver {
    /// Something is wrong with a peer or with media, which the stream's watcher hears of: it says nothing of the worker.
    pub(super) fn trouble(&mut self, seat: usize, message: String) {
        log_stream(Level::Error, &self.seats[seat].ids, &message);
        self.guard(seat, Input::TroubleReported { message });
    }

    /// An error of the worker that the stream's watcher hears of within a second.
    pub(super) fn report(&mut self, seat: usize, message: String, traceback: Option<String>) {
        log_stream(Level::Error, &self.seats[seat].ids, &message);
        self.guard(seat, Input::ErrorReported { message, traceback });
    }

    /// Hands something to a seat's guardian, and does what it says.
    pub(super) fn guard(&mut self, seat: usize, input: Input) {
        let moment = self.moment();
        self.seats[seat].guardian.handle(moment, input);
        loop {
            match self.seats[seat].guardian.poll() {
                Output::WakeAt(at) => {
                    self.seats[seat].wake = at;
                    return;
                }
                output => self.obey(seat, output),
            }
        }
    }

    fn obey(&mut self, at: usize, output: Output) {
        match output {
            Output::State { state, rule } => {
                let ids = &self.seats[at].ids;
                log_stream(Level::Info, ids, format_args!("state {state}: {rule}"));
                let status = self.seats[at].status();
                log_stream(Level::Debug, ids, format_args!("status {status}"));
            }
            Output::Rates { input, output } => {
                let rates = format_args!("Input FPS: {input:.2}, Output FPS: {output:.2}");
                log_stream(Level::Info, &self.seats[at].ids, rates);
            }
            Output::Event(event) => self.tell_event(at, event),
            Output::StopStream { stream, reason } => {
                if self.seat_of(stream) == Some(at) {
                    let why = match reason {
                        StopReason::Silence => "nothing came in for a minute",
                        StopReason::Error => {
                            let seat = &mut self.seats[at];
                            let cause = seat.guardian.refusal().map(ToString::to_string);
                            if let (Some(stream), Some(cause)) = (&mut seat.stream, cause) {
                                stream.fault.get_or_insert(cause);
                            }
                            "its worker is lost for good"
                        }
                    };
                    self.end_stream(at, why);
                }
            }
            Output::ResetWorker => {
                self.seats[at].ids = Ids::default();
                // Others may still be at work there.
                let worker = self.seats[at].worker.filter(|it| !self.is_used(*it));
                if let Some(worker) = worker.and_then(|it| self.worker_mut(it)) {
                    let again = worker.reapplies_initial();
                    worker.flow.reset(again);
                    worker.pump();
                }
            }
            Output::RestartWorker => {
                if let Some(worker) = self.seats[at].worker.and_then(|it| self.worker_mut(it)) {
                    worker
                        .child
                        .violated("it did not finish loading".to_owned());
                }
            }
            Output::StopWorker => {
                if let Some(worker) = self.seats[at].worker.and_then(|it| self.worker_mut(it)) {
                    worker.child.stop(Duration::ZERO);
                }
            }
            // `guard` takes it.
            Output::WakeAt(_) => {}
        }
    }

    fn tell_event(&mut self, at: usize, event: guardian::Event) {
        let now_ms = wall_ms();
        let seat = &mut self.seats[at];
        let pipeline = seat.extras.pipeline.clone();
        let (event, of) = match event {
            guardian::Event::Status {
                stream,
                last_status_ms,
            } => {
                let view = seat.status();
                seat.extras.forget_shown();
                let event = Event::Status {
                    view: Box::new(view),
                    last_ms: last_status_ms,
                    now_ms,
                };
                (event, Some(stream))
            }
            guardian::Event::Error {
                stream,
                message,
                traceback,
                time_ms,
            } => {
                let event = Event::Error {
                    pipeline,
                    message,
                    traceback,
                    at_ms: time_ms,
                    now_ms,
                };
                (event, stream)
            }
            guardian::Event::Restart {
                stream,
                restart_count,
                restart_time_ms,
                reason,
            } => {
                log_stream(
                    Level::Warning,
                    &seat.ids,
                    format_args!("worker restarted: {reason}"),
                );
                let event = Event::Restart {
                    pipeline,
                    count: restart_count,
                    at_ms: restart_time_ms,
                    logs: seat.extras.last_restart_logs.clone().unwrap_or_default(),
                    reason: reason.to_string(),
                    code: reason.kind().to_owned(),
                    now_ms,
                };
                (event, stream)
            }
        };
        if let Some(stream) = seat.stream.as_ref().filter(|it| Some(it.number) == of) {
            stream.transport.emit(event);
        }
    }

    /// The guardian sees where the worker is in its life.
    pub(super) fn tell_worker_state(&mut self, seat: usize) {
        let worker = self.seats[seat].worker.and_then(|it| self.worker(it));
        if let Some(state) = worker.map(|it| it.child.state()) {
            self.guard(seat, Input::WorkerState(state));
        }
    }
}
