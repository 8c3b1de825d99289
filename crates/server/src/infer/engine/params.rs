//! Parameters on their way to workers, and what becomes of them.

use std::sync::Arc;

use framerill_media::Size;
use framerill_supervisor::{ChildId, guardian::Input};
use serde_json::Value;

use super::{
    Number,
    driver::Driver,
    flow::Set,
    seating::{self, Scope},
    start::read_set,
    stream::Stream,
    wall_ms,
};
use crate::infer::{digest::digest, status};

impl Driver {
    /// Parameters for a stream, or for the worker of the newest one, or without one. Why they were refused, which an event
    /// tells, too; an error if nobody could be given them.
    pub(super) fn take_params(
        &mut self,
        to: Option<Number>,
        value: Value,
    ) -> Result<Option<String>, String> {
        let seat = match to {
            Some(number) => {
                let runs = |it: &Stream| it.number == number && !it.is_ending;
                let seats = &mut self.seats.iter();
                let seat = seats.position(|it| it.stream.as_ref().is_some_and(runs));
                seat.ok_or_else(|| {
                    format!("stream {number} ends or is over; it takes no parameters")
                })?
            }
            None => self.newest_seat(),
        };
        let Some(cell) = self.seats[seat].cell else {
            return Err("there is no worker".to_owned());
        };
        match self.queue_params(seat, cell, value) {
            Ok(()) => Ok(None),
            Err(why) => {
                self.refuse_params(seat, &why);
                Ok(Some(why))
            }
        }
    }

    fn newest_seat(&self) -> usize {
        let seats = self.seats.iter().enumerate();
        let newest = seats.max_by_key(|(_, it)| it.stream.as_ref().map(|it| it.number));
        newest.map_or(0, |(at, _)| at)
    }

    fn queue_params(&mut self, seat: usize, cell: ChildId, value: Value) -> Result<(), String> {
        let Value::Object(given) = value else {
            return Err("they should be an object".to_owned());
        };
        let given = Arc::new(given);
        let extras = &mut self.seats[seat].extras;
        extras.show(&given, &digest(&given));
        self.guard(seat, Input::ParamsQueued);
        let (name, scope) = match self.cell(cell) {
            Some(cell) => (cell.name(), cell.key.scope.clone()),
            None => return Err("there is no worker".to_owned()),
        };
        let stream = self.seats[seat].stream.as_ref();
        let set = Set {
            of: stream.map(|it| it.number),
            ..read_set(given, &name)?
        };
        if matches!(scope, Scope::Prompt(_)) {
            return Err("a worker that is bound to its parameters (`prompt`) keeps them; start another stream".to_owned());
        }
        if let Some(current) = stream.map(|it| it.size)
            && current != set.params.base.size
        {
            return Err(other_size(current, set.params.base.size));
        }
        let Some(cell) = self.cell_mut(cell) else {
            return Ok(());
        };
        if !cell.flow.queue(set) {
            return Err("they are quarantined: the worker died of them twice".to_owned());
        }
        cell.pump();
        if let Some(stream) = &mut self.seats[seat].stream {
            stream.params_status = "queued";
        }
        Ok(())
    }

    fn refuse_params(&mut self, seat: usize, why: &str) {
        if let Some(stream) = &mut self.seats[seat].stream {
            stream.params_status = "rejected";
        }
        self.report(seat, format!("Error updating params: {why}"));
    }

    pub(super) fn applied(&mut self, id: ChildId, request: u64) {
        let now = self.now();
        let Some(set) = self
            .cell_mut(id)
            .and_then(|it| it.flow.applied(request, now).cloned())
        else {
            return;
        };
        self.taken(id, &set, "applied");
        if let Some(cell) = self.cell_mut(id) {
            cell.pump();
        }
    }

    /// A worker has a set now, or is about to.
    pub(super) fn taken(&mut self, id: ChildId, set: &Set, outcome: &'static str) {
        let with_events = self.settings.params_events;
        for seat in self.seats_with(id) {
            if outcome == "applied" {
                self.guard(seat, Input::ParamsApplied);
            }
            let pipeline = self.seats[seat].extras.pipeline.clone();
            let stream = self.seats[seat].stream.as_mut();
            if let Some(stream) = stream.filter(|it| set.is_of(it.number)) {
                stream.set = set.clone();
                stream.params_status = outcome;
                if with_events {
                    let given = &set.params.given;
                    let event =
                        status::params_update(&pipeline, outcome, &set.hash, given, wall_ms());
                    stream.transport.emit(event);
                }
            }
        }
    }

    pub(super) fn rejected(&mut self, id: ChildId, request: u64, why: &str) {
        if self
            .cell_mut(id)
            .and_then(|it| it.flow.rejected(request))
            .is_none()
        {
            return;
        }
        for seat in self.seats_with(id) {
            self.refuse_params(seat, why);
        }
        if let Some(cell) = self.cell_mut(id) {
            cell.pump();
        }
    }

    pub(super) fn reloading(&mut self, id: ChildId, request: u64) {
        let now = self.now();
        let Some(cell) = self.cell_mut(id) else {
            return;
        };
        cell.is_ready = false;
        let set = cell.flow.applied(request, now).cloned();
        if let Some(set) = set {
            self.taken(id, &set, "reloading");
        }
        self.place(seating::Input::WorkerBusy { worker: id });
        for seat in self.seats_with(id) {
            if let Some(stream) = &mut self.seats[seat].stream {
                stream.tell_reloading(true);
            }
        }
    }

    pub(super) fn reloaded(&mut self, id: ChildId) {
        for seat in self.seats_with(id) {
            if let Some(stream) = &mut self.seats[seat].stream {
                stream.params_status = "applied";
                stream.tell_reloading(false);
            }
        }
    }
}

/// The contract's words (§7).
fn other_size(current: Size, requested: Size) -> String {
    format!(
        "Cannot change output resolution mid-stream (Current resolution: ({}, {}) requested resolution: ({}, {})). It can change only when starting a new stream",
        current.width(),
        current.height(),
        requested.width(),
        requested.height()
    )
}
