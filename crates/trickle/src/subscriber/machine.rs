use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use super::{
    config::{Config, Join},
    input::Input,
    output::{End, Event, GetId, Output},
};
use crate::{
    failure::{Failure, Wait},
    retry::Retry,
    wire::{Seq, Wanted},
};

/// Reads the segments of one channel in order.
#[derive(Debug)]
pub struct Subscriber {
    pub(super) config: Config,
    /// The latest time that was told.
    pub(super) now: Duration,
    /// The segment whose body is read.
    pub(super) reading: Option<Reading>,
    /// The one after it.
    pub(super) asking: Asking,
    pub(super) wanted: Wanted,
    /// The number that would follow the last one delivered, or be the first.
    pub(super) expected: Option<Seq>,
    pub(super) has_delivered: bool,
    /// The server was not reached since its last sensible answer, or never.
    pub(super) was_away: bool,
    pub(super) is_troubled: bool,
    pub(super) trouble: Retry,
    pub(super) hints: Retry,
    pub(super) absence: Retry,
    /// The channel is over once the present segment is.
    pub(super) ending: Option<End>,
    pub(super) is_over: bool,
    pub(super) out: VecDeque<Output>,
    ids: u64,
}

/// A segment whose body is read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) id: GetId,
    pub(super) ready: Ready,
    pub(super) received: u64,
    pub(super) has_begun: bool,
    pub(super) until: Duration,
}

/// What the head of a segment said.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) seq: Seq,
    pub(super) latest: Option<Seq>,
    pub(super) mime: Option<String>,
}

impl Ready {
    /// The server does not count this number as begun: closed before anyone wrote to it, or numbers went back.
    pub(super) fn is_uncounted(&self) -> bool {
        self.latest.is_some_and(|latest| latest <= self.seq)
    }
}

/// How far the next segment is.
#[derive(Debug)]
pub(super) enum Asking {
    Nothing,
    Pausing { until: Duration },
    Opening { id: GetId, until: Duration },
    Waiting { id: GetId, until: Duration },
    Ready { id: GetId, ready: Ready },
}

impl Asking {
    pub(super) fn id(&self) -> Option<GetId> {
        match self {
            Self::Nothing | Self::Pausing { .. } => None,
            Self::Opening { id, .. } | Self::Waiting { id, .. } | Self::Ready { id, .. } => {
                Some(*id)
            }
        }
    }

    fn until(&self) -> Option<Duration> {
        match self {
            Self::Nothing | Self::Ready { .. } => None,
            Self::Pausing { until } | Self::Opening { until, .. } | Self::Waiting { until, .. } => {
                Some(*until)
            }
        }
    }
}

impl Subscriber {
    /// A subscriber that joins at `now`. `seed` spreads its retries.
    #[must_use]
    pub fn new(config: Config, now: Duration, seed: u64) -> Self {
        let mut machine = Self {
            now,
            reading: None,
            asking: Asking::Nothing,
            wanted: config.join.wanted(),
            expected: match config.join {
                Join::At(seq) => Some(seq),
                Join::Live | Join::Newest => None,
            },
            has_delivered: false,
            was_away: true,
            is_troubled: false,
            trouble: Retry::new(config.retry_pause, config.retry_cap, seed),
            hints: Retry::new(config.hint_pause, config.retry_cap, seed.rotate_left(21)),
            absence: Retry::new(
                config.retry_pause,
                config.retry_pause * 2,
                seed.rotate_left(42),
            ),
            ending: None,
            is_over: false,
            out: VecDeque::new(),
            ids: 0,
            config,
        };
        machine.get();
        machine
    }

    /// Takes in what happened at `now`.
    pub fn handle(&mut self, now: Duration, input: Input) {
        if self.is_over {
            return;
        }
        self.now = self.now.max(now);
        match input {
            Input::Sent(id) => self.sent(id),
            Input::Head(id, answer) => self.head(id, answer),
            Input::Bytes(id, bytes) => self.bytes(id, bytes),
            Input::End(id) => self.body_ended(id),
            Input::Failed(id, failure) => self.failed(id, failure),
            // Only here: what has arrived while the driver was away is to be seen before anything counts as late.
            Input::Deadline => self.expire(),
        }
    }

    /// What to do next; call until `WakeAt` or `Idle`.
    pub fn poll(&mut self) -> Output {
        match (self.out.pop_front(), self.due()) {
            (Some(output), _) => output,
            (None, Some(at)) => Output::WakeAt(at),
            (None, None) => Output::Idle,
        }
    }

    /// Whether it has ended; everything that follows is ignored.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    /// Asks for what is wanted now.
    pub(super) fn get(&mut self) {
        self.ids += 1;
        let id = GetId(self.ids);
        self.asking = Asking::Opening {
            id,
            until: self.now + self.config.connect_time,
        };
        self.out.push_back(Output::Get(id, self.wanted));
    }

    /// Asks for `wanted` at a time; whatever was asked for instead is dropped.
    pub(super) fn get_at(&mut self, wanted: Wanted, until: Duration) {
        self.drop_asking();
        self.wanted = wanted;
        if until <= self.now {
            self.get();
        } else {
            self.asking = Asking::Pausing { until };
        }
    }

    pub(super) fn drop_asking(&mut self) {
        if let Some(id) = self.asking.id() {
            self.out.push_back(Output::Drop(id));
        }
        self.asking = Asking::Nothing;
    }

    /// The channel is over, once the present segment is.
    pub(super) fn finish(&mut self, end: End) {
        self.drop_asking();
        self.ending.get_or_insert(end);
        self.end_if_idle();
    }

    pub(super) fn end_if_idle(&mut self) {
        if self.reading.is_none()
            && !self.is_over
            && let Some(end) = self.ending.take()
        {
            self.is_over = true;
            self.event(Event::Ended(end));
        }
    }

    fn sent(&mut self, sent: GetId) {
        if let Asking::Opening { id, .. } = self.asking
            && id == sent
        {
            self.asking = Asking::Waiting {
                id,
                until: self.now + self.config.ask_again,
            };
        }
    }

    fn bytes(&mut self, id: GetId, bytes: Bytes) {
        let Some(reading) = self.reading.as_mut().filter(|it| it.id == id) else {
            return;
        };
        if bytes.is_empty() {
            return;
        }
        reading.until = self.now + self.config.idle_time;
        reading.received += bytes.len() as u64;
        self.begin();
        self.event(Event::Bytes(bytes));
    }

    /// Says that the present segment begins, once.
    pub(super) fn begin(&mut self) {
        let Some(reading) = self.reading.as_mut().filter(|it| !it.has_begun) else {
            return;
        };
        reading.has_begun = true;
        let (seq, mime) = (reading.ready.seq, reading.ready.mime.take());
        match self.expected {
            Some(from) if seq > from => self.event(Event::Gap { from, to: seq }),
            Some(from) if seq < from && self.has_delivered => {
                self.event(Event::Restarted { from, to: seq });
            }
            _ => {}
        }
        self.has_delivered = true;
        self.expected = Some(seq.next());
        self.hints.succeed();
        self.event(Event::Begin { seq, mime });
    }

    fn expire(&mut self) {
        if let Some(reading) = &self.reading
            && reading.until <= self.now
        {
            let id = reading.id;
            self.out.push_back(Output::Drop(id));
            self.failed(id, Failure::Late(Wait::Body));
        }
        if self.is_over || self.asking.until().is_none_or(|until| until > self.now) {
            return;
        }
        match self.asking {
            Asking::Opening { id, .. } => {
                self.out.push_back(Output::Drop(id));
                self.failed(id, Failure::Late(Wait::Connection));
            }
            Asking::Waiting { .. } => self.get_at(self.wanted, self.now),
            Asking::Pausing { .. } => self.get(),
            Asking::Nothing | Asking::Ready { .. } => {}
        }
    }

    fn due(&self) -> Option<Duration> {
        if self.is_over {
            return None;
        }
        let reading = self.reading.as_ref().map(|reading| reading.until);
        reading.into_iter().chain(self.asking.until()).min()
    }
}
