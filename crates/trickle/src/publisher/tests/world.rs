//! A server as a publisher sees it, and the connections to it: as scripted, or by chance.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use framerill_sim::{Agenda, Random};

use crate::{
    failure::{Answer, Failure},
    publisher::{Config, Event, ExchangeId, Input, Output, Publisher, Request},
    wire::Seq,
};

/// How often things go wrong: once in so many times, or never.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Odds {
    pub(super) refused_connection: u64,
    pub(super) silent_connection: u64,
    pub(super) broken_write: u64,
    pub(super) stalled_write: u64,
    pub(super) lost_answer: u64,
    pub(super) error_answer: u64,
    pub(super) early_answer: u64,
    pub(super) missing_channel: u64,
}

/// What arrived under one POST.
#[derive(Debug, Default, Clone)]
pub(super) struct Stored {
    pub(super) seq: Seq,
    pub(super) bytes: Vec<u8>,
    pub(super) is_complete: bool,
}

/// An exchange that is neither over nor dropped.
#[derive(Debug)]
struct Open {
    request: Request,
    /// What the connection holds and has not taken.
    held: Vec<u8>,
    stored: Option<usize>,
    is_finished: bool,
    is_broken: bool,
}

pub(super) struct World {
    pub(super) machine: Publisher,
    pub(super) agenda: Agenda<Input>,
    pub(super) odds: Odds,
    /// Nothing is answered but by the test.
    pub(super) is_manual: bool,
    pub(super) is_down: bool,
    pub(super) has_channel: bool,
    pub(super) latest: Seq,
    pub(super) latency: Duration,
    pub(super) requests: Vec<(Duration, ExchangeId, Request)>,
    pub(super) aborted: Vec<ExchangeId>,
    pub(super) stored: Vec<Stored>,
    pub(super) events: Vec<Event>,
    open: BTreeMap<ExchangeId, Open>,
    random: Random,
    wake: Option<Duration>,
}

impl World {
    pub(super) fn new(config: Config, seed: u64) -> Self {
        Self {
            machine: Publisher::new(config, Duration::ZERO, seed),
            agenda: Agenda::new(),
            odds: Odds::default(),
            is_manual: false,
            is_down: false,
            has_channel: true,
            latest: Seq::ZERO,
            latency: Duration::from_millis(1),
            requests: Vec::new(),
            aborted: Vec::new(),
            stored: Vec::new(),
            events: Vec::new(),
            open: BTreeMap::new(),
            random: Random::new(seed),
            wake: None,
        }
    }

    pub(super) fn manual(config: Config) -> Self {
        let mut world = Self::new(config, 1);
        world.is_manual = true;
        world.settle();
        world
    }

    pub(super) fn give(&mut self, input: Input) {
        match &input {
            Input::Wrote(id, count) => self.take(*id, *count),
            Input::Finished(id) => {
                self.take(*id, 0);
                if let Some(at) = self.open.get(id).and_then(|open| open.stored) {
                    self.stored[at].is_complete = true;
                }
            }
            Input::Answered(id, _) | Input::Failed(id, _) => {
                self.open.remove(id);
                self.void(*id);
            }
            _ => {}
        }
        self.machine.handle(self.agenda.now(), input);
        self.settle();
    }

    pub(super) fn answer(&mut self, id: ExchangeId, status: u16) {
        self.give(Input::Answered(id, answer(status)));
    }

    pub(super) fn break_off(&mut self, id: ExchangeId) {
        self.give(Input::Failed(id, Failure::Broken("as scripted".into())));
    }

    pub(super) fn write(&mut self, bytes: &'static str) {
        self.give(Input::Write(Bytes::from_static(bytes.as_bytes())));
    }

    pub(super) fn segment(&mut self, bytes: &'static str) {
        self.give(Input::Begin);
        self.write(bytes);
        self.give(Input::Finish);
    }

    pub(super) fn run_for(&mut self, span: Duration) {
        let end = self.agenda.now() + span;
        while self.step(end) {}
    }

    /// The next thing happens, if there is one until `end`.
    pub(super) fn step(&mut self, end: Duration) -> bool {
        let input_at = self.agenda.next_at();
        let at = input_at.into_iter().chain(self.wake).min();
        let Some(at) = at.filter(|at| *at <= end) else {
            self.agenda.advance(end);
            return false;
        };
        let input = if input_at == Some(at) {
            self.agenda.pop().expect("its time was just read")
        } else {
            self.agenda.advance(at);
            Input::Deadline
        };
        self.give(input);
        true
    }

    /// The last exchange for this.
    pub(super) fn last(&self, is_it: impl Fn(&Request) -> bool) -> ExchangeId {
        let found = self.requests.iter().rev().find(|(_, _, it)| is_it(it));
        found.expect("there was such a request").1
    }

    pub(super) fn post(&self, number: u64) -> ExchangeId {
        self.last(|it| matches!(it, Request::Post { seq, .. } if seq.get() == number))
    }

    /// The numbers that were posted to, in order.
    pub(super) fn posts(&self) -> Vec<u64> {
        let posts = self.requests.iter().filter_map(|(_, _, it)| match it {
            Request::Post { seq, .. } => Some(seq.get()),
            _ => None,
        });
        posts.collect()
    }

    pub(super) fn has_asked(&self, request: Request) -> bool {
        self.requests.iter().any(|(_, _, it)| *it == request)
    }

    pub(super) fn open_count(&self) -> usize {
        self.open.len()
    }

    pub(super) fn text(&self, at: usize) -> (u64, &str, bool) {
        let it = &self.stored[at];
        let text = std::str::from_utf8(&it.bytes).expect("tests write text");
        (it.seq.get(), text, it.is_complete)
    }

    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            match self.machine.poll() {
                Output::WakeAt(at) => {
                    assert!(at > self.agenda.now(), "it wakes in the past");
                    return self.wake = Some(at);
                }
                Output::Idle => return self.wake = None,
                Output::Event(event) => self.events.push(event),
                Output::Open(id, request) => self.open(id, request),
                Output::Write(id, bytes) => self.hold(id, &bytes),
                Output::Finish(id) => self.finish(id),
                Output::Abort(id) => {
                    self.aborted.push(id);
                    self.open.remove(&id);
                    self.void(id);
                }
            }
        }
        panic!("the machine does not settle");
    }

    fn chance(&mut self, odds: u64) -> bool {
        odds > 0 && self.random.one_in(odds)
    }

    fn later(&mut self) -> Duration {
        self.latency + self.random.duration(Duration::ZERO..self.latency)
    }

    fn void(&mut self, id: ExchangeId) {
        self.agenda.cancel(|input| match input {
            Input::Opened(it)
            | Input::Wrote(it, _)
            | Input::Finished(it)
            | Input::Answered(it, _)
            | Input::Failed(it, _) => *it == id,
            _ => false,
        });
    }

    fn open(&mut self, id: ExchangeId, request: Request) {
        self.requests.push((self.agenda.now(), id, request));
        let open = Open {
            request,
            held: Vec::new(),
            stored: None,
            is_finished: false,
            is_broken: false,
        };
        assert!(self.open.insert(id, open).is_none());
        if self.is_manual {
            return;
        }
        let at = self.later();
        if self.is_down || self.chance(self.odds.refused_connection) {
            let failure = Failure::Unreachable("down".into());
            return self.agenda.after(at, Input::Failed(id, failure));
        }
        if self.chance(self.odds.silent_connection) {
            return;
        }
        self.agenda.after(at, Input::Opened(id));
        let reply = at + self.later();
        if let Request::Post { .. } = request {
            if self.chance(self.odds.missing_channel) {
                self.has_channel = false;
            }
            if !self.has_channel {
                self.reply(id, reply, 404);
            } else if self.chance(self.odds.early_answer) {
                let at = reply + self.later() * 20;
                self.reply(id, at, 200);
            }
            return;
        }
        self.has_channel |= request == Request::Create;
        let is_error = self.chance(self.odds.error_answer);
        self.reply(id, reply, if is_error { 503 } else { 200 });
    }

    fn reply(&mut self, id: ExchangeId, at: Duration, status: u16) {
        let answer = Answer {
            latest: Some(self.latest),
            ..answer(status)
        };
        self.agenda.after(at, Input::Answered(id, answer));
    }

    fn hold(&mut self, id: ExchangeId, bytes: &Bytes) {
        let open = self.open.get_mut(&id).expect("only open exchanges write");
        assert!(!open.is_finished, "it wrote behind the end");
        open.held.extend_from_slice(bytes);
        if self.is_manual || open.is_broken {
            return;
        }
        if self.chance(self.odds.stalled_write) {
            self.break_connection(id);
            return;
        }
        let is_broken = self.chance(self.odds.broken_write);
        let mut left = bytes.len() as u64;
        if is_broken {
            left = self.random.below(left + 1);
        }
        while left > 0 {
            let piece = 1 + self.random.below(left);
            left -= piece;
            let count = usize::try_from(piece).expect("a piece is small");
            self.agenda.after(self.latency, Input::Wrote(id, count));
        }
        if is_broken {
            self.break_connection(id);
            let failure = Failure::Broken("by chance".into());
            self.agenda
                .after(self.latency * 2, Input::Failed(id, failure));
        }
    }

    fn break_connection(&mut self, id: ExchangeId) {
        if let Some(open) = self.open.get_mut(&id) {
            open.is_broken = true;
        }
    }

    /// The connection takes so many bytes, and the server has them.
    fn take(&mut self, id: ExchangeId, count: usize) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        let Request::Post { seq, .. } = open.request else {
            panic!("only segments have bodies");
        };
        let at = *open.stored.get_or_insert(self.stored.len());
        if at == self.stored.len() {
            self.stored.push(Stored {
                seq,
                ..Stored::default()
            });
        }
        self.stored[at].bytes.extend(open.held.drain(..count));
    }

    fn finish(&mut self, id: ExchangeId) {
        let open = self.open.get_mut(&id).expect("only open exchanges finish");
        assert!(!open.is_finished, "a body ends once");
        open.is_finished = true;
        if self.is_manual || open.is_broken {
            return;
        }
        self.agenda.after(self.latency, Input::Finished(id));
        let reply = self.latency + self.later();
        if !self.chance(self.odds.lost_answer) {
            let is_error = self.chance(self.odds.error_answer);
            self.reply(id, reply, if is_error { 500 } else { 200 });
        }
    }
}

pub(super) fn answer(status: u16) -> Answer {
    Answer {
        status,
        ..Answer::default()
    }
}
