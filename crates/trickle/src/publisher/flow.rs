//! What it does next: exchanges that are due, and bytes that can go.

use super::{
    body::{Body, Post},
    machine::{Ask, Phase, Publisher},
    output::{End, Loss, Output, Request},
};
use crate::{
    failure::{Failure, Wait},
    wire::Seq,
};

/// Open POSTs: the present segment and the next.
const POSTS: usize = 2;
/// Segments that a channel keeps. A POST that is this far ahead of one that is not answered would take its place on the
/// server, and the other one, if it is late, would look like a publisher that begins anew.
const WINDOW: u64 = 5;
/// Bytes that a connection holds and has not taken.
const HAND_OVER: usize = 256 * 1024;
/// Requests to close lost segments at one time; further ones are left to the server's own grace.
const CLOSES: usize = 4;

impl Publisher {
    /// Does all that can be done now.
    pub(super) fn advance(&mut self) {
        if self.phase == Phase::Over {
            return;
        }
        self.feed();
        if self.closing.is_some() && self.phase != Phase::Deleting && self.is_drained() {
            self.leave();
        }
        if self.now < self.retry.until() {
            return;
        }
        match self.phase {
            Phase::Locating => self.ask_once(Request::Latest),
            Phase::Creating => self.ask_once(Request::Create),
            Phase::Deleting => self.ask_once(Request::Delete),
            Phase::Running => self.open_posts(),
            Phase::Over => {}
        }
    }

    /// Whether an exchange would be started if a pause did not forbid it.
    pub(super) fn wants_exchange(&self) -> bool {
        match self.phase {
            Phase::Locating => !self.is_asking(Request::Latest),
            Phase::Creating => !self.is_asking(Request::Create),
            Phase::Deleting => !self.is_asking(Request::Delete),
            Phase::Running => self.next_post().is_some(),
            Phase::Over => false,
        }
    }

    fn is_asking(&self, request: Request) -> bool {
        self.asks.iter().any(|ask| ask.request == request)
    }

    fn ask_once(&mut self, request: Request) {
        if !self.is_asking(request) {
            self.ask(request);
        }
    }

    fn ask(&mut self, request: Request) {
        let id = self.next_id();
        self.out.push_back(Output::Open(id, request));
        self.asks.push(Ask {
            id,
            request,
            is_opened: false,
            until: self.now + self.config.connect_time,
        });
    }

    /// Readers of a segment that will not be completed are to go on.
    pub(super) fn close_segment(&mut self, seq: Seq) {
        let closes = |ask: &&Ask| matches!(ask.request, Request::CloseSegment { .. });
        if self.asks.iter().filter(closes).count() < CLOSES && self.phase == Phase::Running {
            self.ask(Request::CloseSegment { seq });
        }
    }

    /// Which POST comes next: that of a body, or the one after them.
    fn next_post(&self) -> Option<Option<usize>> {
        let posts = self
            .bodies
            .iter()
            .filter(|body| body.post.is_some())
            .count();
        if posts + usize::from(self.spare.is_some()) >= POSTS {
            return None;
        }
        let missing = self.bodies.iter().position(|body| body.post.is_none());
        if missing == Some(0) && self.is_within_window(0) {
            return Some(Some(0));
        }
        // Preconnects wait for the present segment's connection: a server that is away is asked once, not twice.
        let front = self.bodies.front().and_then(|body| body.post.as_ref());
        if front.is_some_and(|post| post.opened.is_none()) {
            return None;
        }
        match missing {
            Some(at) => self.is_within_window(at).then_some(Some(at)),
            None if self.spare.is_none() && self.closing.is_none() => {
                self.is_within_window(self.bodies.len()).then_some(None)
            }
            None => None,
        }
    }

    /// Whether the body at this place, or the one to come, has a place on the server beside those that are not answered.
    fn is_within_window(&self, at: usize) -> bool {
        let number = self.bodies.get(at).map_or(self.next, |body| body.seq);
        let open = self.bodies.iter().filter(|body| body.post.is_some());
        let unanswered = self.awaiting.iter().map(|sent| sent.seq);
        open.map(|body| body.seq)
            .chain(unanswered)
            .all(|seq| number.get() < seq.get() + WINDOW)
    }

    fn open_posts(&mut self) {
        while let Some(place) = self.next_post() {
            let is_alone = self.awaiting.is_empty()
                && self.spare.is_none()
                && self.bodies.iter().all(|body| body.post.is_none());
            let reset = self.needs_reset && is_alone;
            let post = Post {
                id: self.next_id(),
                opened: None,
                until: self.now + self.config.connect_time,
                resets: reset,
            };
            let id = post.id;
            let seq = match place {
                Some(at) => {
                    let body = &mut self.bodies[at];
                    body.post = Some(post);
                    body.seq
                }
                None => {
                    self.spare = Some(post);
                    self.next
                }
            };
            self.out
                .push_back(Output::Open(id, Request::Post { seq, reset }));
        }
    }

    /// Hands bytes of the oldest segment to its connection.
    fn feed(&mut self) {
        let until = self.now + self.config.write_time;
        let Some(body) = self.bodies.front_mut() else {
            return;
        };
        let Some(id) = body
            .post
            .as_ref()
            .filter(|post| post.opened.is_some())
            .map(|post| post.id)
        else {
            return;
        };
        let was_still = body.flying == 0 && !body.is_finishing;
        while body.flying < HAND_OVER
            && let Some(bytes) = body.hand_over()
        {
            self.out.push_back(Output::Write(id, bytes));
        }
        if body.is_ended && body.queued == 0 && !body.is_finishing {
            body.is_finishing = true;
            self.out.push_back(Output::Finish(id));
        }
        if let Some(post) = body.post.as_mut().filter(|_| was_still) {
            post.until = until;
        }
    }

    pub(super) fn close(&mut self) {
        if self.closing.is_none() {
            self.finish();
            self.end_spare();
            self.closing = Some(self.now + self.config.drain_time);
        }
    }

    /// The POST that stands ready goes out empty behind the last segment. Where the channel stays, its number is left to
    /// whoever publishes next.
    fn end_spare(&mut self) {
        let deletes = self.config.delete;
        let ready = self.spare.take_if(|post| deletes && post.opened.is_some());
        let Some(post) = ready else {
            return self.abort_spare();
        };
        let mut body = Body::new(self.next_token(), self.next, Some(post));
        body.hollow();
        self.bodies.push_back(body);
        self.next = self.next.next();
    }

    /// Whether nothing is left that the close has to wait for.
    fn is_drained(&self) -> bool {
        // A creation that is on its way must not come after the delete.
        let is_creating = self.is_asking(Request::Create);
        self.bodies.is_empty()
            && self.awaiting.is_empty()
            && !is_creating
            && (self.config.delete || self.asks.is_empty())
    }

    /// Time is up for the close: what is not sent is lost, and what is not deleted stays.
    pub(super) fn close_late(&mut self) {
        if self.phase == Phase::Deleting {
            return self.end(End::Unreachable(Failure::Late(Wait::Answer)));
        }
        while !self.bodies.is_empty() {
            self.lose(0, Loss::Ended, false);
        }
        for sent in std::mem::take(&mut self.awaiting) {
            self.out.push_back(Output::Abort(sent.id));
            self.lose_awaiting(&sent, Loss::Ended);
        }
        self.leave();
    }

    fn leave(&mut self) {
        if !self.config.delete {
            return self.end(End::Finished);
        }
        self.abort_asks();
        self.phase = Phase::Deleting;
        self.retry.succeed();
        self.closing = Some(self.now + self.config.drain_time);
    }
}
