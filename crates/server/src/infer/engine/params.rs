//! Parameters on their way to workers, and what becomes of them.

use framerill_supervisor::{ChildId, guardian::Input};
use serde_json::Value;

use super::{Number, cell::Cell, driver::Driver, flow::Set, start::read_set, wall_ms};
use crate::infer::{digest::digest, status};

impl Driver {
    /// Parameters for a stream, or for the worker without one.
    pub(super) fn take_params(&mut self, to: Option<Number>, value: Value) -> Result<(), String> {
        let newest = || {
            let seats = self.seats.iter().enumerate();
            let newest = seats.max_by_key(|(_, it)| it.stream.as_ref().map(|it| it.number));
            newest.map(|(at, _)| at)
        };
        let seat = match to {
            Some(number) => self
                .seat_of(number)
                .ok_or_else(|| format!("no stream {number} runs"))?,
            None => newest().ok_or("there is no worker")?,
        };
        let Some(cell) = self.seats[seat].cell else {
            return Err("there is no worker".to_owned());
        };
        let Value::Object(given) = value else {
            let why = "they should be an object".to_owned();
            self.refuse_params(seat, &why);
            return Ok(());
        };
        self.seats[seat].extras.last_params = Some(given.clone());
        let hash = digest(&Value::Object(given.clone()));
        self.seats[seat].extras.last_params_hash = Some(hash);
        self.guard(seat, Input::ParamsQueued);
        let name = self.cell(cell).map(Cell::name).unwrap_or_default();
        let set = match read_set(given, &name) {
            Ok(set) => Set {
                of: self.seats[seat].stream.as_ref().map(|it| it.number),
                ..set
            },
            Err(why) => {
                self.refuse_params(seat, &why);
                return Ok(());
            }
        };
        let stream = self.seats[seat].stream.as_ref();
        if let Some(current) = stream.map(|it| it.size)
            && current != set.params.base.size
        {
            let why = format!(
                "Cannot change output resolution mid-stream (Current resolution: ({}, {}) requested resolution: ({}, {})). It can change only when starting a new stream",
                current.width(),
                current.height(),
                set.params.base.size.width(),
                set.params.base.size.height()
            );
            self.refuse_params(seat, &why);
            return Ok(());
        }
        let Some(cell) = self.cell_mut(cell) else {
            return Ok(());
        };
        if !cell.flow.queue(set.clone()) {
            self.refuse_params(seat, "they are quarantined: the worker died of them twice");
            return Ok(());
        }
        cell.pump();
        if let Some(stream) = &mut self.seats[seat].stream {
            stream.params_status = "queued";
        }
        Ok(())
    }

    pub(super) fn refuse_params(&mut self, seat: usize, why: &str) {
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
