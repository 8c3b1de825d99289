use std::{collections::VecDeque, time::Duration};

use super::{
    body::{Body, Post},
    config::{Config, Start},
    input::Input,
    output::{Counters, End, Event, ExchangeId, Loss, Output, Request},
};
use crate::{
    failure::{Failure, Wait},
    retry::Retry,
    wire::Seq,
};

/// Writes the segments of one channel.
#[derive(Debug)]
pub struct Publisher {
    pub(super) config: Config,
    pub(super) phase: Phase,
    /// The latest time that was told.
    pub(super) now: Duration,
    /// Segments that are not all sent, oldest first. Only the first one hands out bytes.
    pub(super) bodies: VecDeque<Body>,
    /// The POST of the segment that has not begun.
    pub(super) spare: Option<Post>,
    /// The number of the segment that has not begun; counted from 0 while locating.
    pub(super) next: Seq,
    pub(super) writing: Writing,
    pub(super) awaiting: Vec<Awaiting>,
    pub(super) asks: Vec<Ask>,
    /// By when the close must be done, or the delete that ends it.
    pub(super) closing: Option<Duration>,
    pub(super) retry: Retry,
    pub(super) is_troubled: bool,
    /// When a connection last took bytes.
    pub(super) wrote_at: Duration,
    /// Numbers that the server had closed, one after the other.
    pub(super) skipped_in_a_row: u32,
    /// The channel was made and has not proved itself since.
    pub(super) was_created: bool,
    pub(super) needs_reset: bool,
    pub(super) counters: Counters,
    pub(super) out: VecDeque<Output>,
    tokens: u64,
    ids: u64,
}

/// Where the channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Locating,
    Creating,
    Running,
    Deleting,
    Over,
}

/// Where the caller's bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    Nothing,
    /// Into the body with this token.
    Into(u64),
    /// Nowhere: the segment is lost.
    Discarding,
}

/// A segment that was sent whole and is not answered.
#[derive(Debug)]
pub(super) struct Awaiting {
    pub(super) id: ExchangeId,
    pub(super) seq: Seq,
    pub(super) bytes: u64,
    pub(super) is_husk: bool,
    pub(super) until: Duration,
}

/// An exchange other than the POST of a segment.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) id: ExchangeId,
    pub(super) request: Request,
    pub(super) is_opened: bool,
    pub(super) until: Duration,
}

impl Publisher {
    /// A publisher that starts at `now`. `seed` spreads its retries.
    #[must_use]
    pub fn new(config: Config, now: Duration, seed: u64) -> Self {
        let (phase, next) = match config.start {
            Start::Upcoming => (Phase::Locating, Seq::ZERO),
            Start::At(seq) if config.create => (Phase::Creating, seq),
            Start::At(seq) => (Phase::Running, seq),
        };
        let mut machine = Self {
            phase,
            now,
            bodies: VecDeque::new(),
            spare: None,
            next,
            writing: Writing::Nothing,
            awaiting: Vec::new(),
            asks: Vec::new(),
            closing: None,
            retry: Retry::new(config.retry_pause, config.retry_cap, seed),
            is_troubled: false,
            wrote_at: now,
            skipped_in_a_row: 0,
            was_created: false,
            needs_reset: config.reset,
            counters: Counters::default(),
            out: VecDeque::new(),
            tokens: 0,
            ids: 0,
            config,
        };
        machine.advance();
        machine
    }

    /// Takes in what happened at `now`.
    pub fn handle(&mut self, now: Duration, input: Input) {
        if self.phase == Phase::Over {
            return;
        }
        self.now = self.now.max(now);
        match input {
            Input::Begin => self.begin(),
            Input::Write(bytes) => self.write(bytes),
            Input::Finish => self.finish(),
            Input::Abandon => self.abandon(),
            Input::Close => self.close(),
            Input::Opened(id) => self.opened(id),
            Input::Wrote(id, bytes) => self.wrote(id, bytes),
            Input::Finished(id) => self.finished(id),
            Input::Answered(id, answer) => self.answered(id, &answer),
            Input::Failed(id, failure) => self.failed(id, &failure),
            Input::Deadline => {}
        }
        self.expire();
        self.advance();
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
        self.phase == Phase::Over
    }

    /// What came of the segments so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    pub(super) fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    pub(super) fn next_id(&mut self) -> ExchangeId {
        self.ids += 1;
        ExchangeId(self.ids)
    }

    pub(super) fn next_token(&mut self) -> u64 {
        self.tokens += 1;
        self.tokens
    }

    /// The end, of whatever kind: nothing stays open, and what was not sent is reported.
    pub(super) fn end(&mut self, end: End) {
        if self.phase == Phase::Over {
            return;
        }
        while !self.bodies.is_empty() {
            self.lose(0, Loss::Ended, false);
        }
        for sent in std::mem::take(&mut self.awaiting) {
            self.out.push_back(Output::Abort(sent.id));
            self.lose_awaiting(&sent, Loss::Ended);
        }
        self.abort_asks();
        self.abort_spare();
        self.phase = Phase::Over;
        self.event(Event::Ended(end));
    }

    pub(super) fn abort_asks(&mut self) {
        for ask in self.asks.drain(..) {
            self.out.push_back(Output::Abort(ask.id));
        }
    }

    pub(super) fn abort_spare(&mut self) {
        if let Some(post) = self.spare.take() {
            self.out.push_back(Output::Abort(post.id));
        }
    }

    /// The exchanges whose time has come, and what they waited for.
    fn expired(&self) -> Vec<(ExchangeId, Wait)> {
        let posts = self.bodies.iter().filter_map(|it| it.post.as_ref());
        let opening = posts
            .chain(&self.spare)
            .filter(|post| post.opened.is_none())
            .map(|post| (post.id, post.until, Wait::Connection));
        let sending = self
            .stalled_at()
            .map(|(id, until)| (id, until, Wait::Progress));
        let awaiting = self
            .awaiting
            .iter()
            .map(|sent| (sent.id, sent.until, Wait::Answer));
        let asks = self.asks.iter().map(|ask| {
            let wait = if ask.is_opened {
                Wait::Answer
            } else {
                Wait::Connection
            };
            (ask.id, ask.until, wait)
        });
        opening
            .chain(sending)
            .chain(awaiting)
            .chain(asks)
            .filter(|(_, until, _)| *until <= self.now)
            .map(|(id, _, wait)| (id, wait))
            .collect()
    }

    /// By when the connection must have taken more of the segment that is being sent.
    fn stalled_at(&self) -> Option<(ExchangeId, Duration)> {
        let body = self.bodies.front()?;
        let post = body.post.as_ref().filter(|post| post.opened.is_some())?;
        (body.flying > 0 || body.is_finishing).then_some((post.id, post.until))
    }

    fn expire(&mut self) {
        for (id, wait) in self.expired() {
            if self.phase == Phase::Over {
                return;
            }
            self.out.push_back(Output::Abort(id));
            self.failed(id, &Failure::Late(wait));
        }
        let is_late = self.closing.is_some_and(|until| until <= self.now);
        if is_late && self.phase != Phase::Over {
            self.close_late();
        }
    }

    /// The next time at which something is to be done.
    fn due(&self) -> Option<Duration> {
        if self.phase == Phase::Over {
            return None;
        }
        let posts = self.bodies.iter().filter_map(|it| it.post.as_ref());
        let opening = posts
            .chain(&self.spare)
            .filter(|post| post.opened.is_none())
            .map(|post| post.until);
        let retry =
            (self.wants_exchange() && self.retry.until() > self.now).then_some(self.retry.until());
        opening
            .chain(self.stalled_at().map(|(_, until)| until))
            .chain(self.awaiting.iter().map(|sent| sent.until))
            .chain(self.asks.iter().map(|ask| ask.until))
            .chain(self.closing)
            .chain(retry)
            .min()
    }
}
