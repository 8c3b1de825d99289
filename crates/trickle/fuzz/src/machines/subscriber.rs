//! A subscriber and its server, which may answer anything: two GETs at most, events are well formed, what is missing is
//! said, and there is an end.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use framerill_trickle::failure::{Answer, Failure};
use framerill_trickle::subscriber::{Config, Event, GetId, Input, Join, Output, Subscriber};
use framerill_trickle::wire::{Seq, Wanted};

use super::STEPS;
use super::choices::Choices;

const STATUSES: [u16; 10] = [200, 200, 200, 200, 200, 400, 404, 470, 470, 503];
const LATER: [u64; 6] = [0, 1, 250, 2_000, 21_000, 61_000];

struct Get {
    wanted: Wanted,
    is_sent: bool,
    has_head: bool,
    is_read: bool,
}

struct World {
    machine: Subscriber,
    now: Duration,
    wake: Option<Duration>,
    open: BTreeMap<GetId, Get>,
    over: Vec<GetId>,
    /// The number that comes next, unless something else was said.
    expected: Option<Seq>,
    has_delivered: bool,
    present: Option<(Seq, u64)>,
    given: u64,
    delivered: u64,
    has_ended: bool,
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
        let join = match choices.below(3) {
            0 => Join::Live,
            1 => Join::Newest,
            _ => Join::At(choices.seq()),
        };
        let config = Config {
            join,
            ..Config::default()
        };
        Self {
            machine: Subscriber::new(config, Duration::ZERO, u64::from(choices.byte())),
            now: Duration::ZERO,
            wake: None,
            open: BTreeMap::new(),
            over: Vec::new(),
            expected: match join {
                Join::At(seq) => Some(seq),
                Join::Live | Join::Newest => None,
            },
            has_delivered: false,
            present: None,
            given: 0,
            delivered: 0,
            has_ended: false,
        }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(16) {
            0..=2 => {
                if let Some(id) = self.pick(choices, |it| !it.is_sent) {
                    self.with(id, |it| it.is_sent = true);
                    self.give(Input::Sent(id));
                }
            }
            3..=6 => {
                if let Some(id) = self.pick(choices, |it| it.is_sent && !it.has_head) {
                    self.with(id, |it| it.has_head = true);
                    let answer = self.answer(choices, id);
                    self.give(Input::Head(id, answer));
                }
            }
            7..=8 => {
                if let Some(id) = self.pick(choices, |it| it.is_read) {
                    let size = usize::from(choices.byte());
                    self.given += size as u64;
                    self.give(Input::Bytes(id, Bytes::from(vec![7; size])));
                }
            }
            9..=11 => {
                if let Some(id) = self.pick(choices, |it| it.is_read) {
                    self.close(id);
                    self.give(Input::End(id));
                }
            }
            12 => {
                if let Some(id) = self.pick(choices, |_| true) {
                    self.close(id);
                    self.give(Input::Failed(id, failure(choices)));
                }
            }
            13 => self.stale(choices),
            _ => {
                let later = choices.pick(&LATER);
                self.pass(Duration::from_millis(later));
            }
        }
    }

    fn pick(&self, choices: &mut Choices<'_>, is_it: impl Fn(&Get) -> bool) -> Option<GetId> {
        let open = self.open.iter().filter(|(_, it)| is_it(it));
        choices.one(open.map(|(id, _)| *id))
    }

    fn with(&mut self, id: GetId, change: impl FnOnce(&mut Get)) {
        self.open.get_mut(&id).map(change);
    }

    fn close(&mut self, id: GetId) {
        self.open.remove(&id);
        self.over.push(id);
    }

    fn stale(&mut self, choices: &mut Choices<'_>) {
        let Some(id) = choices.one(self.over.iter().copied()) else {
            return;
        };
        self.give(match choices.below(5) {
            0 => Input::Sent(id),
            1 => Input::Head(id, self.answer(choices, id)),
            2 => Input::Bytes(id, Bytes::from_static(b"stale")),
            3 => Input::End(id),
            _ => Input::Failed(id, failure(choices)),
        });
    }

    /// An answer: to the question, or just any.
    fn answer(&self, choices: &mut Choices<'_>, id: GetId) -> Answer {
        let asked = match self.open.get(&id).map(|get| get.wanted) {
            Some(Wanted::Exact(seq)) => seq,
            _ => choices.seq(),
        };
        let seq = match choices.below(8) {
            0 => None,
            1 => Some(choices.seq()),
            _ => Some(asked),
        };
        Answer {
            status: choices.pick(&STATUSES),
            closed: choices.below(16) == 15,
            seq,
            latest: choices.flag().then(|| choices.seq()),
            mime: None,
        }
    }

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
        assert!(self.open.len() <= 2, "{} GETs", self.open.len());
        assert!(!self.machine.is_over() || self.open.is_empty());
        assert!(self.delivered <= self.given);
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
            Output::Get(id, wanted) => {
                let get = Get {
                    wanted,
                    is_sent: false,
                    has_head: false,
                    is_read: false,
                };
                assert!(!self.over.contains(&id), "a GET is made twice");
                assert!(self.open.insert(id, get).is_none());
            }
            Output::Read(id) => {
                let get = self.open.get_mut(&id).expect("only open GETs are read");
                assert!(get.has_head && !get.is_read);
                get.is_read = true;
                let being_read = self.open.values().filter(|it| it.is_read).count();
                assert_eq!(being_read, 1, "two bodies at a time");
            }
            Output::Drop(id) => self.close(id),
            Output::Event(event) => self.note(event),
            Output::WakeAt(_) | Output::Idle => {}
        }
    }

    fn note(&mut self, event: Event) {
        assert!(!self.has_ended, "an event behind the end");
        match event {
            Event::Gap { from, to } => {
                assert!(self.present.is_none() && to > from);
                assert_eq!(self.expected, Some(from));
                self.expected = Some(to);
            }
            Event::Restarted { from, to } => {
                assert!(self.present.is_none() && to < from && self.has_delivered);
                assert_eq!(self.expected, Some(from));
                self.expected = Some(to);
            }
            Event::Begin { seq, .. } => {
                assert!(self.present.is_none());
                assert!(!self.has_delivered || self.expected == Some(seq));
                self.has_delivered = true;
                self.expected = Some(seq.next());
                self.present = Some((seq, 0));
            }
            Event::Bytes(bytes) => {
                assert!(!bytes.is_empty());
                self.delivered += bytes.len() as u64;
                let present = self.present.as_mut().expect("bytes belong to a segment");
                present.1 += bytes.len() as u64;
            }
            Event::End { seq, bytes, .. } => assert_eq!(self.present.take(), Some((seq, bytes))),
            Event::Ended(_) => {
                assert!(self.present.is_none(), "the end of all is in a segment");
                self.has_ended = true;
            }
            _ => {}
        }
    }

    /// The server is away for good.
    fn finish(&mut self) {
        let most = self.now + Duration::from_secs(300);
        while !self.machine.is_over() {
            assert!(self.now < most, "it tries for ever");
            match self.open.keys().next().copied() {
                Some(id) => {
                    self.close(id);
                    self.give(Input::Failed(id, Failure::Unreachable(String::new())));
                }
                None => self.pass(Duration::from_millis(100)),
            }
        }
        assert!(self.has_ended);
    }
}

fn failure(choices: &mut Choices<'_>) -> Failure {
    match choices.below(3) {
        0 => Failure::Unreachable(String::new()),
        1 => Failure::Broken(String::new()),
        _ => Failure::Stale,
    }
}
