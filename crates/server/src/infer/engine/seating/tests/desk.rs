//! A driver without processes: does at once what the machine says, and holds it to its promises.

use std::{collections::BTreeMap, time::Duration};

use framerill_supervisor::ChildId;

use super::super::{Input, Key, Load, Output, Scope, Seating, StartId, Wanted, machine, starts};
use crate::{
    infer::{asked::Binding, engine::Number, refusal::Refusal},
    run::Pipeline,
};

/// A pipeline whose word on sharing is in its name.
pub(super) fn pipeline(name: &str) -> Pipeline {
    Pipeline::BuiltIn(name.to_owned())
}

/// A stream of the pipeline that is served, on a worker of its own.
pub(super) fn wanted(start: StartId) -> Wanted {
    Wanted {
        start,
        pipeline: pipeline("served"),
        binding: Binding::Stream,
        params: String::new(),
        is_checked: false,
        replaces: false,
    }
}

#[derive(Debug)]
pub(super) struct Hand {
    pub(super) key: Key,
    pub(super) load: Load,
    pub(super) shareable: Option<bool>,
    is_told: bool,
    pub(super) is_over: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub(super) seat: usize,
    wanted: Wanted,
    pub(super) is_ending: bool,
    pub(super) is_evicted: bool,
    rest_by: Option<Duration>,
}

/// What a driver knows.
pub(super) struct Desk {
    pub(super) machine: Seating,
    pub(super) now: Duration,
    capacity: usize,
    /// By seat.
    pub(super) seats: Vec<Option<ChildId>>,
    pub(super) workers: BTreeMap<ChildId, Hand>,
    /// Until their channels are closed.
    pub(super) streams: BTreeMap<Number, Guest>,
    /// Not answered yet, and since when.
    pub(super) asked: BTreeMap<StartId, (Wanted, Duration)>,
    pub(super) checks: Vec<StartId>,
    /// What starts were answered.
    pub(super) answers: BTreeMap<StartId, Result<Number, Refusal>>,
    pub(super) told: Vec<Output>,
    /// Neither a worker nor a stream can be started.
    pub(super) is_out_of_order: bool,
    pub(super) left_at: Option<Duration>,
    wake: Option<Duration>,
}

impl Desk {
    pub(super) fn new(capacity: usize) -> Self {
        let (machine, worker, key) = Seating::new(capacity, pipeline("served"), 0);
        let first = Hand {
            key,
            load: Load::Initial,
            shareable: None,
            is_told: false,
            is_over: false,
        };
        Self {
            machine,
            now: Duration::ZERO,
            capacity,
            seats: vec![Some(worker)],
            workers: [(worker, first)].into(),
            streams: BTreeMap::new(),
            asked: BTreeMap::new(),
            checks: Vec::new(),
            answers: BTreeMap::new(),
            told: Vec::new(),
            is_out_of_order: false,
            left_at: None,
            wake: None,
        }
    }

    pub(super) fn ask(&mut self, wanted: Wanted) -> StartId {
        self.ask_with(wanted, Vec::new())
    }

    pub(super) fn ask_with(&mut self, wanted: Wanted, refusals: Vec<Option<String>>) -> StartId {
        let start = wanted.start;
        self.asked.insert(start, (wanted.clone(), self.now));
        self.give(Input::Start { wanted, refusals });
        start
    }

    /// A start that is accepted at once.
    pub(super) fn run(&mut self, wanted: Wanted) -> Number {
        let start = self.ask(wanted);
        self.answers[&start].clone().unwrap()
    }

    pub(super) fn ready(&mut self, worker: ChildId, shareable: bool) {
        if let Some(hand) = self.workers.get_mut(&worker).filter(|it| !it.is_over) {
            hand.shareable = Some(shareable);
            self.give(Input::WorkerReady { worker, shareable });
        }
    }

    pub(super) fn worker_of(&self, stream: Number) -> ChildId {
        self.seats[self.streams[&stream].seat].unwrap()
    }

    pub(super) fn close(&mut self, stream: Number) {
        self.streams.remove(&stream);
        self.give(Input::Closed { stream });
    }

    /// Time goes on, deadlines on time.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.wake.filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.give(Input::Deadline);
            let is_later = self.wake.is_none_or(|it| it > self.now);
            assert!(is_later, "its deadline came and stays: {:?}", self.machine);
        }
        self.now = end;
    }

    pub(super) fn give(&mut self, input: Input) {
        if matches!(input, Input::Leave) {
            self.left_at.get_or_insert(self.now);
        }
        if let Input::SourceEnded { stream } = &input
            && let Some(it) = self.streams.get_mut(stream)
        {
            it.rest_by.get_or_insert(self.now + machine::REST_WITHIN);
        }
        self.machine.handle(self.now, input);
        for _ in 0..1000 {
            match self.machine.poll() {
                Output::WakeAt(at) => {
                    self.wake = Some(at);
                    return self.look();
                }
                Output::Idle => {
                    self.wake = None;
                    return self.look();
                }
                output => self.obey(output),
            }
        }
        panic!("it does not settle");
    }

    fn obey(&mut self, output: Output) {
        self.told.push(output.clone());
        match output {
            Output::AddSeat => self.seats.push(None),
            Output::AddWorker { worker, key, load } => {
                assert!(self.left_at.is_none(), "a worker is added while all leave");
                let outcome = if self.is_out_of_order {
                    Err("out of order".to_owned())
                } else {
                    let hand = Hand {
                        key,
                        load,
                        shareable: None,
                        is_told: false,
                        is_over: false,
                    };
                    assert!(self.workers.insert(worker, hand).is_none());
                    Ok(())
                };
                self.machine
                    .handle(self.now, Input::WorkerAdded { worker, outcome });
            }
            Output::StopWorker { worker } => {
                let is_used = self.seats.contains(&Some(worker));
                assert!(!is_used || self.left_at.is_some(), "one in use is stopped");
                let hand = self.workers.get_mut(&worker).unwrap();
                assert!(!std::mem::replace(&mut hand.is_told, true), "told twice");
            }
            Output::ForgetWorker { worker } => {
                assert!(!self.seats.contains(&Some(worker)));
                assert!(self.workers.remove(&worker).unwrap().is_over);
            }
            Output::Check { start, worker } => {
                assert!(self.workers[&worker].shareable.is_some());
                self.checks.push(start);
            }
            Output::Begin {
                start,
                stream,
                seat,
                worker,
            } => self.begin(start, stream, seat, worker),
            Output::Accept { start, stream } => self.answer(start, Ok(stream)),
            Output::Refuse { start, why } => self.answer(start, Err(why)),
            Output::Move { seat, worker, .. } => {
                let former = std::mem::replace(&mut self.seats[seat], worker);
                let Some(worker) = worker else { return };
                assert!(!self.workers[&worker].is_told || self.left_at.is_some());
                let was_shared = former
                    .and_then(|it| self.workers.get(&it))
                    .is_some_and(|it| it.key.scope == Scope::Shared);
                let is_shared = self.workers[&worker].key.scope == Scope::Shared;
                let here = self.streams.values_mut();
                for it in here.filter(|it| it.seat == seat && !it.is_ending) {
                    assert!(!(it.is_evicted && is_shared), "it goes back");
                    it.is_evicted |= was_shared && !is_shared;
                }
            }
            Output::End { seat, stream, .. } => {
                let it = self.streams.get_mut(&stream).unwrap();
                assert_eq!(it.seat, seat);
                assert!(!std::mem::replace(&mut it.is_ending, true), "ended twice");
            }
            Output::WakeAt(_) | Output::Idle => unreachable!(),
        }
    }

    fn begin(&mut self, start: StartId, stream: Number, seat: usize, worker: ChildId) {
        assert!(self.left_at.is_none(), "a stream begins while all leave");
        let hand = &self.workers[&worker];
        assert!(!hand.is_told && !hand.is_over, "{hand:?} is on its way out");
        let (wanted, _) = self.asked[&start].clone();
        let outcome = if self.is_out_of_order {
            Err(Refusal::Endpoint {
                why: "out of order".to_owned(),
            })
        } else {
            for it in self.streams.values_mut().filter(|it| it.seat == seat) {
                assert!(it.is_ending || (wanted.replaces && self.capacity == 1));
                it.is_ending = true;
            }
            self.seats[seat] = Some(worker);
            let guest = Guest {
                seat,
                wanted,
                is_ending: false,
                is_evicted: false,
                rest_by: None,
            };
            assert!(self.streams.insert(stream, guest).is_none());
            Ok(stream)
        };
        self.machine
            .handle(self.now, Input::Begun { start, outcome });
    }

    fn answer(&mut self, start: StartId, answer: Result<Number, Refusal>) {
        assert!(
            self.asked.remove(&start).is_some(),
            "answered, but not asked"
        );
        assert!(
            self.answers.insert(start, answer).is_none(),
            "answered twice"
        );
        self.checks.retain(|it| *it != start);
    }

    /// What holds whenever the machine waits.
    fn look(&self) {
        let running: Vec<_> = self.streams.values().filter(|it| !it.is_ending).collect();
        assert!(running.len() <= self.capacity && self.seats.len() <= self.capacity);
        for (at, worker) in self.seats.iter().enumerate() {
            assert_eq!(self.machine.worker_of(at), *worker);
        }
        for (_, since) in self.asked.values() {
            assert!(self.now <= *since + starts::CHECK_WITHIN, "not answered");
        }
        let mut on: BTreeMap<ChildId, Vec<&Guest>> = BTreeMap::new();
        for it in running {
            assert!(
                it.rest_by.is_none_or(|at| self.now <= at),
                "its rest is long"
            );
            let worker = self.seats[it.seat].expect("a stream has a worker");
            assert!(
                self.workers.contains_key(&worker),
                "{worker:?} is forgotten"
            );
            on.entry(worker).or_default().push(it);
        }
        for (worker, guests) in on {
            let hand = &self.workers[&worker];
            for it in &guests {
                assert_fits(it, &hand.key);
            }
            if guests.len() > 1 {
                assert!(!matches!(hand.key.scope, Scope::Seat(_)), "not its own");
                let shares = hand.shareable != Some(false);
                assert!(shares || hand.key.scope != Scope::Shared, "not shareable");
            }
        }
    }
}

fn assert_fits(guest: &Guest, key: &Key) {
    assert_eq!(key.pipeline, guest.wanted.pipeline);
    match &key.scope {
        Scope::Seat(seat) => {
            assert_eq!(*seat, guest.seat);
            assert!(guest.is_evicted || guest.wanted.binding == Binding::Stream);
        }
        Scope::Shared => assert!(guest.wanted.binding == Binding::Shared && !guest.is_evicted),
        Scope::Prompt(hash) => {
            assert_eq!(guest.wanted.binding, Binding::Prompt);
            assert_eq!(*hash, guest.wanted.params);
        }
    }
}
