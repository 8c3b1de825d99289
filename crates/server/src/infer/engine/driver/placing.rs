//! Seating: what it is told, and what it wants done.

use std::sync::Arc;

use framerill_supervisor::{
    ChildId,
    lifecycle::{Fault, Reason},
};

use super::{Driver, start::read_set, worker::LEAVES_WITHIN};
use crate::{
    infer::engine::{
        flow::Flow,
        seat::Seat,
        seating::{Failure, Input, Key, Load, Output, Scope},
        worker::Worker,
    },
    log::{Level, log},
};

impl Driver {
    /// Hands something to the seating, and does what it says. What follows from that is done after it.
    pub(super) fn place(&mut self, input: Input) {
        let now = self.now();
        self.seating.handle(now, input);
        if std::mem::replace(&mut self.is_placing, true) {
            return;
        }
        self.place_by = loop {
            match self.seating.poll() {
                Output::WakeAt(at) => break Some(at),
                Output::Idle => break None,
                output => self.seat_as_told(output),
            }
        };
        self.is_placing = false;
        debug_assert!(
            (0..self.seats.len()).all(|it| self.seats[it].worker == self.seating.worker_of(it)),
            "the engine's seats are those of the seating"
        );
    }

    fn seat_as_told(&mut self, output: Output) {
        match output {
            Output::AddSeat => {
                let seat = Seat::new(self.moment(), &self.settings.name);
                self.seats.push(seat);
            }
            Output::AddWorker { worker, key, load } => {
                let outcome = self.add_worker(worker, key, load);
                self.place(Input::WorkerAdded { worker, outcome });
            }
            Output::StopWorker { worker } => {
                if let Some(worker) = self.worker_mut(worker) {
                    worker.child.stop(LEAVES_WITHIN);
                }
            }
            Output::ForgetWorker { worker } => self.workers.retain(|it| it.id != worker),
            Output::Check { start, worker } => self.check(start, worker),
            Output::Begin {
                start,
                stream,
                seat,
                worker,
            } => {
                if let Err(why) = self.begin(start, stream, seat, worker) {
                    let outcome = Err(why);
                    self.place(Input::Begun { start, outcome });
                }
            }
            Output::Accept { start, stream } => self.answer(start, Ok(stream)),
            Output::Refuse { start, why } => self.answer(start, Err(why)),
            Output::Move {
                seat,
                worker,
                error,
            } => self.move_to(seat, worker, error),
            Output::End {
                seat,
                stream,
                why,
                fault,
            } => {
                let is_there = self.seat_of(stream) == Some(seat);
                if let Some(fault) = fault.filter(|_| is_there) {
                    self.blame(seat, fault);
                }
                if is_there {
                    self.end_now(seat, &why);
                }
            }
            // `place` takes them.
            Output::WakeAt(_) | Output::Idle => {}
        }
    }

    fn add_worker(&mut self, id: ChildId, key: Key, load: Load) -> Result<(), String> {
        let flow = self.flow_of(&key, load)?;
        if load == Load::Defaults {
            let told = "the parameters cannot be loaded: the pipeline's own are used instead";
            log(Level::Warning, told);
        }
        let worker = Worker::start(id, key, flow, load, &self.settings, self.owner.clone());
        let worker = worker.map_err(|failure| failure.to_string())?;
        self.workers.push(worker);
        Ok(())
    }

    /// What a worker is loaded with. What a stream brought may be what kills it: then the initial set comes back.
    fn flow_of(&self, key: &Key, load: Load) -> Result<Flow, String> {
        let brought = match load {
            Load::Initial | Load::Defaults => None,
            Load::Start(start) => {
                let brought = self.starts.get(&start).and_then(|it| it.set.clone());
                brought.filter(|it| !self.quarantined.has(&key.pipeline, &it.hash))
            }
            Load::Stream(number) => {
                let stream = self.streams().find(|it| it.number == number);
                stream.map(|it| it.set.clone())
            }
        };
        let initial = match load {
            Load::Defaults => read_set(Arc::default(), &key.pipeline.public_name())?,
            _ => self.initial_for(&key.pipeline)?,
        };
        let first = brought.unwrap_or_else(|| initial.clone());
        let is_bound = matches!(key.scope, Scope::Prompt(_));
        Ok(Flow::new(initial, self.now()).loaded_with(first, is_bound))
    }

    /// A seat gets another worker, and its stream with it.
    fn move_to(&mut self, at: usize, worker: Option<ChildId>, error: Option<String>) {
        let former = self.seats[at].worker;
        let seat = &mut self.seats[at];
        if let Some(stream) = &mut seat.stream {
            stream.detach();
        }
        seat.worker = worker;
        self.hand_over(at, former);
        if let Some(error) = error {
            self.report(at, error, None);
        }
        self.tell_worker_state(at);
        self.attach(at);
    }

    /// What a worker that gave way to one with the pipeline's own parameters still owed a seat's stream, that one owes it now.
    fn hand_over(&mut self, at: usize, former: Option<ChildId>) {
        let next = self.seats[at].worker.and_then(|it| self.worker(it));
        let Some(next) = next.filter(|it| it.load == Load::Defaults) else {
            return;
        };
        let (id, own) = (next.id, next.flow.initial().clone());
        let number = self.seats[at].number();
        let former = former.and_then(|it| self.worker(it));
        let owed = former.and_then(|it| it.flow.owed(number)).cloned();
        match owed {
            Some(owed) => self.give_set(id, owed, true),
            None => {
                let seat = &mut self.seats[at];
                seat.extras.forget_params();
                if let Some(stream) = &mut seat.stream {
                    stream.set = own;
                }
            }
        }
    }

    /// A worker is lost, and no restart is left.
    pub(super) fn place_failed(&mut self, worker: ChildId, reason: &Reason) {
        let Some(it) = self.worker(worker) else {
            return;
        };
        let is_of_params = |fault: &Fault| {
            let are_refused = fault.code == "params" && !it.flow.load().params.own.is_empty();
            are_refused || (it.gives_way && fault.is_of_load())
        };
        let failure = Failure {
            why: reason.to_string(),
            was_ready: it.was_ready,
            of_params: reason.fault.as_ref().is_some_and(is_of_params),
        };
        // The next worker need not try what this one could not.
        self.initial_gave_way |= failure.of_params && it.gives_way;
        self.place(Input::WorkerFailed { worker, failure });
    }
}
