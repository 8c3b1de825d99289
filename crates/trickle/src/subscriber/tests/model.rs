//! A channel on a server, as its readers see it, with a publisher and trouble by chance.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use framerill_sim::{Agenda, Random};

use crate::{
    failure::{Answer, Failure},
    subscriber::{Config, Event, GetId, Input, Output, Subscriber},
    wire::{Seq, Wanted},
};

/// Segments that a channel holds.
const WINDOW: u64 = 5;

/// How often things go wrong: once in so many times, or never.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Odds {
    pub(super) refused_connection: u64,
    pub(super) silent_connection: u64,
    pub(super) broken_wait: u64,
    pub(super) broken_body: u64,
    pub(super) full_server: u64,
    pub(super) skipped_number: u64,
    pub(super) publisher_restart: u64,
    pub(super) server_restart: u64,
    pub(super) empty_segment: u64,
}

/// What is to happen.
#[derive(Debug)]
pub(super) enum Tick {
    Machine(Input),
    Arrives(GetId, Wanted),
    /// The publisher does its next step.
    Publish,
    ServerIsBack,
}

#[derive(Debug, Default)]
pub(super) struct Segment {
    pub(super) seq: u64,
    pub(super) bytes: Vec<u8>,
    has_writer: bool,
    is_ended: bool,
}

#[derive(Debug)]
struct Channel {
    next: u64,
    /// Number to segment; one at most in every slot.
    window: BTreeMap<u64, usize>,
}

#[derive(Debug)]
struct Reader {
    segment: Option<usize>,
    has_head: bool,
    is_read: bool,
    is_dead: bool,
    sent: usize,
}

pub(super) struct Model {
    pub(super) machine: Subscriber,
    pub(super) agenda: Agenda<Tick>,
    pub(super) odds: Odds,
    pub(super) segments: Vec<Segment>,
    pub(super) events: Vec<Event>,
    /// Segments in the order in which they were delivered.
    pub(super) read: Vec<usize>,
    pub(super) most_open: usize,
    /// The publisher has this many steps left; then the channel is deleted.
    pub(super) steps: u32,
    pub(super) is_over_at: Option<Duration>,
    channel: Option<Channel>,
    is_down: bool,
    writing: Option<usize>,
    upcoming: u64,
    readers: BTreeMap<GetId, Reader>,
    random: Random,
    wake: Option<Duration>,
}

const LATENCY: Duration = Duration::from_millis(2);

impl Model {
    pub(super) fn new(config: Config, odds: Odds, seed: u64, steps: u32) -> Self {
        let mut model = Self {
            machine: Subscriber::new(config, Duration::ZERO, seed),
            agenda: Agenda::new(),
            odds,
            segments: Vec::new(),
            events: Vec::new(),
            read: Vec::new(),
            most_open: 0,
            steps,
            is_over_at: None,
            channel: None,
            is_down: false,
            writing: None,
            upcoming: 0,
            readers: BTreeMap::new(),
            random: Random::new(seed),
            wake: None,
        };
        model.settle();
        model
            .agenda
            .after(Duration::from_millis(500), Tick::Publish);
        model
    }

    /// The channel is there before its publisher.
    pub(super) fn create(&mut self) {
        self.channel.get_or_insert_with(|| Channel {
            next: 0,
            window: BTreeMap::new(),
        });
    }

    pub(super) fn open_count(&self) -> usize {
        self.readers.len()
    }

    /// The next thing happens, if there is one until `end`.
    pub(super) fn step(&mut self, end: Duration) -> bool {
        let next = self.agenda.next_at();
        let at = next.into_iter().chain(self.wake).min();
        let Some(at) = at.filter(|at| *at <= end) else {
            return false;
        };
        if next == Some(at) {
            match self.agenda.pop().expect("its time was just read") {
                Tick::Machine(input) => self.give(input),
                Tick::Arrives(id, wanted) => self.arrives(id, wanted),
                Tick::Publish => self.publish(),
                Tick::ServerIsBack => self.is_down = false,
            }
        } else {
            self.agenda.advance(at);
            self.give(Input::Deadline);
        }
        true
    }

    fn give(&mut self, input: Input) {
        if let Input::Failed(id, _) | Input::End(id) = &input {
            self.readers.remove(id);
            self.void(*id);
        }
        self.machine.handle(self.agenda.now(), input);
        self.settle();
    }

    fn settle(&mut self) {
        for _ in 0..10_000 {
            match self.machine.poll() {
                Output::WakeAt(at) => {
                    assert!(at > self.agenda.now(), "it wakes in the past");
                    return self.wake = Some(at);
                }
                Output::Idle => return self.wake = None,
                Output::Event(event) => self.events.push(event),
                Output::Get(id, wanted) => self.get(id, wanted),
                Output::Read(id) => self.read(id),
                Output::Drop(id) => {
                    self.readers.remove(&id);
                    self.void(id);
                }
            }
        }
        panic!("the machine does not settle");
    }

    fn void(&mut self, id: GetId) {
        self.agenda.cancel(|tick| match tick {
            Tick::Machine(
                Input::Sent(it)
                | Input::Head(it, _)
                | Input::Bytes(it, _)
                | Input::End(it)
                | Input::Failed(it, _),
            )
            | Tick::Arrives(it, _) => *it == id,
            _ => false,
        });
    }

    fn chance(&mut self, odds: u64) -> bool {
        odds > 0 && self.random.one_in(odds)
    }

    fn soon(&mut self, input: Input) {
        self.agenda.after(LATENCY, Tick::Machine(input));
    }

    fn get(&mut self, id: GetId, wanted: Wanted) {
        let reader = Reader {
            segment: None,
            has_head: false,
            is_read: false,
            is_dead: false,
            sent: 0,
        };
        assert!(self.readers.insert(id, reader).is_none());
        self.most_open = self.most_open.max(self.readers.len());
        if self.is_down || self.chance(self.odds.refused_connection) {
            return self.soon(Input::Failed(id, Failure::Unreachable("down".into())));
        }
        if self.chance(self.odds.silent_connection) {
            return;
        }
        self.soon(Input::Sent(id));
        self.agenda.after(LATENCY * 2, Tick::Arrives(id, wanted));
    }

    fn arrives(&mut self, id: GetId, wanted: Wanted) {
        if self.chance(self.odds.full_server) {
            return self.refuse(id, 503, None, None);
        }
        if self.chance(self.odds.broken_wait) {
            return self.soon(Input::Failed(id, Failure::Broken("by chance".into())));
        }
        let Some(channel) = &self.channel else {
            return self.refuse(id, 404, None, None);
        };
        let next = channel.next;
        let number = match wanted {
            Wanted::Exact(seq) => seq.get(),
            Wanted::Upcoming => next,
            Wanted::Newest => next.saturating_sub(1),
        };
        let held = channel.window.get(&number).copied();
        let may_wait = number == next || (next == 0 && number == 1);
        let segment = match held {
            Some(segment) => segment,
            None if may_wait => self.place(number),
            None => return self.refuse(id, 470, Seq::new(number), Seq::new(next)),
        };
        if let Some(reader) = self.readers.get_mut(&id) {
            reader.segment = Some(segment);
        }
        self.pump();
    }

    fn refuse(&mut self, id: GetId, status: u16, seq: Option<Seq>, latest: Option<Seq>) {
        let answer = Answer {
            status,
            seq,
            latest,
            ..Answer::default()
        };
        self.soon(Input::Head(id, answer));
    }

    /// A segment in its slot; what was there is closed and held by its readers only.
    fn place(&mut self, number: u64) -> usize {
        let at = self.segments.len();
        self.segments.push(Segment {
            seq: number,
            ..Segment::default()
        });
        if let Some(channel) = &mut self.channel {
            let slot = |it: u64| it % WINDOW;
            let evicted = channel
                .window
                .keys()
                .copied()
                .find(|it| slot(*it) == slot(number));
            if let Some(old) = evicted.and_then(|it| channel.window.remove(&it)) {
                self.segments[old].is_ended = true;
            }
            channel.window.insert(number, at);
        }
        at
    }

    fn read(&mut self, id: GetId) {
        let reader = self.readers.get_mut(&id).expect("only open GETs are read");
        assert!(reader.has_head && !reader.is_read);
        reader.is_read = true;
        self.read
            .push(reader.segment.expect("a head comes from a segment"));
        self.pump();
    }

    /// Everything that readers can get is on its way to them.
    fn pump(&mut self) {
        let ids: Vec<GetId> = self.readers.keys().copied().collect();
        for id in ids {
            self.pump_one(id);
        }
    }

    fn pump_one(&mut self, id: GetId) {
        let latest = self.channel.as_ref().map(|channel| channel.next);
        let is_closed = self.channel.is_none();
        let breaks = self.chance(self.odds.broken_body);
        let Some(reader) = self.readers.get_mut(&id).filter(|it| !it.is_dead) else {
            return;
        };
        let Some(at) = reader.segment else {
            return;
        };
        let segment = &self.segments[at];
        if !reader.has_head {
            if segment.bytes.is_empty() && !segment.is_ended {
                return;
            }
            reader.has_head = true;
            let is_empty = segment.bytes.is_empty();
            let answer = Answer {
                status: 200,
                closed: is_empty && is_closed,
                seq: Seq::new(segment.seq),
                latest: latest.and_then(Seq::new).filter(|_| is_empty),
                mime: None,
            };
            return self.soon(Input::Head(id, answer));
        }
        if !reader.is_read {
            return;
        }
        let rest = Bytes::copy_from_slice(&segment.bytes[reader.sent..]);
        let is_ended = segment.is_ended;
        if breaks && (is_ended || !rest.is_empty()) {
            reader.is_dead = true;
            let part = rest.len() / 2;
            if part > 0 {
                self.soon(Input::Bytes(id, rest.slice(..part)));
            }
            return self.soon(Input::Failed(id, Failure::Broken("by chance".into())));
        }
        reader.sent += rest.len();
        reader.is_dead = is_ended;
        if !rest.is_empty() {
            self.soon(Input::Bytes(id, rest));
        }
        if is_ended {
            self.soon(Input::End(id));
        }
    }

    /// A step in a publisher's life.
    fn publish(&mut self) {
        if self.steps == 0 {
            return self.close();
        }
        self.steps -= 1;
        if !self.is_down {
            self.publish_one();
            self.pump();
        }
        let pause = self
            .random
            .duration(Duration::ZERO..Duration::from_millis(800));
        self.agenda.after(pause, Tick::Publish);
    }

    fn publish_one(&mut self) {
        if self.chance(self.odds.server_restart) {
            return self.restart_server();
        }
        self.create();
        let next = self.channel.as_ref().map_or(0, |channel| channel.next);
        match self.writing.take() {
            None => {
                if self.chance(self.odds.publisher_restart) && next > WINDOW + 3 {
                    self.upcoming = 0;
                    self.close_waits_above(0);
                } else if self.chance(self.odds.skipped_number) {
                    self.upcoming += 1 + self.random.below(3);
                }
                let number = self.upcoming;
                self.upcoming += 1;
                let held = self.channel.as_ref().and_then(|it| it.window.get(&number));
                let at = match held.copied() {
                    Some(at) if !self.segments[at].has_writer && !self.segments[at].is_ended => at,
                    _ => self.place(number),
                };
                self.segments[at].has_writer = true;
                if let Some(channel) = &mut self.channel {
                    channel.next = number + 1;
                }
                if self.chance(self.odds.empty_segment) {
                    self.segments[at].is_ended = true;
                } else {
                    let first = format!("[{at}:{number}]");
                    self.segments[at].bytes.extend_from_slice(first.as_bytes());
                    self.writing = Some(at);
                }
            }
            Some(at) if self.random.one_in(3) => {
                self.segments[at].is_ended = true;
                self.close_skipped();
            }
            Some(at) => {
                self.segments[at].bytes.extend_from_slice(b"more of it ");
                self.writing = Some(at);
            }
        }
    }

    /// A restart of the publisher ends the waits for numbers that will not come soon.
    fn close_waits_above(&mut self, number: u64) {
        if let Some(channel) = &mut self.channel {
            channel.next = number + 1;
            for (_, at) in channel.window.range(number + 1..) {
                self.segments[*at].is_ended = true;
            }
            channel.window.retain(|it, _| *it <= number);
        }
    }

    /// A segment that is complete ends the waits in skipped ones below it.
    fn close_skipped(&mut self) {
        if let Some(channel) = &self.channel {
            for (_, at) in channel.window.range(..channel.next) {
                if !self.segments[*at].has_writer {
                    self.segments[*at].is_ended = true;
                }
            }
        }
    }

    fn restart_server(&mut self) {
        self.channel = None;
        self.writing = None;
        self.is_down = true;
        if self.random.one_in(2) {
            self.upcoming = 0;
        }
        let span = self
            .random
            .duration(Duration::from_millis(10)..Duration::from_secs(5));
        self.agenda.after(span, Tick::ServerIsBack);
        let ids: Vec<GetId> = self.readers.keys().copied().collect();
        for id in ids {
            self.void(id);
            if let Some(reader) = self.readers.get_mut(&id) {
                reader.is_dead = true;
            }
            self.soon(Input::Failed(id, Failure::Broken("restart".into())));
        }
    }

    fn close(&mut self) {
        if self.is_over_at.is_some() {
            return;
        }
        self.is_over_at = Some(self.agenda.now());
        self.is_down = false;
        if let Some(channel) = self.channel.take() {
            for at in channel.window.values() {
                self.segments[*at].is_ended = true;
            }
        }
        self.pump();
    }
}
