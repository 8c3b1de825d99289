//! What comes of exchanges.

use std::time::Duration;

use super::{
    machine::{Awaiting, Phase, Publisher},
    output::{End, Event, ExchangeId, Loss, Output, Request},
};
use crate::{
    failure::{Answer, Failure},
    wire::{Seq, names},
};

/// A POST that was open for this long before it failed ends a row of failures.
const SETTLED: Duration = Duration::from_secs(1);
/// Numbers that may turn out closed before the next one waits: a channel's window, and some.
const SKIPS_AT_ONCE: u32 = 8;

impl Publisher {
    pub(super) fn opened(&mut self, id: ExchangeId) {
        let now = self.now;
        let mut posts = self
            .bodies
            .iter_mut()
            .filter_map(|body| body.post.as_mut())
            .chain(&mut self.spare);
        if let Some(post) = posts.find(|post| post.id == id) {
            post.opened = Some(now);
            post.until = now + self.config.write_time;
            if post.resets {
                self.needs_reset = false;
            }
        } else if let Some(ask) = self.asks.iter_mut().find(|ask| ask.id == id) {
            ask.is_opened = true;
            ask.until = now + self.config.answer_time;
        }
    }

    pub(super) fn wrote(&mut self, id: ExchangeId, bytes: usize) {
        let until = self.now + self.config.write_time;
        let Some(at) = self.body_of(id) else {
            return;
        };
        let body = &mut self.bodies[at];
        let before = body.sent;
        body.took(bytes);
        self.counters.bytes_sent += body.sent - before;
        self.wrote_at = self.now;
        if let Some(post) = &mut body.post {
            post.until = until;
        }
    }

    pub(super) fn finished(&mut self, id: ExchangeId) {
        let Some(at) = self.body_of(id) else {
            return;
        };
        if let Some(body) = self.bodies.remove(at) {
            self.awaiting.push(Awaiting {
                id,
                seq: body.seq,
                bytes: body.sent,
                is_husk: body.is_husk,
                until: self.now + self.config.answer_time,
            });
        }
    }

    pub(super) fn answered(&mut self, id: ExchangeId, answer: &Answer) {
        if let Some(at) = self.asks.iter().position(|ask| ask.id == id) {
            let request = self.asks.remove(at).request;
            self.ask_answered(request, answer);
        } else if let Some(at) = self.awaiting.iter().position(|sent| sent.id == id) {
            let sent = self.awaiting.remove(at);
            self.segment_answered(&sent, answer);
        } else if let Some(at) = self.body_of(id) {
            self.body_answered(at, answer);
        } else if self.spare.as_ref().is_some_and(|post| post.id == id) {
            self.spare = None;
            if answer.is_success() && !answer.closed {
                let seq = self.next;
                self.next = seq.next();
                self.skipped(seq);
            } else {
                self.unsuccessful(answer, false);
            }
        }
    }

    pub(super) fn failed(&mut self, id: ExchangeId, failure: &Failure) {
        if let Some(at) = self.asks.iter().position(|ask| ask.id == id) {
            let request = self.asks.remove(at).request;
            self.ask_failed(request, failure);
        } else if let Some(at) = self.awaiting.iter().position(|sent| sent.id == id) {
            let sent = self.awaiting.remove(at);
            self.lose_awaiting(&sent, Loss::Failed(failure.clone()));
            self.needs_reset = true;
            self.close_segment(sent.seq);
            self.try_failed(failure);
        } else if let Some(at) = self.body_of(id) {
            let body = &mut self.bodies[at];
            let opened = body.post.take().and_then(|post| post.opened);
            if body.has_begun() {
                self.lose(at, Loss::Failed(failure.clone()), true);
            } else if body.is_husk {
                self.bodies.remove(at);
            } else {
                body.take_back();
            }
            self.post_failed(opened, failure);
        } else if let Some(post) = self.spare.take_if(|post| post.id == id) {
            self.post_failed(post.opened, failure);
        }
    }

    fn body_of(&self, id: ExchangeId) -> Option<usize> {
        self.bodies
            .iter()
            .position(|body| body.post.as_ref().is_some_and(|post| post.id == id))
    }

    /// The answer to a segment that was sent whole.
    fn segment_answered(&mut self, sent: &Awaiting, answer: &Answer) {
        if answer.is_success() && !answer.closed {
            if !sent.is_husk {
                self.counters.segments_sent += 1;
                self.event(Event::Sent {
                    seq: sent.seq,
                    bytes: sent.bytes,
                });
            }
            self.skipped_in_a_row = 0;
            self.was_created = false;
            self.succeeded();
            return;
        }
        let why = if answer.is_success() {
            Loss::CutByServer
        } else {
            Loss::Failed(Failure::Refused(answer.status))
        };
        self.lose_awaiting(sent, why);
        self.unsuccessful(answer, true);
    }

    /// An answer that came before the segment was sent whole.
    fn body_answered(&mut self, at: usize, answer: &Answer) {
        let body = &mut self.bodies[at];
        body.post = None;
        let has_begun = body.has_begun();
        match (has_begun, answer.is_success()) {
            (true, true) => self.lose(at, Loss::CutByServer, false),
            (true, false) => {
                let why = Loss::Failed(Failure::Refused(answer.status));
                self.lose(at, why, false);
            }
            (false, true) if !answer.closed => return self.move_on(at),
            (false, _) => body.take_back(),
        }
        if answer.closed || !answer.is_success() {
            self.unsuccessful(answer, has_begun);
        }
    }

    /// The number of a segment is spent before a byte of it left: it and all behind it move to the next POST.
    fn move_on(&mut self, at: usize) {
        let spent = self.bodies[at].seq;
        if self.bodies[at].is_husk {
            self.bodies.remove(at);
            return;
        }
        self.bodies[at].take_back();
        for later in at + 1..self.bodies.len() {
            let (seq, post) = (self.bodies[later].seq, self.bodies[later].post.take());
            (self.bodies[later - 1].seq, self.bodies[later - 1].post) = (seq, post);
        }
        if let Some(last) = self.bodies.back_mut() {
            last.seq = self.next;
            last.post = self.spare.take();
        }
        self.next = self.next.next();
        self.skipped(spent);
    }

    fn skipped(&mut self, seq: Seq) {
        self.event(Event::Skipped { seq });
        self.skipped_in_a_row += 1;
        if self.skipped_in_a_row > SKIPS_AT_ONCE {
            self.retry.fail(self.now);
        }
    }

    /// What an answer other than a plain success means for the channel. `has_begun`: it may concern that segment only.
    fn unsuccessful(&mut self, answer: &Answer, has_begun: bool) {
        if answer.closed {
            self.end(End::Closed);
        } else if answer.status == names::NOT_FOUND {
            self.channel_is_missing();
        } else if answer.is_passing() {
            self.try_failed(&Failure::Refused(answer.status));
        } else if !has_begun {
            self.end(End::Refused(answer.status));
        }
    }

    fn channel_is_missing(&mut self) {
        if self.phase != Phase::Running {
            return;
        }
        if !self.config.create {
            return self.end(End::NotFound);
        }
        self.phase = Phase::Creating;
        for body in self.bodies.iter_mut().filter(|body| !body.has_begun()) {
            if let Some(post) = body.post.take() {
                self.out.push_back(Output::Abort(post.id));
                body.take_back();
            }
        }
        self.bodies
            .retain(|body| !body.is_husk || body.post.is_some());
        self.abort_spare();
        if self.was_created {
            self.try_failed(&Failure::Refused(names::NOT_FOUND));
        }
    }

    fn ask_answered(&mut self, request: Request, answer: &Answer) {
        match request {
            Request::CloseSegment { .. } | Request::Post { .. } => {}
            _ if answer.closed && request != Request::Delete => self.end(End::Closed),
            _ if answer.is_passing() => self.ask_failed(request, &Failure::Refused(answer.status)),
            // A server without `next`, or without the channel: the POST will tell.
            Request::Latest if answer.is_success() || matches!(answer.status, 404 | 405) => {
                self.located(answer.latest.unwrap_or_default());
            }
            Request::Create if answer.is_success() => {
                self.phase = Phase::Running;
                self.was_created = true;
                self.event(Event::Created);
                self.succeeded();
            }
            Request::Create if answer.status == names::NOT_FOUND => self.end(End::NotFound),
            Request::Delete
                if answer.is_success()
                    || matches!(answer.status, names::NOT_FOUND | names::BAD_REQUEST) =>
            {
                self.end(End::Finished);
            }
            _ => self.end(End::Refused(answer.status)),
        }
    }

    /// Numbers so far were counted from 0; they begin here.
    fn located(&mut self, first: Seq) {
        let moved = |seq: Seq| Seq::new(first.get() + seq.get()).unwrap_or(Seq::MAX);
        self.next = moved(self.next);
        for body in &mut self.bodies {
            body.seq = moved(body.seq);
        }
        self.phase = if self.config.create {
            Phase::Creating
        } else {
            Phase::Running
        };
        self.succeeded();
    }

    fn ask_failed(&mut self, request: Request, failure: &Failure) {
        match (request, failure) {
            (Request::CloseSegment { .. } | Request::Post { .. }, _) => {}
            (Request::Delete, Failure::Unreachable(_)) => {
                self.end(End::Unreachable(failure.clone()));
            }
            _ => self.try_failed(failure),
        }
    }

    fn post_failed(&mut self, opened: Option<Duration>, failure: &Failure) {
        if opened.is_some_and(|at| self.now.saturating_sub(at) >= SETTLED) {
            self.retry.succeed();
        }
        self.try_failed(failure);
    }

    fn try_failed(&mut self, failure: &Failure) {
        self.counters.failures += 1;
        if *failure == Failure::Stale {
            return;
        }
        self.retry.fail(self.now);
        if !self.is_troubled {
            self.is_troubled = true;
            self.event(Event::Trouble(failure.clone()));
        }
        let still = self.now.saturating_sub(self.wrote_at);
        if self.retry.lasts(self.now).min(still) >= self.config.give_up {
            self.end(End::Unreachable(failure.clone()));
        }
    }

    fn succeeded(&mut self) {
        self.is_troubled = false;
        self.retry.succeed();
    }

    pub(super) fn lose_awaiting(&mut self, sent: &Awaiting, why: Loss) {
        if sent.is_husk {
            return;
        }
        self.counters.segments_lost += 1;
        self.event(Event::Lost {
            seq: sent.seq,
            sent: sent.bytes,
            dropped: 0,
            why,
        });
    }
}
