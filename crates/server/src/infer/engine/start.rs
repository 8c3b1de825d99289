//! How a stream begins. Order of steps: everything is validated first, then a former stream ends, then the new one
//! begins (runner contract §2.1, D8). Nothing waits for a network or a model.

use std::{sync::Arc, time::Duration};

use framerill_supervisor::{
    ChildId, Command as Program,
    guardian::{Input, Restarts},
};
use serde_json::{Map, Value};

use super::{
    Number, Reply,
    cell::{Cell, Key, Scope},
    driver::Driver,
    flow::Set,
    seat::Seat,
    stream::{Beginning, Stream},
};
use crate::{
    infer::{
        asked::{Asked, Binding, Origin},
        base_params::Params,
        digest::digest,
        status,
        transport::{Opening, Transport},
    },
    log::{Ids, Level, log_stream},
    run::Pipeline,
};

/// A worker that is busy is not waited for longer; what it thinks of parameters comes as an event then.
const CHECK_WITHIN: Duration = Duration::from_millis(1500);
/// The pipeline that the contract treats on its own (§2.1, §4.4).
const COMFYUI: &str = "comfyui";

/// A start whose parameters a worker is being asked about.
pub(super) struct Pending {
    pub(super) cell: ChildId,
    pub(super) request: u64,
    pub(super) until: Duration,
    pub(super) start: Start,
}

/// A start that is valid as far as can be told without its worker.
pub(super) struct Start {
    seat: usize,
    asked: Asked,
    set: Option<Set>,
    received_ms: u64,
    reply: Reply<Number>,
}

impl Driver {
    /// A stream is asked for.
    pub(super) fn start(&mut self, asked: Asked, received_ms: u64, reply: Reply<Number>) {
        match self.prepare(&asked) {
            Ok((seat, set)) => {
                let start = Start {
                    seat,
                    asked,
                    set,
                    received_ms,
                    reply,
                };
                self.check(start);
            }
            Err(why) => refuse(&asked.ids, reply, why),
        }
    }

    fn prepare(&mut self, asked: &Asked) -> Result<(usize, Option<Set>), String> {
        if self.is_leaving {
            return Err("infer is stopping".to_owned());
        }
        let pipeline = self.pipeline_of(asked)?;
        let set = match &asked.params {
            None => None,
            Some(given) => Some(read_set(Arc::new(given.clone()), &pipeline.short_name())?),
        };
        let seat = self.find_seat(asked)?;
        Ok((seat, set))
    }

    fn pipeline_of(&self, asked: &Asked) -> Result<Pipeline, String> {
        match &asked.pipeline {
            None => Ok(self.settings.pipeline.clone()),
            Some(named) => Pipeline::find(named).map_err(|failure| failure.to_string()),
        }
    }

    /// The place for a stream. At capacity 1 a start on the runner's route replaces what runs there.
    fn find_seat(&mut self, asked: &Asked) -> Result<usize, String> {
        let capacity = self.settings.capacity as usize;
        let replaces = capacity == 1 && asked.origin != Origin::Api;
        if let Some(refusal) = self
            .seats
            .first()
            .filter(|_| capacity == 1)
            .and_then(|it| it.guardian.refusal())
        {
            return Err(format!("the pipeline failed for good: {refusal}"));
        }
        if replaces {
            return Ok(0);
        }
        // One that a start waits for is taken.
        let is_promised = |at: usize| self.pending.iter().any(|it| it.start.seat == at);
        let mut seats = self.seats.iter().enumerate();
        if let Some((free, _)) = seats.find(|(at, it)| it.is_free() && !is_promised(*at)) {
            return Ok(free);
        }
        if self.seats.len() < capacity {
            let seat = Seat::new(self.moment(), &self.settings.name);
            self.seats.push(seat);
            return Ok(self.seats.len() - 1);
        }
        let failed = self
            .seats
            .iter()
            .filter(|it| it.guardian.refusal().is_some());
        if failed.count() == capacity {
            return Err("every worker failed for good".to_owned());
        }
        Err(format!("capacity {capacity} in use"))
    }

    /// Asks the worker about the parameters, if it can be asked.
    fn check(&mut self, start: Start) {
        let cell = match self.cell_for(&start) {
            Ok(cell) => cell,
            Err(why) => return refuse(&start.asked.ids, start.reply, why),
        };
        let until = self.now() + CHECK_WITHIN;
        let request = match (&start.set, self.cell_mut(cell)) {
            (Some(set), Some(it)) if !it.own(set).is_empty() => it.check(set),
            _ => None,
        };
        match request {
            Some(request) => self.pending.push(Pending {
                cell,
                request,
                until,
                start,
            }),
            None => self.begin(start),
        }
    }

    /// A worker answered about a start's parameters.
    pub(super) fn checked(&mut self, cell: ChildId, request: u64, problem: Option<String>) -> bool {
        let is_it = |it: &Pending| it.cell == cell && it.request == request;
        let Some(at) = self.pending.iter().position(is_it) else {
            return false;
        };
        let Pending { start, .. } = self.pending.remove(at);
        match problem {
            None => self.begin(start),
            Some(why) => refuse(&start.asked.ids, start.reply, why),
        }
        true
    }

    /// Starts that waited long enough for a worker that is busy, or gone.
    pub(super) fn give_up_checks(&mut self, now: Duration) {
        while let Some(at) = self.pending.iter().position(|it| {
            let is_there = self
                .cells
                .iter()
                .any(|cell| cell.id == it.cell && cell.is_ready);
            it.until <= now || !is_there
        }) {
            let Pending { start, .. } = self.pending.remove(at);
            self.begin(start);
        }
    }

    /// The worker for a stream; started if there is none.
    fn cell_for(&mut self, start: &Start) -> Result<ChildId, String> {
        let pipeline = self.pipeline_of(&start.asked)?;
        let scope = match start.asked.binding {
            Binding::Shared => Scope::Shared,
            Binding::Stream => Scope::Seat(start.seat),
            Binding::Prompt => {
                let initial = &self.settings.initial_params;
                let hash = start.set.as_ref().map(|it| it.hash.clone());
                Scope::Prompt(hash.unwrap_or_else(|| digest(initial)))
            }
        };
        let key = Key {
            target: pipeline.target().to_owned(),
            scope,
        };
        if let Some(cell) = self.cell_with(&key) {
            let shareable = cell.description.as_ref().is_none_or(|it| it.shareable);
            if key.scope == Scope::Shared && !shareable {
                return Err(format!(
                    "`{}` does not say that streams may share it (`shareable`)",
                    cell.name()
                ));
            }
            return Ok(cell.id);
        }
        let initial = match (&start.set, start.asked.binding) {
            (Some(set), Binding::Prompt) => set.clone(),
            _ => self.initial_for(&pipeline)?,
        };
        self.add_cell(key, pipeline, initial)
            .map_err(|failure| failure.to_string())
    }

    /// What a worker of a pipeline is loaded with: those of the settings are for theirs.
    pub(super) fn initial_for(&self, pipeline: &Pipeline) -> Result<Set, String> {
        let given = if *pipeline == self.settings.pipeline {
            self.settings.initial_params.clone()
        } else {
            Map::new()
        };
        read_set(Arc::new(given), &pipeline.short_name())
    }

    pub(super) fn add_cell(
        &mut self,
        key: Key,
        pipeline: Pipeline,
        initial: Set,
    ) -> Result<ChildId, crate::Failure> {
        let id = self.new_child();
        let owner = self.owner.clone();
        let cell = Cell::start(id, key, pipeline, initial, &self.settings, owner)?;
        self.cells.push(cell);
        Ok(id)
    }

    /// Ends what runs there, and begins the new one.
    fn begin(&mut self, start: Start) {
        let ids = start.asked.ids.clone();
        match self.try_begin(&start) {
            Ok(number) => {
                log_stream(Level::Info, &ids, format_args!("stream {number} started"));
                // Whoever asked may have gone; the stream is there.
                start.reply.send(Ok(number)).ok();
            }
            Err(why) => refuse(&ids, start.reply, why),
        }
    }

    fn try_begin(&mut self, start: &Start) -> Result<Number, String> {
        let cell = self.cell_for(start)?;
        let is_explicit = start.set.is_some();
        let number = self.last_number + 1;
        let set = match &start.set {
            Some(set) => Set {
                of: Some(number),
                ..set.clone()
            },
            None => self
                .cell(cell)
                .map(|it| it.flow.initial().clone())
                .ok_or("its worker is gone")?,
        };
        let after = self.seats[start.seat]
            .stream
            .as_ref()
            .map(|it| it.transport.closed());
        let transport = Transport::open(
            &self.runtime,
            Opening {
                number,
                asked: &start.asked,
                tls: self.settings.tls.clone(),
                owner: self.owner.clone(),
                after,
            },
        )?;
        self.last_number = number;
        self.retire(start.seat);
        let media_id = self.new_child();
        let stream = Stream::begin(Beginning {
            number,
            max_fps: start.asked.max_fps_or(self.settings.max_fps),
            asked: start.asked.clone(),
            set: set.clone(),
            started_ms: start.received_ms,
            media_id,
            command: Program::new(&self.media_program),
            owner: self.owner.clone(),
            transport,
        });
        stream.transport.emit(status::trace(
            "runner_receive_stream_request",
            start.received_ms,
        ));
        let name = self.cell(cell).map(Cell::name).unwrap_or_default();
        let forbidden = name == COMFYUI && start.asked.origin == Origin::Runner;
        let seat = &mut self.seats[start.seat];
        seat.ids = start.asked.ids.clone();
        seat.stream = Some(stream);
        seat.cell = Some(cell);
        seat.extras.pipeline.clone_from(&name);
        seat.extras.show(&set.params.given, &set.hash);
        let restarts = if forbidden {
            Restarts::Forbidden
        } else {
            Restarts::Allowed
        };
        self.guard(
            start.seat,
            Input::StreamStarted {
                stream: number,
                restarts,
            },
        );
        self.tell_worker_state(start.seat);
        if is_explicit {
            self.guard(start.seat, Input::ParamsQueued);
        }
        self.forget_unused_cells();
        let is_alone = self.streams_of(cell) == 1;
        if let Some(it) = self.cell_mut(cell).filter(|_| is_alone || is_explicit) {
            if is_alone {
                it.flow.begin_stream();
            }
            if is_explicit || it.flow.in_force() != it.flow.initial() {
                it.flow.queue(set);
            }
            it.pump();
        }
        if start.asked.origin == Origin::Runner {
            self.notes.keep(number, &start.asked);
        }
        self.started += 1;
        Ok(number)
    }

    /// The stream of a seat is on its way out.
    fn retire(&mut self, seat: usize) {
        let Some(mut stream) = self.seats[seat].stream.take() else {
            return;
        };
        self.leave_worker(seat, stream.name());
        stream.end();
        self.leaving.push(stream);
    }
}

/// Answers a start with why it is none.
fn refuse(ids: &Ids, reply: Reply<Number>, why: String) {
    log_stream(Level::Error, ids, format_args!("stream refused: {why}"));
    // Whoever asked may have gone.
    reply.send(Err(why)).ok();
}

/// A whole set out of what was given.
pub(super) fn read_set(given: Arc<Map<String, Value>>, pipeline: &str) -> Result<Set, String> {
    let given = if pipeline == COMFYUI {
        Arc::new(Params::at_512(Map::clone(&given)))
    } else {
        given
    };
    let hash = digest(&given);
    let params = Params::read(given)?;
    Ok(Set {
        params,
        hash,
        of: None,
    })
}
