use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use super::ExchangeId;
use crate::wire::Seq;

/// What a piece costs beside its bytes, so that many small ones are bounded too.
pub(super) const PIECE_COST: usize = 64;

/// The POST of a segment.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) id: ExchangeId,
    /// When its request was sent; none while it is opening.
    pub(super) opened: Option<Duration>,
    /// By when it must have opened, or taken more of its body.
    pub(super) until: Duration,
    /// Its request says `Lp-Trickle-Reset`.
    pub(super) resets: bool,
}

/// A segment that is not all sent.
#[derive(Debug)]
pub(super) struct Body {
    /// Counts the caller's segments; the number on the wire may shift.
    pub(super) token: u64,
    pub(super) seq: Seq,
    pub(super) post: Option<Post>,
    /// Bytes that wait.
    queue: VecDeque<Bytes>,
    /// Bytes that were handed to the connection and not yet taken by it.
    flight: VecDeque<Bytes>,
    pub(super) queued: usize,
    pub(super) flying: usize,
    /// Bytes that the connection took.
    pub(super) sent: u64,
    /// No more bytes come.
    pub(super) is_ended: bool,
    /// The end was handed to the connection.
    pub(super) is_finishing: bool,
    /// It stands for a segment that was dropped, or never begun: its number goes out empty, and nothing is told of it.
    pub(super) is_husk: bool,
}

impl Body {
    pub(super) fn new(token: u64, seq: Seq, post: Option<Post>) -> Self {
        Self {
            token,
            seq,
            post,
            queue: VecDeque::new(),
            flight: VecDeque::new(),
            queued: 0,
            flying: 0,
            sent: 0,
            is_ended: false,
            is_finishing: false,
            is_husk: false,
        }
    }

    /// Bytes that it holds.
    pub(super) fn held(&self) -> usize {
        self.queued + self.flying
    }

    /// Memory that it holds, about.
    pub(super) fn cost(&self) -> usize {
        self.held() + (self.queue.len() + self.flight.len()) * PIECE_COST
    }

    /// Whether its connection may have carried something that cannot be taken back.
    pub(super) fn has_begun(&self) -> bool {
        self.sent > 0
    }

    pub(super) fn push(&mut self, bytes: Bytes) {
        self.queued += bytes.len();
        self.queue.push_back(bytes);
    }

    /// The next bytes for the connection.
    pub(super) fn hand_over(&mut self) -> Option<Bytes> {
        let bytes = self.queue.pop_front()?;
        self.queued -= bytes.len();
        self.flying += bytes.len();
        self.flight.push_back(bytes.clone());
        Some(bytes)
    }

    /// The connection took `count` bytes.
    pub(super) fn took(&mut self, mut count: usize) {
        while count > 0 {
            let Some(front) = self.flight.front_mut() else {
                return;
            };
            let part = count.min(front.len());
            let _taken = front.split_to(part);
            if front.is_empty() {
                self.flight.pop_front();
            }
            self.flying -= part;
            self.sent += part as u64;
            count -= part;
        }
    }

    /// The connection is gone and took nothing: everything waits again.
    pub(super) fn take_back(&mut self) {
        while let Some(bytes) = self.flight.pop_back() {
            self.queued += bytes.len();
            self.queue.push_front(bytes);
        }
        self.flying = 0;
        self.is_finishing = false;
    }

    /// Forgets its bytes and goes out empty.
    pub(super) fn hollow(&mut self) {
        self.queue.clear();
        self.queued = 0;
        self.is_ended = true;
        self.is_husk = true;
    }
}
