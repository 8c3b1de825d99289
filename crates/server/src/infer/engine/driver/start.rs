//! What a start brings, and how its stream begins when the seating says so.

use std::sync::Arc;

use framerill_media::Size;
use framerill_supervisor::{
    ChildId,
    guardian::{Input, Restarts},
};
use serde_json::{Map, Value};

use super::Driver;
use crate::{
    environments::Effort,
    http::AnswerBy,
    infer::{
        asked::{Asked, Origin},
        base_params::Params,
        digest::digest,
        engine::{
            Number, ParamsStatus, Reply,
            flow::Set,
            quarantined,
            seat::Seat,
            seating::{self, StartId, Wanted},
            stream::{Beginning, Stream, start_media},
            worker::{Worker, own},
        },
        event::{Event, Step},
        refusal::Refusal,
        transport::{Opening, Transport},
    },
    log::{Ids, Level, log_stream},
    run::{Pipeline, media_command},
};

/// The pipeline that the contract treats on its own (§2.1, §4.4).
const COMFYUI: &str = "comfyui";

/// A start that is valid as far as can be told without its worker. It is carried out for as long as whoever asked waits:
/// what it has begun by then is ended.
pub(super) struct Start {
    asked: Asked,
    pub(super) set: Option<Set>,
    /// What size its worker says that its pictures have.
    output: Option<Size>,
    received_ms: u64,
    by: AnswerBy,
    reply: Reply<Number>,
}

impl Start {
    /// Whether nobody waits for its answer any more.
    fn is_late(&self) -> bool {
        self.by.is_past() || self.reply.is_closed()
    }
}

/// A start whose parameters a worker is being asked about.
pub(super) struct Check {
    start: StartId,
    worker: ChildId,
    request: u64,
}

impl Driver {
    /// A stream is asked for.
    pub(super) fn start(
        &mut self,
        asked: Asked,
        received_ms: u64,
        by: AnswerBy,
        reply: Reply<Number>,
    ) {
        if by.is_past() || reply.is_closed() {
            return refuse(&asked.ids, reply, Refusal::Late);
        }
        let (set, wanted) = match self.read_start(&asked) {
            Ok(read) => read,
            Err(why) => return refuse(&asked.ids, reply, why),
        };
        let start = Start {
            asked,
            set,
            output: None,
            received_ms,
            by,
            reply,
        };
        self.starts.insert(wanted.start, start);
        let refusals = self.seats.iter().map(|it| it.guardian.refusal());
        let refusals = refusals.map(|it| it.map(ToString::to_string)).collect();
        self.place(seating::Input::Start { wanted, refusals });
    }

    fn read_start(&mut self, asked: &Asked) -> Result<(Option<Set>, Wanted), Refusal> {
        let pipeline = match &asked.pipeline {
            None => self.settings.pipeline.clone(),
            Some(named) => {
                let python = self.settings.python.as_deref();
                // No process is started here: all streams would wait for it.
                let placed = Pipeline::find(named).and_then(|it| it.placed(python, Effort::Quick));
                placed.map_err(|failure| Refusal::Pipeline {
                    why: failure.to_string(),
                })?
            }
        };
        let given = asked.params.clone();
        let set = given.map(|it| read_set(Arc::new(it), &pipeline.public_name()));
        let wrong = |why| Refusal::Params { why };
        let set = set.transpose().map_err(wrong)?;
        let params = match &set {
            Some(set) => set.hash.clone(),
            None => self.initial_for(&pipeline).map_err(wrong)?.hash,
        };
        self.last_start += 1;
        let wanted = Wanted {
            start: self.last_start,
            is_checked: set.as_ref().is_some_and(|it| says_something(&pipeline, it)),
            pipeline,
            binding: asked.binding,
            params,
            replaces: asked.origin != Origin::Api,
        };
        Ok((set, wanted))
    }

    /// What a worker of a pipeline is loaded with: those of the settings are for theirs.
    pub(super) fn initial_for(&self, pipeline: &Pipeline) -> Result<Set, String> {
        let given = if *pipeline == self.settings.pipeline && !self.initial_gave_way {
            self.settings.initial_params.clone()
        } else {
            pipeline.with_initial(Map::new())
        };
        read_set(Arc::new(given), &pipeline.public_name())
    }

    /// Asks a worker about a start's parameters.
    pub(super) fn check(&mut self, start: StartId, worker: ChildId) {
        let set = self.starts.get(&start).and_then(|it| it.set.clone());
        let asked = self.worker_mut(worker).zip(set);
        let request = asked.and_then(|(it, set)| it.check(&set));
        match request {
            Some(request) => self.checks.push(Check {
                start,
                worker,
                request,
            }),
            None => self.place(seating::Input::Checked {
                start,
                problem: None,
            }),
        }
    }

    /// A worker answered about a start's parameters: what size its pictures would have, or why it would not take them.
    pub(super) fn checked(
        &mut self,
        worker: ChildId,
        request: u64,
        answer: Result<Option<Size>, String>,
    ) -> bool {
        if self.sized(worker, request, answer.as_ref().ok().copied().flatten()) {
            return true;
        }
        let mut checks = self.checks.iter();
        let Some(at) = checks.position(|it| it.worker == worker && it.request == request) else {
            return false;
        };
        let start = self.checks.remove(at).start;
        let problem = match answer {
            Ok(output) => {
                if let Some(it) = self.starts.get_mut(&start) {
                    it.output = output;
                }
                None
            }
            Err(why) => Some(why),
        };
        self.place(seating::Input::Checked { start, problem });
        true
    }

    pub(super) fn answer(&mut self, start: StartId, answer: Result<Number, Refusal>) {
        self.checks.retain(|it| it.start != start);
        let Some(Start { asked, reply, .. }) = self.starts.remove(&start) else {
            return;
        };
        match answer {
            Ok(number) => {
                let told = format_args!("stream {number} started");
                log_stream(Level::Info, &asked.ids, told);
                if reply.send(Ok(number)).is_err() {
                    self.end_late(number);
                }
            }
            Err(why) => refuse(&asked.ids, reply, why),
        }
    }

    /// Nobody has heard that a stream began, and so it is not there.
    fn end_late(&mut self, number: Number) {
        if let Some(seat) = self.seat_of(number) {
            self.end_stream(seat, &Refusal::Late.to_string());
        }
    }

    /// Begins a stream on a seat, ends what ran there, and tells the seating, unless there is an error.
    pub(super) fn begin(
        &mut self,
        id: StartId,
        number: Number,
        at: usize,
        worker: ChildId,
    ) -> Result<(), Refusal> {
        let gone = |why: &str| Refusal::Worker {
            why: why.to_owned(),
        };
        let start = self.starts.get(&id);
        let start = start.ok_or_else(|| gone("nobody asks for it any more"))?;
        if start.is_late() {
            return Err(Refusal::Late);
        }
        let (asked, received_ms) = (start.asked.clone().named(number), start.received_ms);
        let (brought, checked) = (start.set.clone(), start.output);
        let there = self.worker(worker);
        let there = there.ok_or_else(|| gone("its worker is gone"))?;
        // A stream that brings what is quarantined begins like one that brings nothing.
        let is_taken = |it: &Set| !self.quarantined.has(&there.key.pipeline, &it.hash);
        let taken = brought.clone().filter(is_taken);
        let is_explicit = taken.is_some();
        let of = Some(number);
        let set = taken.map(|it| Set { of, ..it });
        let set = set.unwrap_or_else(|| there.flow.initial().clone());
        let output = if there.tells_size() {
            checked.filter(|_| is_explicit)
        } else {
            Some(set.params.base.size)
        };
        let media_id = self.new_media();
        let program = media_command(&self.media_program);
        let media = start_media(program, media_id, self.owner.clone());
        // Its process may have taken a while to start; nothing else has been done so far.
        if self.starts.get(&id).is_none_or(Start::is_late) {
            return Err(Refusal::Late);
        }
        let transport = self.open(number, at, &asked)?;
        self.retire(at);
        let stream = Stream::begin(Beginning {
            number,
            max_fps: asked.max_fps_or(self.settings.max_fps),
            asked: asked.clone(),
            set: set.clone(),
            output,
            started_ms: received_ms,
            media_id,
            media,
            transport,
        });
        let restarts = self.take_seat(at, worker, stream);
        self.ask_size(at);
        // What the guardian wants done of the stream is about one that has its seat.
        self.place(seating::Input::Begun {
            start: id,
            outcome: Ok(number),
        });
        let stream = number;
        self.guard(at, Input::StreamStarted { stream, restarts });
        self.tell_worker_state(at);
        if let Some(brought) = &brought {
            self.guard(at, Input::ParamsQueued);
            let extras = &mut self.seats[at].extras;
            extras.show(brought.given(), &brought.hash);
        }
        self.give_set(worker, set, is_explicit);
        if brought.is_some() && !is_explicit {
            self.settle_params(at, ParamsStatus::Quarantined, quarantined::WHY);
        }
        if asked.origin == Origin::Runner {
            self.notes.keep(number, &asked);
        }
        self.started += 1;
        Ok(())
    }

    /// Opens a stream's channels; they wait for the end of those that the seat has.
    fn open(&self, number: Number, at: usize, asked: &Asked) -> Result<Transport, Refusal> {
        let former = self.seats[at].number();
        let is_in_the_way = |it: &&Stream| {
            Some(it.number) == former || (it.is_ending && it.asked.shares_channels(asked))
        };
        let after = self.streams().filter(is_in_the_way);
        let after = after.map(|it| it.transport.closed()).collect();
        let opening = Opening {
            number,
            asked,
            tls: self.settings.tls.clone(),
            owner: self.owner.clone(),
            after,
        };
        Transport::open(&self.runtime, opening).map_err(|why| Refusal::Endpoint { why })
    }

    /// A stream gets an empty seat and a worker. Whether that may be restarted while it runs.
    fn take_seat(&mut self, at: usize, worker: ChildId, stream: Stream) -> Restarts {
        let trace = Event::Trace(Step::ReceiveStreamRequest, stream.started_ms);
        stream.transport.emit(trace);
        let name = self.worker(worker).map(Worker::name).unwrap_or_default();
        let restarts = if name == COMFYUI && stream.asked.origin == Origin::Runner {
            Restarts::Forbidden
        } else {
            Restarts::Allowed
        };
        let now = self.moment();
        let seat = &mut self.seats[at];
        if seat.guardian.refusal().is_some() {
            // It has a fresh worker with the stream: what the former one did is no part of this one's status.
            *seat = Seat {
                guardian: seat.guardian.anew(now),
                ..Seat::new(now, &name)
            };
        }
        seat.ids = stream.asked.ids.clone();
        seat.worker = Some(worker);
        seat.extras.pipeline = name;
        seat.extras.show(stream.set.given(), &stream.set.hash);
        seat.stream = Some(stream);
        restarts
    }

    /// A worker gets what a new stream brings, or what it had at first.
    pub(super) fn give_set(&mut self, worker: ChildId, set: Set, is_explicit: bool) {
        let is_alone = self.streams_of(worker) == 1;
        if let Some(it) = self.worker_mut(worker) {
            // The contract's pipelines hear of each stream by the set that it begins with (§2.1).
            let is_sent = is_explicit || (is_alone && it.reapplies_initial());
            it.flow.begin_stream(set, is_sent, is_alone);
            it.pump();
        }
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

/// Whether a worker has something to say about a set: parameters of its pipeline, or the size of its pictures.
fn says_something(pipeline: &Pipeline, set: &Set) -> bool {
    let is_built_in = matches!(pipeline, Pipeline::BuiltIn(_));
    !own(pipeline, set).is_empty() || (!is_built_in && !set.params.given.is_empty())
}

/// Answers a start with why it is none.
fn refuse(ids: &Ids, reply: Reply<Number>, why: Refusal) {
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
        keeps: None,
    })
}
