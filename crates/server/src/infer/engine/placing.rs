//! Seating: what it is told, and what it wants done.

use std::sync::Arc;

use framerill_supervisor::{ChildId, lifecycle::Reason};

use super::{
    cell::Cell,
    driver::Driver,
    flow::Set,
    seat::Seat,
    seating::{Failure, Input, Key, Load, Output},
    start::read_set,
    workers::LEAVES_WITHIN,
};
use crate::log::{Level, log};

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
            (0..self.seats.len()).all(|it| self.seats[it].cell == self.seating.worker_of(it)),
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
                let outcome = self.add_cell(worker, key, load);
                self.place(Input::WorkerAdded { worker, outcome });
            }
            Output::StopWorker { worker } => {
                if let Some(cell) = self.cell_mut(worker) {
                    cell.worker.stop(LEAVES_WITHIN);
                }
            }
            Output::ForgetWorker { worker } => self.cells.retain(|it| it.id != worker),
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

    fn add_cell(&mut self, id: ChildId, key: Key, load: Load) -> Result<(), String> {
        let initial = self.set_of(&key, load)?;
        let has_defaults = load == Load::Defaults;
        if has_defaults {
            let told =
                "the initial parameters cannot be loaded: the pipeline's own are used instead";
            log(Level::Warning, told);
        }
        let cell = Cell::start(id, key, initial, &self.settings, self.owner.clone());
        let mut cell = cell.map_err(|failure| failure.to_string())?;
        cell.has_defaults = has_defaults;
        self.cells.push(cell);
        Ok(())
    }

    fn set_of(&self, key: &Key, load: Load) -> Result<Set, String> {
        let given = match load {
            Load::Initial => None,
            Load::Start(start) => {
                let brought = self.starts.get(&start).and_then(|it| it.set.clone());
                brought.filter(|it| !self.quarantined.has(&key.pipeline, &it.hash))
            }
            Load::Stream(number) => {
                let stream = self.streams().find(|it| it.number == number);
                stream.map(|it| it.set.clone())
            }
            Load::Defaults => Some(read_set(Arc::default(), &key.pipeline.short_name())?),
        };
        given.map_or_else(|| self.initial_for(&key.pipeline), Ok)
    }

    /// A seat gets another worker, and its stream with it.
    fn move_to(&mut self, at: usize, worker: Option<ChildId>, error: Option<String>) {
        let has_defaults = worker
            .and_then(|it| self.cell(it))
            .is_some_and(|it| it.has_defaults);
        let seat = &mut self.seats[at];
        if let Some(stream) = &mut seat.stream {
            stream.detach();
        }
        seat.cell = worker;
        if has_defaults {
            seat.extras.forget_params();
        }
        if let Some(error) = error {
            self.report(at, error);
        }
        self.tell_worker_state(at);
        self.attach(at);
    }

    /// A worker is lost, and no restart is left.
    pub(super) fn place_failed(&mut self, worker: ChildId, reason: &Reason) {
        let Some(cell) = self.cell(worker) else {
            return;
        };
        let is_params = reason.fault.as_ref().is_some_and(|it| it.code == "params");
        let failure = Failure {
            why: reason.to_string(),
            was_ready: cell.was_ready,
            of_params: is_params && !cell.flow.initial().params.own.is_empty(),
        };
        self.place(Input::WorkerFailed { worker, failure });
    }
}
