//! Parameters on their way to workers, and what becomes of them.

use std::sync::Arc;

use framerill_media::Size;
use framerill_supervisor::{ChildId, guardian::Input};
use framerill_worker::message::Problem;
use serde_json::Value;

use super::{Driver, start::read_set};
use crate::infer::{
    engine::{
        Number, ParamsStatus,
        flow::{Set, Unfit},
        quarantined,
        seat::Seat,
        seating,
        stream::Stream,
        wall_ms,
        worker::{Worker, sentences},
    },
    event::Event,
    refusal::Refusal,
    status::Given,
};

impl Driver {
    /// Parameters for a stream, or for the worker of the newest one, or without one. Why they were refused, which an event
    /// tells, too; an error if nobody could be given them.
    pub(super) fn take_params(
        &mut self,
        to: Option<Number>,
        value: Value,
    ) -> Result<Option<String>, Refusal> {
        let seat = match to {
            Some(number) => {
                let runs = |it: &Stream| it.number == number && !it.is_ending;
                let seats = &mut self.seats.iter();
                let seat = seats.position(|it| it.stream.as_ref().is_some_and(runs));
                seat.ok_or(Refusal::Ended { stream: number })?
            }
            None => self.newest_seat(),
        };
        // One that failed for good takes nothing any more.
        let is_there = |it: &ChildId| self.worker(*it).is_some_and(Worker::is_kept);
        let Some(worker) = self.seats[seat].worker.filter(is_there) else {
            return Err(Refusal::NoWorker);
        };
        match self.queue_params(seat, worker, value) {
            Ok(()) => Ok(None),
            Err(why) => {
                self.refuse_params(seat, &why);
                Ok(Some(why))
            }
        }
    }

    pub(super) fn newest_seat(&self) -> usize {
        let numbers = self.seats.iter().map(Seat::number);
        newest(numbers).unwrap_or(0)
    }

    fn queue_params(&mut self, seat: usize, worker: ChildId, value: Value) -> Result<(), String> {
        let given = Given::from(value);
        self.seats[seat].extras.show(given.clone(), &given.hash());
        self.guard(seat, Input::ParamsQueued);
        let Given::Set(given) = given else {
            return Err("they should be an object".to_owned());
        };
        let stream = self.seats[seat].stream.as_ref();
        let of = stream.map(|it| it.number);
        let (size, output) = stream.map_or((None, None), |it| (Some(it.size), it.output()));
        let Some(worker) = self.workers.iter_mut().find(|it| it.id == worker) else {
            return Err(Refusal::NoWorker.to_string());
        };
        let keeps = output.filter(|_| worker.tells_size());
        let size = size.filter(|_| !worker.tells_size());
        let set = Set {
            of,
            keeps,
            ..read_set(given, &worker.name())?
        };
        if self.quarantined.has(&worker.key.pipeline, &set.hash) {
            return Err(quarantined::WHY.to_owned());
        }
        worker
            .flow
            .change(set, size)
            .map_err(|why| why.to_string())?;
        worker.pump();
        if let Some(stream) = &mut self.seats[seat].stream {
            stream.params_are(ParamsStatus::Queued);
        }
        Ok(())
    }

    fn refuse_params(&mut self, seat: usize, why: &str) {
        self.settle_params(seat, ParamsStatus::Rejected, why);
    }

    /// The newest parameters of a seat's stream are none.
    pub(super) fn settle_params(&mut self, seat: usize, status: ParamsStatus, why: &str) {
        if let Some(stream) = &mut self.seats[seat].stream {
            stream.params_are(status);
        }
        self.report(seat, format!("Error updating params: {why}"), None);
    }

    pub(super) fn applied(&mut self, id: ChildId, request: u64, output: Option<Size>) {
        let now = self.now();
        let Some(set) = self
            .worker_mut(id)
            .and_then(|it| it.flow.applied(request, now).cloned())
        else {
            return;
        };
        self.taken(id, &set, ParamsStatus::Applied);
        self.sized_by(id, &set, output);
        if let Some(worker) = self.worker_mut(id) {
            worker.pump();
        }
    }

    /// A worker has a set now, or is about to.
    pub(super) fn taken(&mut self, id: ChildId, set: &Set, outcome: ParamsStatus) {
        let with_events = self.settings.params_events;
        for seat in self.seats_with(id) {
            if outcome == ParamsStatus::Applied {
                self.guard(seat, Input::ParamsApplied);
            }
            let pipeline = self.seats[seat].extras.pipeline.clone();
            let stream = self.seats[seat].stream.as_mut();
            if let Some(stream) = stream.filter(|it| set.is_of(it.number)) {
                stream.set = set.clone();
                stream.params_are(outcome);
                if with_events {
                    stream.transport.emit(Event::ParamsUpdate {
                        pipeline,
                        outcome: outcome.as_str(),
                        hash: set.hash.clone(),
                        params: Arc::clone(&set.params.given),
                        now_ms: wall_ms(),
                    });
                }
            }
        }
    }

    pub(super) fn rejected(&mut self, id: ChildId, request: u64, problems: &[Problem]) {
        let worker = self.worker_mut(id);
        let Some(set) = worker.and_then(|it| it.flow.rejected(request)) else {
            return;
        };
        let why =
            Unfit::of_size(&set, problems).map_or_else(|| sentences(problems), |it| it.to_string());
        for seat in self.seats_with(id) {
            if set.is_for(self.seats[seat].number()) {
                self.refuse_params(seat, &why);
            }
        }
        if let Some(worker) = self.worker_mut(id) {
            worker.pump();
        }
    }

    pub(super) fn reloading(&mut self, id: ChildId, request: u64) {
        let now = self.now();
        let Some(worker) = self.worker_mut(id) else {
            return;
        };
        worker.is_ready = false;
        let is_decoupled = worker.description.as_ref().is_some_and(|it| it.decoupled);
        let set = worker.flow.reloading(request, now).cloned();
        if let Some(set) = set {
            self.taken(id, &set, ParamsStatus::Reloading);
        }
        self.place(seating::Input::WorkerBusy { worker: id });
        for seat in self.seats_with(id) {
            let stream = self.seats[seat].stream.as_mut();
            // Such a pipeline goes on with frames while it reloads where no overlay is wanted (runner contract §8.7).
            let goes_on =
                |it: &&mut Stream| is_decoupled && !it.set.params.base.show_reloading_frame;
            if let Some(stream) = stream.filter(|it| !goes_on(it)) {
                stream.tell_reloading(true);
            }
        }
    }

    pub(super) fn reloaded(&mut self, id: ChildId) {
        for seat in self.seats_with(id) {
            if let Some(stream) = &mut self.seats[seat].stream {
                stream.params_are(stream.params_status().reloaded());
                stream.tell_reloading(false);
            }
        }
    }
}

/// Where the newest stream is, by the numbers of the streams that are there.
fn newest(numbers: impl Iterator<Item = Option<Number>>) -> Option<usize> {
    let there = numbers.enumerate().filter_map(|(at, it)| Some((it?, at)));
    there.max().map(|(_, at)| at)
}

#[cfg(test)]
mod tests {
    use super::newest;

    #[test]
    fn parameters_without_a_stream_are_for_the_first_seat_and_else_for_the_newest_stream() {
        let of = |numbers: &[Option<u64>]| newest(numbers.iter().copied()).unwrap_or(0);
        assert_eq!(of(&[None, None, None]), 0);
        assert_eq!(of(&[None, Some(3), None]), 1);
        assert_eq!(of(&[Some(5), Some(4), None]), 0);
    }
}
