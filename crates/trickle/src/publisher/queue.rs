//! What the caller does, and what gives way to it.

use bytes::Bytes;

use super::{
    body::{Body, PIECE_COST},
    config::Backpressure,
    machine::{Publisher, Writing},
    output::{Event, Loss, Output},
};

impl Publisher {
    /// Whether a write of so many bytes fits. With nothing waiting, any size does.
    #[must_use]
    pub fn has_room(&self, bytes: usize) -> bool {
        let cost: usize = self.bodies.iter().map(Body::cost).sum();
        cost == 0
            || self.writing == Writing::Discarding
            || cost + bytes + PIECE_COST <= self.config.buffer_bytes
    }

    /// Whether another segment may begin without one giving way.
    #[must_use]
    pub fn has_place(&self) -> bool {
        let waiting = self.bodies.iter().filter(|body| !body.is_husk).count();
        waiting < self.config.buffer_segments.max(2)
    }

    pub(super) fn begin(&mut self) {
        self.finish();
        if self.closing.is_some() {
            self.writing = Writing::Discarding;
            return;
        }
        let policy = self.config.backpressure;
        if policy == Backpressure::LatestOnly {
            let is_superseded = |it: &Body| !it.has_begun() && !it.is_husk && it.held() > 0;
            while let Some(at) = self.bodies.iter().position(is_superseded) {
                self.drop_whole(at, Loss::Superseded);
            }
        }
        if !self.has_place() {
            match policy {
                Backpressure::Block => {}
                Backpressure::DropOldest | Backpressure::LatestOnly => {
                    self.drop_oldest(None);
                }
                Backpressure::DropNewest => return self.drop_before_it_begins(),
            }
        }
        let token = self.next_token();
        let post = self.spare.take();
        self.bodies.push_back(Body::new(token, self.next, post));
        self.next = self.next.next();
        self.writing = Writing::Into(token);
    }

    pub(super) fn write(&mut self, bytes: Bytes) {
        let token = match self.writing {
            Writing::Into(token) if !bytes.is_empty() => token,
            Writing::Discarding => {
                self.counters.bytes_dropped += bytes.len() as u64;
                return;
            }
            _ => return,
        };
        while !self.has_room(bytes.len()) {
            let made_room = match self.config.backpressure {
                Backpressure::Block => break,
                Backpressure::DropNewest => false,
                Backpressure::DropOldest | Backpressure::LatestOnly => {
                    self.drop_oldest(Some(token))
                }
            };
            if !made_room {
                self.counters.bytes_dropped += bytes.len() as u64;
                return self.cut(token, Loss::Overflow);
            }
        }
        if let Some(body) = self.bodies.iter_mut().find(|it| it.token == token) {
            body.push(bytes);
        }
    }

    pub(super) fn finish(&mut self) {
        if let Writing::Into(token) = self.writing
            && let Some(body) = self.bodies.iter_mut().find(|it| it.token == token)
        {
            body.is_ended = true;
        }
        self.writing = Writing::Nothing;
    }

    pub(super) fn abandon(&mut self) {
        if let Writing::Into(token) = self.writing {
            self.cut(token, Loss::Abandoned);
        }
        self.writing = Writing::Nothing;
    }

    /// Gives up the segment with this token.
    fn cut(&mut self, token: u64, why: Loss) {
        let Some(at) = self.bodies.iter().position(|it| it.token == token) else {
            return;
        };
        if self.bodies[at].has_begun() {
            self.lose(at, why, true);
        } else {
            self.drop_whole(at, why);
        }
    }

    /// The oldest segment gives way, but for the one with this token: one that has not begun on the wire if there is one.
    fn drop_oldest(&mut self, but: Option<u64>) -> bool {
        let gives = |it: &Body| !it.is_husk && Some(it.token) != but;
        let unsent = self
            .bodies
            .iter()
            .position(|it| gives(it) && !it.has_begun());
        if let Some(at) = unsent {
            self.drop_whole(at, Loss::Overflow);
        } else if self.bodies.front().is_some_and(gives) {
            self.lose(0, Loss::Overflow, true);
        } else {
            return false;
        }
        true
    }

    /// A segment that finds no place: only its number is spent.
    fn drop_before_it_begins(&mut self) {
        let seq = self.next;
        if let Some(post) = self.spare.take() {
            self.out.push_back(Output::Abort(post.id));
            self.close_segment(seq);
        }
        self.next = seq.next();
        self.writing = Writing::Discarding;
        self.counters.segments_lost += 1;
        self.event(Event::Lost {
            seq,
            sent: 0,
            dropped: 0,
            why: Loss::Overflow,
        });
    }

    /// Drops a segment that has not begun on the wire. Where its POST stands ready the number goes out empty, so that
    /// readers see it pass.
    fn drop_whole(&mut self, at: usize, why: Loss) {
        let body = &self.bodies[at];
        let is_ready = body.post.as_ref().is_some_and(|it| it.opened.is_some());
        if !is_ready || body.flying > 0 || body.is_finishing {
            let was_asked = body.post.is_some();
            return self.lose(at, why, was_asked);
        }
        self.report_loss(at, why);
        self.bodies[at].hollow();
    }

    /// Takes a segment out. `close` tells the server, so that readers do not wait for the rest.
    pub(super) fn lose(&mut self, at: usize, why: Loss, close: bool) {
        self.report_loss(at, why);
        let Some(body) = self.bodies.remove(at) else {
            return;
        };
        if let Some(post) = body.post {
            self.out.push_back(Output::Abort(post.id));
        }
        self.needs_reset = true;
        if close {
            self.close_segment(body.seq);
        }
    }

    fn report_loss(&mut self, at: usize, why: Loss) {
        let body = &self.bodies[at];
        if self.writing == Writing::Into(body.token) {
            self.writing = Writing::Discarding;
        }
        if body.is_husk {
            return;
        }
        let dropped = body.held() as u64;
        self.counters.segments_lost += 1;
        self.counters.bytes_dropped += dropped;
        let (seq, sent) = (body.seq, body.sent);
        self.event(Event::Lost {
            seq,
            sent,
            dropped,
            why,
        });
    }
}
