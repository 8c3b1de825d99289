//! Which worker is whose. A worker that was told to leave, or is over, is found by nobody: who needs one with its key gets
//! a new one.

use std::time::Duration;

use framerill_supervisor::ChildId;

use super::{
    key::{Key, Scope},
    machine::{Seating, Worker},
    message::{Failure, Load, Output, Suspect},
    starts::Step,
};
use crate::infer::{engine::Number, refusal::Refusal};

/// What a stream that left a shared worker is told.
pub(in crate::infer::engine) const MOVED: &str = "it has a worker of its own now";
/// Deaths after which a stream no longer shares a worker.
const SHARED_DEATHS: u32 = 2;

impl Seating {
    pub(super) fn worker(&self, id: ChildId) -> Option<&Worker> {
        self.workers.iter().find(|it| it.id == id)
    }

    fn worker_mut(&mut self, id: ChildId) -> Option<&mut Worker> {
        self.workers.iter_mut().find(|it| it.id == id)
    }

    /// The worker that streams with a key share.
    pub(super) fn worker_with(&self, key: &Key) -> Option<&Worker> {
        let mut there = self.workers.iter();
        there.find(|it| it.key == *key && !it.is_leaving && !it.is_over)
    }

    pub(super) fn add_worker(&mut self, key: Key, load: Load) -> ChildId {
        let worker = self.new_worker();
        self.workers.push(Worker::new(worker, key.clone(), load));
        self.out.push_back(Output::AddWorker { worker, key, load });
        worker
    }

    pub(super) fn worker_added(&mut self, now: Duration, id: ChildId, outcome: Result<(), String>) {
        let Some(worker) = self.worker_mut(id) else {
            return;
        };
        match outcome {
            Ok(()) => {
                worker.is_added = true;
                let waiting = self.starts.iter();
                let waiting = waiting.filter(|it| it.worker == id && it.step == Step::Worker);
                let waiting: Vec<_> = waiting.map(|it| it.wanted.start).collect();
                for start in waiting {
                    self.with_worker(now, start);
                }
            }
            Err(why) => self.worker_refused(id, &why),
        }
    }

    /// A worker cannot even be started: its streams end, since nobody else is at work for them.
    fn worker_refused(&mut self, id: ChildId, why: &str) {
        self.workers.retain(|it| it.id != id);
        let refusal = Refusal::Worker {
            why: why.to_owned(),
        };
        self.refuse_those(|it| it.worker == id, &refusal);
        // Who was to move there has none, before its former one is told to leave.
        for it in &mut self.out {
            if let Output::Move { worker, .. } = it {
                worker.take_if(|it| *it == id);
            }
        }
        for seat in self.seats_with(id) {
            self.seats[seat].worker = None;
            if let Some(stream) = self.stream_of(seat) {
                let fault = Some(why.to_owned());
                self.end(stream, "it has no worker".to_owned(), fault);
            }
        }
    }

    pub(super) fn worker_ready(&mut self, id: ChildId, shareable: bool) {
        let Some(worker) = self.worker_mut(id) else {
            return;
        };
        worker.is_ready = true;
        worker.shareable = Some(shareable);
        if worker.key.scope != Scope::Shared || shareable || self.is_leaving() {
            return;
        }
        // Streams that came while it loaded; the first keeps it.
        let seats = self.seats_with(id).into_iter();
        let mut streams: Vec<_> = seats.filter_map(|it| self.stream_of(it)).collect();
        streams.sort_unstable();
        for stream in streams.into_iter().skip(1) {
            let why = "The pipeline does not say that streams may share it (`shareable`)";
            self.move_out(stream, Some(why));
        }
    }

    pub(super) fn worker_busy(&mut self, id: ChildId) {
        if let Some(worker) = self.worker_mut(id) {
            worker.is_ready = false;
            self.give_up_checks(|it| it.worker == id);
        }
    }

    pub(super) fn worker_gone(&mut self, id: ChildId) {
        if let Some(worker) = self.worker_mut(id) {
            worker.is_over = true;
        }
        self.worker_busy(id);
    }

    /// A worker that never comes back. What it was for decides what follows.
    pub(super) fn worker_failed(&mut self, id: ChildId, failure: &Failure) {
        let is_leaving = self.is_leaving();
        let served = self.served.clone();
        let Some(worker) = self.worker_mut(id).filter(|it| !it.is_over) else {
            return;
        };
        worker.is_ready = false;
        worker.is_over = true;
        let (key, load) = (worker.key.clone(), worker.load);
        worker.is_hopeless = key.pipeline == served
            && !failure.was_ready
            && matches!(load, Load::Initial | Load::Defaults);
        if is_leaving {
            return;
        }
        if failure.of_params && !failure.was_ready && load != Load::Defaults {
            return self.again_with_defaults(id, key);
        }
        if !failure.was_ready && key.pipeline != self.served {
            self.give_up_another(id, &failure.why);
        }
        // What waits for a seat that has it waits in vain.
        let seats = self.seats_with(id);
        let why = Refusal::FailedForGood {
            why: failure.why.clone(),
        };
        self.refuse_those(|it| it.worker == id || seats.contains(&it.seat), &why);
    }

    /// Initial parameters that cannot be loaded give way to the pipeline's own, once (runner contract §4.3).
    fn again_with_defaults(&mut self, id: ChildId, key: Key) {
        let seats = self.seats_with(id);
        if seats.is_empty() {
            return;
        }
        let worker = self.add_worker(key, Load::Defaults);
        for seat in seats {
            self.move_to(seat, worker, None);
        }
    }

    /// A pipeline that a caller named and that never loaded ends its stream, and not the seat: that goes back to the pipeline
    /// that is served.
    fn give_up_another(&mut self, id: ChildId, why: &str) {
        for seat in self.seats_with(id) {
            let fault = format!("Error loading pipeline: {why}");
            let is_told = self.stream_of(seat).map(|stream| {
                let why = "its pipeline cannot be loaded".to_owned();
                self.end(stream, why, Some(fault.clone()));
            });
            let key = Key::of_seat(&self.served, seat);
            let own = self.worker_with(&key).map(|it| it.id);
            let own = own.unwrap_or_else(|| self.add_worker(key, Load::Initial));
            self.move_to(seat, own, is_told.is_none().then_some(fault));
        }
    }

    /// What kills a shared worker twice gets one of its own (DESIGN, Processes): the others go on.
    pub(super) fn suspected(&mut self, stream: Number, of: Suspect) {
        if self.is_leaving() || !self.shares(stream) {
            return;
        }
        let Some((_, it)) = self.seated(stream) else {
            return;
        };
        match of {
            // Quarantine tells of it.
            Suspect::Params => self.move_out(stream, None),
            // Once the parameters are out of suspicion, one more is enough.
            Suspect::FrameOrParams => it.deaths = SHARED_DEATHS - 1,
            Suspect::Frame => {
                it.deaths += 1;
                if it.deaths >= SHARED_DEATHS {
                    let why = "The shared worker died twice with a frame of this stream at work";
                    self.move_out(stream, Some(why));
                }
            }
        }
    }

    fn shares(&mut self, stream: Number) -> bool {
        let seat = self.seated(stream).map(|(seat, _)| seat);
        let worker = seat.and_then(|it| self.seats[it].worker);
        let worker = worker.and_then(|it| self.worker(it));
        worker.is_some_and(|it| it.key.scope == Scope::Shared)
    }

    /// A stream leaves its worker for one of its own.
    fn move_out(&mut self, stream: Number, why: Option<&str>) {
        let Some((seat, _)) = self.seated(stream).filter(|(_, it)| !it.is_ending) else {
            return;
        };
        let worker = self.seats[seat].worker.and_then(|it| self.worker(it));
        let Some(pipeline) = worker.map(|it| it.key.pipeline.clone()) else {
            return;
        };
        let key = Key::of_seat(&pipeline, seat);
        let own = self.worker_with(&key).map(|it| it.id);
        let own = own.unwrap_or_else(|| self.add_worker(key, Load::Stream(stream)));
        let error = why.map(|why| format!("{why}: {MOVED}"));
        self.move_to(seat, own, error);
    }

    fn move_to(&mut self, seat: usize, worker: ChildId, error: Option<String>) {
        self.seats[seat].worker = Some(worker);
        self.out.push_back(Output::Move {
            seat,
            worker: Some(worker),
            error,
        });
    }

    fn seats_with(&self, worker: ChildId) -> Vec<usize> {
        let seats = 0..self.seats.len();
        seats
            .filter(|it| self.seats[*it].worker == Some(worker))
            .collect()
    }

    /// The stream that runs on a seat.
    fn stream_of(&self, seat: usize) -> Option<Number> {
        self.seats[seat].running().map(|it| it.number)
    }

    /// Workers that no seat and no start has any more leave. They are forgotten when they have.
    pub(super) fn release_workers(&mut self) {
        let seats = self.seats.iter().filter_map(|it| it.worker);
        let used: Vec<_> = seats
            .chain(self.starts.iter().map(|it| it.worker))
            .collect();
        let out = &mut self.out;
        self.workers.retain_mut(|it| {
            let worker = it.id;
            if used.contains(&worker) {
                return true;
            }
            if it.is_over {
                out.push_back(Output::ForgetWorker { worker });
                return false;
            }
            if !std::mem::replace(&mut it.is_leaving, true) {
                out.push_back(Output::StopWorker { worker });
            }
            true
        });
    }
}
