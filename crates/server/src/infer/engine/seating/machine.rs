//! What is known of seats, workers and starts.

use std::{collections::VecDeque, time::Duration};

use framerill_supervisor::ChildId;

use super::{
    key::Key,
    message::{Input, Load, Output},
    starts::Pending,
};
use crate::{
    deadlines,
    infer::{engine::Number, refusal::Refusal},
    run::Pipeline,
};

/// What follows the end of a stream's input: its last pictures.
pub(super) const REST_WITHIN: Duration = Duration::from_secs(3);
/// From the order to leave to the end of all children.
pub(super) const LEAVE_WITHIN: Duration = deadlines::SEATING;

/// The machine.
#[derive(Debug)]
pub(in crate::infer::engine) struct Seating {
    pub(super) capacity: usize,
    /// The pipeline that seats go back to.
    pub(super) served: Pipeline,
    pub(super) seats: Vec<Seat>,
    pub(super) workers: Vec<Worker>,
    pub(super) starts: Vec<Pending>,
    /// Streams whose seat another one took before their channels were closed.
    pub(super) displaced: Vec<Number>,
    last_worker: u32,
    pub(super) last_stream: Number,
    leave_by: Option<Duration>,
    is_late: bool,
    pub(super) out: VecDeque<Output>,
}

/// A seat.
#[derive(Debug, Default)]
pub(super) struct Seat {
    pub(super) worker: Option<ChildId>,
    pub(super) stream: Option<Seated>,
}

impl Seat {
    /// The stream that runs there and is not being ended.
    pub(super) fn running(&self) -> Option<&Seated> {
        self.stream.as_ref().filter(|it| !it.is_ending)
    }
}

/// A stream on a seat.
#[derive(Debug)]
pub(super) struct Seated {
    pub(super) number: Number,
    pub(super) is_ending: bool,
    /// Its input ended; what comes of it has come by then.
    pub(super) rest_by: Option<Duration>,
    /// Deaths of its shared worker with a frame of it at work.
    pub(super) deaths: u32,
}

/// A worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) id: ChildId,
    pub(super) key: Key,
    pub(super) is_added: bool,
    pub(super) is_ready: bool,
    /// Unknown until it was ready.
    pub(super) shareable: Option<bool>,
    pub(super) load: Load,
    pub(super) is_leaving: bool,
    pub(super) is_over: bool,
    /// It failed for good and was never ready, with nothing that a caller brought: another one would do the same.
    pub(super) is_hopeless: bool,
}

impl Worker {
    pub(super) fn new(id: ChildId, key: Key, load: Load) -> Self {
        Self {
            id,
            key,
            is_added: false,
            is_ready: false,
            shareable: None,
            load,
            is_leaving: false,
            is_over: false,
            is_hopeless: false,
        }
    }
}

impl Seating {
    /// One seat with a worker of the pipeline that is served; its key. Streams are numbered from `first` on.
    pub(in crate::infer::engine) fn new(
        capacity: usize,
        served: Pipeline,
        first: Number,
    ) -> (Self, ChildId, Key) {
        let key = Key::of_seat(&served, 0);
        let worker = ChildId(1);
        let this = Self {
            capacity,
            served,
            seats: vec![Seat {
                worker: Some(worker),
                stream: None,
            }],
            workers: vec![Worker {
                is_added: true,
                ..Worker::new(worker, key.clone(), Load::Initial)
            }],
            starts: Vec::new(),
            displaced: Vec::new(),
            last_worker: worker.0,
            last_stream: first,
            leave_by: None,
            is_late: false,
            out: VecDeque::new(),
        };
        (this, worker, key)
    }

    /// Takes in what happened at `now`.
    pub(in crate::infer::engine) fn handle(&mut self, now: Duration, input: Input) {
        match input {
            Input::Start { wanted, refusals } => self.start(now, wanted, &refusals),
            Input::WorkerAdded { worker, outcome } => self.worker_added(now, worker, outcome),
            Input::Checked { start, problem } => self.checked(start, problem),
            Input::Begun { start, outcome } => self.begun(start, outcome),
            Input::WorkerReady { worker, shareable } => self.worker_ready(worker, shareable),
            Input::WorkerBusy { worker } => self.worker_busy(worker),
            Input::WorkerFailed { worker, failure } => self.worker_failed(worker, &failure),
            Input::WorkerGone { worker } => self.worker_gone(worker),
            Input::Suspected { stream, of } => self.suspected(stream, of),
            Input::SourceEnded { stream } => self.source_ended(now, stream),
            Input::End { stream, why } => self.end(stream, why, None),
            Input::Closed { stream } => self.closed(stream),
            Input::Leave => self.leave(now),
            Input::Deadline => self.deadline(now),
        }
        self.release_workers();
    }

    /// What to do next; call until `WakeAt` or `Idle`.
    pub(in crate::infer::engine) fn poll(&mut self) -> Output {
        if let Some(output) = self.out.pop_front() {
            return output;
        }
        self.due().map_or(Output::Idle, Output::WakeAt)
    }

    /// Whether the order to leave was given.
    pub(in crate::infer::engine) fn is_leaving(&self) -> bool {
        self.leave_by.is_some()
    }

    /// Whether everything has left, or had its time to.
    pub(in crate::infer::engine) fn is_over(&self) -> bool {
        let are_closed =
            self.displaced.is_empty() && self.seats.iter().all(|it| it.stream.is_none());
        self.is_leaving()
            && (self.is_late || (are_closed && self.workers.iter().all(|it| it.is_over)))
    }

    /// Whether a start gets a seat with a fresh worker, whatever became of those that were there.
    pub(in crate::infer::engine) fn begins_anew_somewhere(&self) -> bool {
        let is_free = |it: &usize| self.seats[*it].running().is_none();
        let mut free = (0..self.seats.len()).filter(is_free);
        let is_new = self.seats.len() < self.capacity || free.any(|it| self.begins_anew(it));
        self.capacity > 1 && is_new && !self.is_leaving()
    }

    /// The worker of a seat.
    pub(in crate::infer::engine) fn worker_of(&self, seat: usize) -> Option<ChildId> {
        self.seats.get(seat).and_then(|it| it.worker)
    }

    fn due(&self) -> Option<Duration> {
        let checks = self.starts.iter().filter_map(Pending::checked_until);
        let rests = self.seats.iter().filter_map(Seat::running);
        let leave = self.leave_by.filter(|_| !self.is_late);
        checks
            .chain(rests.filter_map(|it| it.rest_by))
            .chain(leave)
            .min()
    }

    fn deadline(&mut self, now: Duration) {
        self.is_late = self.leave_by.is_some_and(|at| at <= now);
        self.give_up_checks(|it| it.checked_until().is_some_and(|at| at <= now));
        let rested = |it: &&Seated| it.rest_by.is_some_and(|at| at <= now);
        let running = self.seats.iter().filter_map(Seat::running);
        let rested: Vec<_> = running.filter(rested).map(|it| it.number).collect();
        for stream in rested {
            self.end(stream, "its input ended".to_owned(), None);
        }
    }

    fn source_ended(&mut self, now: Duration, stream: Number) {
        if let Some((_, it)) = self.seated(stream) {
            it.rest_by.get_or_insert(now + REST_WITHIN);
        }
    }

    /// A stream ends, once. It has its seat until its channels are closed or another one takes it.
    pub(super) fn end(&mut self, stream: Number, why: String, fault: Option<String>) {
        let Some((seat, it)) = self.seated(stream) else {
            return;
        };
        if !std::mem::replace(&mut it.is_ending, true) {
            self.out.push_back(Output::End {
                seat,
                stream,
                why,
                fault,
            });
        }
    }

    fn closed(&mut self, stream: Number) {
        self.displaced.retain(|it| *it != stream);
        if let Some((seat, _)) = self.seated(stream) {
            self.seats[seat].stream = None;
        }
    }

    fn leave(&mut self, now: Duration) {
        if self.is_leaving() {
            return;
        }
        self.leave_by = Some(now + LEAVE_WITHIN);
        for it in std::mem::take(&mut self.starts) {
            self.refuse(it.wanted.start, Refusal::Stopping);
        }
        let running = self.seats.iter().filter_map(Seat::running);
        for stream in running.map(|it| it.number).collect::<Vec<_>>() {
            self.end(stream, "infer stops".to_owned(), None);
        }
        for it in self.workers.iter_mut().filter(|it| !it.is_over) {
            if !std::mem::replace(&mut it.is_leaving, true) {
                self.out.push_back(Output::StopWorker { worker: it.id });
            }
        }
    }

    /// A stream takes a seat.
    pub(super) fn seat(&mut self, seat: usize, stream: Number, worker: ChildId) {
        let place = &mut self.seats[seat];
        place.worker = Some(worker);
        let former = place.stream.replace(Seated {
            number: stream,
            is_ending: false,
            rest_by: None,
            deaths: 0,
        });
        self.displaced.extend(former.map(|it| it.number));
    }

    /// A stream on a seat, and which.
    pub(super) fn seated(&mut self, stream: Number) -> Option<(usize, &mut Seated)> {
        let seats = self.seats.iter_mut().enumerate();
        let mut seats = seats.filter_map(|(at, it)| Some((at, it.stream.as_mut()?)));
        seats.find(|(_, it)| it.number == stream)
    }

    pub(super) fn new_worker(&mut self) -> ChildId {
        self.last_worker += 1;
        ChildId(self.last_worker)
    }
}
