//! What workers do, and what follows.

use std::{mem, time::Duration};

use framerill_supervisor::{
    ChildId, LeftOut, Update,
    guardian::Input,
    lifecycle::{self, Reason},
};
use framerill_worker::message::{ErrorReport, FromChild, ToChild};

use super::Driver;
use crate::{
    exit::Exit,
    failure::Failure,
    infer::engine::{
        Ended, ParamsStatus,
        seating::{self, MOVED, Scope, Suspect},
        stream::Stream,
        worker::{Worker, error_text, sentences},
    },
    log::{Ids, Level, log, log_child, log_stream},
};

/// Of a traceback, in an event.
const MAX_TRACEBACK_BYTES: usize = 16 << 10;
/// How long a worker may take to leave.
pub(super) const LEAVES_WITHIN: Duration = Duration::from_secs(1);

impl Driver {
    /// The worker forgets a stream.
    pub(super) fn leave_worker(&mut self, seat: usize, stream: String) {
        let Some(worker) = self.seats[seat].worker else {
            return;
        };
        if let Some(worker) = self.worker_mut(worker).filter(|it| it.is_ready) {
            let id = worker.child.request_id();
            worker.child.post(
                &ToChild::Detach {
                    id,
                    stream,
                    keep: false,
                },
                &[],
            );
        }
    }

    pub(super) fn worker_update(&mut self, id: ChildId, update: Update) {
        match update {
            Update::Load { id: request } => {
                let Some(worker) = self.worker_mut(id) else {
                    return;
                };
                let set = worker.flow.load();
                let load = ToChild::Load {
                    id: request,
                    pipeline: Some(worker.key.pipeline.target().to_owned()),
                    params: worker.own(&set),
                    base: Some(Box::new(set.params.base_values())),
                    media: None,
                    fds: 0,
                };
                worker.child.post(&load, &[]);
                worker.is_loading = true;
                for seat in self.seats_with(id) {
                    self.ask_size(seat);
                }
            }
            Update::LogLine(line) => {
                let Some(worker) = self.worker_mut(id) else {
                    return;
                };
                worker.last_words.keep(&line);
                let name = worker.name();
                let ids = self.ids_of(id);
                log_child(Level::Info, &ids, &name, &line);
            }
            Update::LogLeftOut(left_out) => {
                let name = self.worker(id).map(Worker::name).unwrap_or_default();
                let ids = self.ids_of(id);
                self.log_left_out("worker", &ids, &name, left_out);
            }
            Update::Lifecycle(event) => self.worker_event(id, event),
            Update::Message(message, _) => self.worker_says(id, message),
        }
        for seat in self.seats_with(id) {
            self.tell_worker_state(seat);
        }
    }

    fn ids_of(&self, worker: ChildId) -> Ids {
        let seat = self.seats.iter().find(|it| it.worker == Some(worker));
        seat.map(|it| it.ids.clone()).unwrap_or_default()
    }

    fn worker_event(&mut self, id: ChildId, event: lifecycle::Event) {
        let input = Input::from_lifecycle(&event);
        match event {
            lifecycle::Event::Ready { .. } => self.worker_ready(id),
            lifecycle::Event::Restarting { reason, .. } => {
                self.count_restart("worker", &reason);
                self.worker_lost(id);
                self.tell_guardians(id, input);
                // The guardians come first: a stream that begins now has nothing to do with it.
                self.place(seating::Input::WorkerBusy { worker: id });
            }
            lifecycle::Event::Failed { reason } => {
                if self.is_unknown(id, &reason) {
                    return;
                }
                let name = self.worker(id).map(Worker::name).unwrap_or_default();
                let told = format!("it is lost, and no restart is left: {reason}");
                log_child(Level::Error, &self.ids_of(id), &name, &told);
                // Whoever still has it afterwards has lost it.
                self.place_failed(id, &reason);
                self.worker_lost(id);
                self.tell_guardians(id, input);
            }
            lifecycle::Event::Late { after } => {
                let ids = self.ids_of(id);
                let told =
                    format_args!("the worker is late: no output for {} ms", after.as_millis());
                log_stream(Level::Warning, &ids, told);
            }
            lifecycle::Event::Stopped { .. } => {
                self.place(seating::Input::WorkerGone { worker: id });
            }
            lifecycle::Event::Started { .. } | lifecycle::Event::Recovered { .. } => {}
        }
    }

    /// It has loaded, or reloaded.
    fn worker_ready(&mut self, id: ChildId) {
        let now = self.now();
        let Some(worker) = self.worker_mut(id) else {
            return;
        };
        worker.is_ready = true;
        worker.is_loading = false;
        worker.was_ready = true;
        worker.flow.loaded(now);
        let shareable = worker.description.as_ref().is_some_and(|it| it.shareable);
        for seat in self.seats_with(id) {
            self.ask_size(seat);
        }
        self.place(seating::Input::WorkerReady {
            worker: id,
            shareable,
        });
        self.reloaded(id);
        self.attach_all(id);
        let is_idle = !self.is_used(id);
        if let Some(worker) = self.worker_mut(id) {
            if is_idle || worker.flow.is_initial() {
                worker.reapply_initial();
            }
            worker.pump();
        }
    }

    /// The guardians of its seats hear that it is lost; what it said last goes with the news of its restart.
    fn tell_guardians(&mut self, id: ChildId, input: Option<Input>) {
        let Some(input) = input else { return };
        let lines = self.worker_mut(id).map(|it| it.last_words.take());
        for seat in self.seats_with(id) {
            if matches!(input, Input::WorkerRestarting { .. }) {
                let extras = &mut self.seats[seat].extras;
                extras.last_restart_logs.clone_from(&lines);
                extras.forget_params();
            }
            self.guard(seat, input.clone());
        }
    }

    pub(super) fn count_restart(&mut self, role: &'static str, reason: &Reason) {
        let why = reason.kind().to_owned();
        *self.restarts.entry((role, why)).or_default() += 1;
    }

    /// A child said more than the log takes.
    pub(super) fn log_left_out(
        &mut self,
        role: &'static str,
        ids: &Ids,
        name: &str,
        left_out: LeftOut,
    ) {
        *self.log_left_out.entry(role).or_default() += left_out.lines;
        log_child(Level::Warning, ids, name, &left_out.to_string());
    }

    /// The worker is gone: its streams let go of it, and what it may have died of is judged.
    fn worker_lost(&mut self, id: ChildId) {
        let now = self.now();
        self.forget_sizes(id);
        let Some(worker) = self.worker_mut(id) else {
            return;
        };
        worker.is_ready = false;
        worker.is_loading = false;
        worker.lost_at.get_or_insert(now);
        let dropped = worker.flow.worker_lost(now);
        let (suspect, had_frames_of) = (worker.suspect(), mem::take(&mut worker.had_frames_of));
        if let Some(it) = dropped.as_ref().filter(|it| it.is_quarantined) {
            let pipeline = worker.key.pipeline.clone();
            self.quarantined.add(pipeline, it.set.hash.clone());
        }
        for stream in had_frames_of {
            let of = suspect;
            self.place(seating::Input::Suspected { stream, of });
        }
        for seat in self.seats_with(id) {
            if let Some(stream) = &mut self.seats[seat].stream {
                stream.detach();
            }
            let stream = self.seats[seat].stream.as_mut();
            let is_of = |it: &&mut Stream| dropped.as_ref().is_some_and(|d| d.set.is_of(it.number));
            let (Some(it), Some(stream)) = (&dropped, stream.filter(is_of)) else {
                continue;
            };
            stream.set.clone_from(&it.restored);
            if let Some(mut message) = it.told(stream.number) {
                stream.params_are(ParamsStatus::Quarantined);
                let stream = stream.number;
                self.place(seating::Input::Suspected {
                    stream,
                    of: Suspect::Params,
                });
                // Of what is told within a second the last counts, and so this is one line.
                if self.seating.worker_of(seat) != Some(id) {
                    message = format!("{message}; {MOVED}");
                }
                self.report(seat, message, None);
            }
        }
    }

    /// Streams that run on a worker.
    pub(super) fn streams_of(&self, id: ChildId) -> usize {
        let seats = self.seats_with(id).into_iter();
        seats.filter(|it| self.seats[*it].stream.is_some()).count()
    }

    /// Whether a stream runs on a worker.
    pub(super) fn is_used(&self, id: ChildId) -> bool {
        self.streams_of(id) > 0
    }

    /// A pipeline that nobody knows is a mistake of whoever started infer.
    fn is_unknown(&mut self, id: ChildId, reason: &Reason) -> bool {
        let Some(fault) = &reason.fault else {
            return false;
        };
        let is_own = self.worker(id).is_some_and(|it| {
            it.key.pipeline == self.settings.pipeline
                && !it.was_ready
                && it.key.scope == Scope::Seat(0)
        });
        if !is_own || fault.code != "unknown_pipeline" || self.started > 0 {
            return false;
        }
        let failure = if self.settings.pipeline.is_plain_name() {
            self.settings
                .pipeline
                .unknown(self.settings.python.as_deref())
        } else {
            Failure::usage("unknown_pipeline", fault.message.clone())
                .hint("`framerill pipelines list` names what is there")
        };
        self.ended = Some(Ended::Failed(Failure {
            exit: Exit::Usage,
            ..failure
        }));
        true
    }

    fn worker_says(&mut self, id: ChildId, message: FromChild) {
        match message {
            FromChild::Ready { description, .. } => {
                let Some(worker) = self.worker_mut(id) else {
                    return;
                };
                worker.description = description.or(worker.description.take());
            }
            FromChild::Applied {
                id: request,
                output_size,
            } => {
                let was_check = self.checked(id, request, Ok(output_size));
                if !was_check {
                    self.applied(id, request, output_size);
                }
            }
            FromChild::Rejected {
                id: request,
                problems,
            } => {
                if !self.checked(id, request, Err(sentences(&problems))) {
                    self.rejected(id, request, &problems);
                }
            }
            FromChild::Reloading { id: request } => self.reloading(id, request),
            FromChild::Error(report) if report.code == "link" && !report.fatal => {
                // Media left before they were joined: what became of it is told as media's.
                let name = self.worker(id).map(Worker::name).unwrap_or_default();
                let ids = self.ids_of(id);
                log_child(Level::Warning, &ids, &name, &report.message);
            }
            FromChild::Error(report) => self.worker_failed(id, &report),
            FromChild::Stats { stats } => {
                let worker = self.worker_mut(id);
                let grown =
                    worker.map(|it| it.outputs.grown(it.child.lifecycle().incarnation(), &stats));
                for (kind, count) in grown.into_iter().flatten() {
                    *self.pipeline_faults.entry(kind).or_default() += count;
                }
            }
            FromChild::Log { level, message } => {
                let name = self.worker(id).map(Worker::name).unwrap_or_default();
                let ids = self.ids_of(id);
                log_child(level.into(), &ids, &name, &message);
            }
            // The lifecycle lives by these, or media tells the same.
            FromChild::Hello { .. }
            | FromChild::Description { .. }
            | FromChild::Attached { .. }
            | FromChild::Detached { .. }
            | FromChild::Flushed { .. }
            | FromChild::Heartbeat { .. }
            | FromChild::Drained { .. }
            | FromChild::Bye { .. } => {}
            FromChild::Source { .. } | FromChild::Done { .. } => {
                let name = self.worker(id).map(Worker::name).unwrap_or_default();
                let ids = self.ids_of(id);
                log_child(Level::Warning, &ids, &name, &out_of_place(&message));
            }
        }
    }

    fn worker_failed(&mut self, id: ChildId, report: &ErrorReport) {
        let Some(worker) = self.worker_mut(id) else {
            return;
        };
        let text = error_text(report, worker.was_ready, worker.load);
        if let Some(traceback) = &report.traceback
            && worker.last_words.keep_traceback(traceback)
        {
            let traceback = traceback.clone();
            let name = worker.name();
            let ids = self.ids_of(id);
            log_child(Level::Error, &ids, &name, &traceback);
        }
        let seats = self.seats_with(id);
        if seats.is_empty() {
            log(Level::Error, &text);
        }
        for seat in seats {
            let traceback = report.traceback.as_deref().map(its_end);
            self.report(seat, text.clone(), traceback);
        }
    }
}

/// What an event has room for; the author's own line is at the end.
fn its_end(traceback: &str) -> String {
    let from = traceback.len().saturating_sub(MAX_TRACEBACK_BYTES);
    traceback[traceback.ceil_char_boundary(from)..].to_owned()
}

/// What the log says of a message that only the other role sends.
pub(super) fn out_of_place(message: &FromChild) -> String {
    let message = serde_json::to_value(message).unwrap_or_default();
    let kind = message["type"].as_str().unwrap_or("?");
    format!("a message that is not its to send is left out: {kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_the_other_role_is_told_by_its_name() {
        let said = out_of_place(&FromChild::Reloading { id: 7 });
        assert_eq!(
            said,
            "a message that is not its to send is left out: reloading"
        );
    }
}
