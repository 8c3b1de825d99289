//! A publisher, its caller and its server, none of which is careful: exchanges are well formed, what is held is bounded,
//! every segment has one fate, every byte is sent or counted as dropped, and there is an end.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use framerill_trickle::failure::{Answer, Failure, Wait};
use framerill_trickle::publisher::{
    Backpressure, Config, End, Event, ExchangeId, Input, Output, Publisher, Request, Start,
};

use super::STEPS;
use super::choices::Choices;

const BUFFER: usize = 4000;
const LARGEST: usize = 2550;
const STATUSES: [u16; 10] = [200, 200, 200, 200, 400, 404, 413, 470, 500, 503];
const LATER: [u64; 6] = [0, 1, 125, 250, 5_000, 11_000];

/// An exchange that is neither over nor dropped.
struct Exchange {
    request: Request,
    is_opened: bool,
    held: usize,
    is_finishing: bool,
}

struct World {
    machine: Publisher,
    now: Duration,
    wake: Option<Duration>,
    open: BTreeMap<ExchangeId, Exchange>,
    /// Exchanges that are over: what a driver may still say of them by mistake.
    over: Vec<ExchangeId>,
    backpressure: Backpressure,
    is_writing: bool,
    is_closing: bool,
    begun: u64,
    written: u64,
    sent: u64,
    lost: u64,
    end: Option<End>,
}

pub(super) fn run(choices: &mut Choices<'_>) {
    let mut world = World::new(choices);
    world.settle();
    for _ in 0..STEPS {
        if choices.is_empty() || world.machine.is_over() {
            break;
        }
        world.step(choices);
    }
    world.finish();
}

impl World {
    fn new(choices: &mut Choices<'_>) -> Self {
        let backpressure = choices.pick(&[
            Backpressure::Block,
            Backpressure::DropOldest,
            Backpressure::DropNewest,
            Backpressure::LatestOnly,
        ]);
        let start = match choices.flag() {
            true => Start::Upcoming,
            false => Start::At(choices.seq()),
        };
        let config = Config {
            start,
            backpressure,
            reset: choices.flag(),
            create: choices.flag(),
            delete: choices.flag(),
            buffer_bytes: BUFFER,
            buffer_segments: choices.below(5),
            ..Config::default()
        };
        Self {
            machine: Publisher::new(config, Duration::ZERO, u64::from(choices.byte())),
            now: Duration::ZERO,
            wake: None,
            open: BTreeMap::new(),
            over: Vec::new(),
            backpressure,
            is_writing: false,
            is_closing: false,
            begun: 0,
            written: 0,
            sent: 0,
            lost: 0,
            end: None,
        }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(20) {
            0..=2 => self.begin(),
            3..=6 => self.write(usize::from(choices.byte()) * 10),
            7 => {
                self.is_writing = false;
                self.give(Input::Finish);
            }
            8 => {
                self.is_writing = false;
                self.give(Input::Abandon);
            }
            9..=11 => {
                if let Some(id) = self.pick(choices, |it| !it.is_opened) {
                    self.with(id, |it| it.is_opened = true);
                    self.give(Input::Opened(id));
                }
            }
            12..=13 => {
                if let Some(id) = self.pick(choices, |it| it.held > 0) {
                    let part = 1 + usize::from(choices.byte());
                    let held = self.open.get(&id).map_or(0, |it| it.held);
                    let took = (held * part).div_ceil(256);
                    self.with(id, |it| it.held -= took);
                    self.give(Input::Wrote(id, took));
                }
            }
            14 => {
                if let Some(id) = self.pick(choices, |it| it.is_finishing && it.held == 0) {
                    self.give(Input::Finished(id));
                }
            }
            15..=16 => {
                if let Some(id) = self.pick(choices, |_| true) {
                    let answer = answer(choices);
                    self.close(id);
                    self.give(Input::Answered(id, answer));
                }
            }
            17 => {
                if let Some(id) = self.pick(choices, |_| true) {
                    let failure = failure(choices);
                    self.close(id);
                    self.give(Input::Failed(id, failure));
                }
            }
            18 => self.stale(choices),
            _ => match choices.byte() {
                255 => self.close_all(),
                byte => {
                    let later = LATER[usize::from(byte) % LATER.len()];
                    self.pass(Duration::from_millis(later));
                }
            },
        }
    }

    fn close_all(&mut self) {
        if !self.is_closing {
            self.is_writing = false;
        }
        self.is_closing = true;
        self.give(Input::Close);
    }

    fn begin(&mut self) {
        if self.backpressure == Backpressure::Block && !self.machine.has_place() {
            return;
        }
        // Behind the close nothing begins any more; what is written all the same counts as dropped.
        self.begun += u64::from(!self.is_closing);
        self.is_writing = true;
        self.give(Input::Begin);
    }

    fn write(&mut self, size: usize) {
        if self.backpressure == Backpressure::Block && !self.machine.has_room(size) {
            return;
        }
        if self.is_writing {
            self.written += size as u64;
        }
        self.give(Input::Write(Bytes::from(vec![7; size])));
    }

    fn pick(
        &self,
        choices: &mut Choices<'_>,
        is_it: impl Fn(&Exchange) -> bool,
    ) -> Option<ExchangeId> {
        let open = self.open.iter().filter(|(_, it)| is_it(it));
        choices.one(open.map(|(id, _)| *id))
    }

    fn with(&mut self, id: ExchangeId, change: impl FnOnce(&mut Exchange)) {
        self.open.get_mut(&id).map(change);
    }

    fn close(&mut self, id: ExchangeId) {
        self.open.remove(&id);
        self.over.push(id);
    }

    /// Something about an exchange that is over.
    fn stale(&mut self, choices: &mut Choices<'_>) {
        let Some(id) = choices.one(self.over.iter().copied()) else {
            return;
        };
        self.give(match choices.below(5) {
            0 => Input::Opened(id),
            1 => Input::Wrote(id, usize::from(choices.byte())),
            2 => Input::Finished(id),
            3 => Input::Answered(id, answer(choices)),
            _ => Input::Failed(id, failure(choices)),
        });
    }

    /// Time goes on, with a call at each time that was asked for.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.wake.filter(|at| *at <= end) {
            self.now = at;
            self.give(Input::Deadline);
        }
        self.now = end;
    }

    fn give(&mut self, input: Input) {
        self.machine.handle(self.now, input);
        self.settle();
        self.check();
    }

    fn settle(&mut self) {
        for _ in 0..2000 {
            match self.machine.poll() {
                Output::WakeAt(at) => {
                    assert!(at > self.now, "it wakes in the past");
                    return self.wake = Some(at);
                }
                Output::Idle => return self.wake = None,
                output => self.take(output),
            }
        }
        panic!("the machine does not settle");
    }

    fn take(&mut self, output: Output) {
        match output {
            Output::Open(id, request) => {
                let exchange = Exchange {
                    request,
                    is_opened: false,
                    held: 0,
                    is_finishing: false,
                };
                assert!(!self.over.contains(&id), "an exchange is opened twice");
                assert!(self.open.insert(id, exchange).is_none());
            }
            Output::Write(id, bytes) => {
                let exchange = self.open.get_mut(&id).expect("only open exchanges write");
                assert!(exchange.is_opened && !exchange.is_finishing);
                assert!(matches!(exchange.request, Request::Post { .. }));
                exchange.held += bytes.len();
            }
            Output::Finish(id) => {
                let exchange = self.open.get_mut(&id).expect("only open exchanges end");
                assert!(exchange.is_opened && !exchange.is_finishing);
                exchange.is_finishing = true;
            }
            Output::Abort(id) => self.close(id),
            Output::Event(event) => self.note(event),
            Output::WakeAt(_) | Output::Idle => {}
        }
    }

    fn note(&mut self, event: Event) {
        assert!(self.end.is_none(), "an event behind the end");
        match event {
            Event::Sent { .. } => self.sent += 1,
            Event::Lost { .. } => self.lost += 1,
            Event::Ended(end) => self.end = Some(end),
            _ => {}
        }
    }

    fn check(&self) {
        let counters = self.machine.counters();
        assert_eq!(counters.segments_sent, self.sent);
        assert_eq!(counters.segments_lost, self.lost);
        assert!(
            self.sent + self.lost <= self.begun,
            "a segment has two fates"
        );
        let gone = counters.bytes_sent + counters.bytes_dropped;
        let held = self.written.checked_sub(gone);
        let held = held.expect("a byte is sent or dropped once");
        assert!(held <= BUFFER.max(LARGEST) as u64, "{held} bytes are held");
        // Two POSTs, eight unanswered ones, four closes, and one for the channel.
        assert!(self.open.len() <= 15, "{} exchanges", self.open.len());
        assert!(!self.machine.is_over() || self.open.is_empty());
    }

    /// The caller closes, and nobody answers any more.
    fn finish(&mut self) {
        self.close_all();
        self.pass(Duration::from_secs(60));
        assert!(self.machine.is_over(), "the close never ends");
        let counters = self.machine.counters();
        assert_eq!(
            counters.bytes_sent + counters.bytes_dropped,
            self.written,
            "bytes are lost without a word"
        );
        let is_finished = self.end == Some(End::Finished);
        assert!(!is_finished || self.sent + self.lost == self.begun);
    }
}

fn answer(choices: &mut Choices<'_>) -> Answer {
    Answer {
        status: choices.pick(&STATUSES),
        closed: choices.below(16) == 15,
        seq: choices.flag().then(|| choices.seq()),
        latest: choices.flag().then(|| choices.seq()),
        mime: None,
    }
}

fn failure(choices: &mut Choices<'_>) -> Failure {
    match choices.below(5) {
        0 => Failure::Unreachable(String::new()),
        1 => Failure::Broken(String::new()),
        2 => Failure::Stale,
        3 => Failure::Malformed(String::new()),
        _ => Failure::Late(Wait::Answer),
    }
}
