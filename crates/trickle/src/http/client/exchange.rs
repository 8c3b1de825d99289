//! One request and its answer on one connection. It waits for as long as it is polled: the deadlines of connecting, sending and
//! answering are the machines' (`publisher::Config`, `subscriber::Config`), which have an exchange dropped.

use std::{
    future::Future,
    io::IoSlice,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite};

use super::{
    connector::Connecting,
    outgoing::{Outgoing, SLICES},
    stream::Stream,
};
use crate::{
    clock,
    failure::Failure,
    wire::{Body, Bounds, Decoded, ResponseHead},
};

/// A buffer of which less than this is left is replaced.
const READ_LEAST: usize = 4 * 1024;
/// What one read takes at most. Pieces of a body share a buffer, so that small ones do not hold a large one each.
const READ: usize = 64 * 1024;

/// Interim answers that count as one flood when they come within [`INTERIM_WINDOW`]. A server sends one each 10 s of silence,
/// for as long as a POST waits for its first byte.
const INTERIM_MOST: u32 = 32;
const INTERIM_WINDOW: Duration = Duration::from_secs(10);

/// Pieces of an answer's rest that are read to win its connection back.
const SALVAGE: usize = 4;

/// What came of an exchange.
#[derive(Debug)]
pub(super) enum Happening {
    /// The head of the request was taken by the connection.
    Sent,
    /// So many bytes of its body were.
    Wrote(usize),
    /// All of it was.
    Finished,
    /// The head of the answer is there.
    Head(ResponseHead),
    /// Bytes of the answer's body.
    Bytes(Bytes),
    /// The answer is complete.
    End,
    /// Nothing more comes.
    Failed(Failure),
}

/// One request and its answer on one connection.
pub(super) struct Exchange {
    link: Link,
    /// The connection was kept from an earlier exchange, and has said nothing since.
    is_reused: bool,
    bounds: Bounds,
    outgoing: Outgoing,
    /// Bytes of the body that the connection took, and that were not reported.
    taken: usize,
    has_taken: bool,
    is_sent_reported: bool,
    is_finish_reported: bool,
    /// Why nothing more can be sent. An answer may still be there to be read.
    write_error: Option<String>,
    incoming: Incoming,
    interim: Interim,
    buffer: BytesMut,
}

/// The interim answers of late.
struct Interim {
    since: Instant,
    count: u32,
}

enum Link {
    Connecting(Connecting),
    Open(Stream),
    Gone,
}

enum Incoming {
    Head,
    Body {
        body: Body,
        input: Bytes,
        keeps_alive: bool,
    },
    Ended {
        keeps_alive: bool,
    },
}

impl Interim {
    fn since(now: Instant) -> Self {
        Self {
            since: now,
            count: 0,
        }
    }

    /// Counts one more.
    fn is_flood(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) >= INTERIM_WINDOW {
            *self = Self::since(now);
        }
        self.count += 1;
        self.count > INTERIM_MOST
    }
}

impl Exchange {
    /// On a connection that was kept.
    pub(super) fn reusing(stream: Stream, outgoing: Outgoing, bounds: Bounds) -> Self {
        Self {
            is_reused: true,
            ..Self::new(Link::Open(stream), outgoing, bounds)
        }
    }

    /// On a new connection.
    pub(super) fn connecting(connecting: Connecting, outgoing: Outgoing, bounds: Bounds) -> Self {
        Self::new(Link::Connecting(connecting), outgoing, bounds)
    }

    fn new(link: Link, outgoing: Outgoing, bounds: Bounds) -> Self {
        Self {
            link,
            is_reused: false,
            bounds,
            outgoing,
            taken: 0,
            has_taken: false,
            is_sent_reported: false,
            is_finish_reported: false,
            write_error: None,
            incoming: Incoming::Head,
            interim: Interim::since(clock::now()),
            buffer: BytesMut::new(),
        }
    }

    /// Another chunk of the request's body.
    pub(super) fn chunk(&mut self, bytes: Bytes) {
        self.outgoing.chunk(bytes);
    }

    /// The end of the request's body.
    pub(super) fn finish(&mut self) {
        self.outgoing.finish();
    }

    /// What comes next. The answer's body is read only if it is wanted.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, wants_body: bool) -> Poll<Happening> {
        if let Link::Connecting(connecting) = &mut self.link {
            match connecting.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(stream)) => self.link = Link::Open(stream),
                Poll::Ready(Err(error)) => {
                    return self.fail(Failure::Unreachable(error.to_string()));
                }
            }
        }
        self.write(cx);
        if self.outgoing.is_head_sent() && !self.is_sent_reported {
            self.is_sent_reported = true;
            return Poll::Ready(Happening::Sent);
        }
        if self.taken > 0 {
            return Poll::Ready(Happening::Wrote(std::mem::take(&mut self.taken)));
        }
        if self.outgoing.is_sent() && !self.is_finish_reported {
            self.is_finish_reported = true;
            return Poll::Ready(Happening::Finished);
        }
        match self.incoming {
            Incoming::Head => self.read_head(cx),
            Incoming::Body { .. } if wants_body => self.read_body(cx),
            Incoming::Body { .. } | Incoming::Ended { .. } => Poll::Pending,
        }
    }

    /// The connection, if another exchange can use it: everything was sent, and the answer is complete, or its rest is
    /// here already.
    pub(super) fn salvage(mut self, cx: &mut Context<'_>) -> Option<Stream> {
        for _ in 0..SALVAGE {
            if matches!(self.incoming, Incoming::Ended { .. }) {
                break;
            }
            match self.read_body(cx) {
                Poll::Ready(Happening::Bytes(_)) => {}
                Poll::Ready(Happening::End) => break,
                _ => return None,
            }
        }
        let is_sent = self.outgoing.is_sent() && self.write_error.is_none();
        match (self.incoming, self.link) {
            (Incoming::Ended { keeps_alive: true }, Link::Open(stream)) if is_sent => Some(stream),
            _ => None,
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) {
        let Link::Open(stream) = &mut self.link else {
            return;
        };
        while !self.outgoing.is_empty() && self.write_error.is_none() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.outgoing.slices(&mut slices);
            match Pin::new(&mut *stream).poll_write_vectored(cx, &slices[..count]) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => self.write_error = Some("it takes no more".into()),
                Poll::Ready(Ok(count)) => {
                    let body = self.outgoing.advance(count);
                    self.taken += body;
                    self.has_taken |= body > 0;
                }
                Poll::Ready(Err(error)) => self.write_error = Some(error.to_string()),
            }
        }
        if self.write_error.is_none()
            && let Poll::Ready(Err(error)) = Pin::new(stream).poll_flush(cx)
        {
            self.write_error = Some(error.to_string());
        }
    }

    fn read_head(&mut self, cx: &mut Context<'_>) -> Poll<Happening> {
        loop {
            match ResponseHead::parse(&self.buffer, self.bounds) {
                Err(error) => return self.fail(Failure::Malformed(error.to_string())),
                Ok(Some((head, size))) => {
                    let _head = self.buffer.split_to(size);
                    if (100..200).contains(&head.status) {
                        self.is_reused = false;
                        if self.interim.is_flood(clock::now()) {
                            let text = format!(
                                "more than {INTERIM_MOST} interim answers within {INTERIM_WINDOW:?}"
                            );
                            return self.fail(Failure::Malformed(text));
                        }
                        continue;
                    }
                    self.incoming = Incoming::Body {
                        body: Body::new(head.framing),
                        input: self.buffer.split().freeze(),
                        keeps_alive: head.keeps_alive(),
                    };
                    return Poll::Ready(Happening::Head(head));
                }
                Ok(None) => {}
            }
            match self.read(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => return self.break_off("it was closed".into()),
                Poll::Ready(Err(error)) => return self.break_off(error),
            }
        }
    }

    fn read_body(&mut self, cx: &mut Context<'_>) -> Poll<Happening> {
        loop {
            let Incoming::Body {
                body,
                input,
                keeps_alive,
            } = &mut self.incoming
            else {
                return Poll::Pending;
            };
            let mut rest = &input[..];
            let decoded = body.decode(&mut rest);
            let used = input.len() - rest.len();
            match decoded {
                Ok(Decoded::Data(data)) => {
                    let data = input.slice_ref(data);
                    let _used = input.split_to(used);
                    return Poll::Ready(Happening::Bytes(data));
                }
                Ok(Decoded::End) => {
                    // Bytes behind the answer belong to nobody.
                    let keeps_alive = *keeps_alive && used == input.len();
                    self.incoming = Incoming::Ended { keeps_alive };
                    return Poll::Ready(Happening::End);
                }
                Ok(Decoded::More) => {}
                Err(error) => return self.fail(Failure::Malformed(error.to_string())),
            }
            match self.read(cx) {
                Poll::Pending => {
                    self.forget_input();
                    return Poll::Pending;
                }
                Poll::Ready(Ok(true)) => {
                    let read = self.buffer.split().freeze();
                    if let Incoming::Body { input, .. } = &mut self.incoming {
                        *input = read;
                    }
                }
                Poll::Ready(Ok(false)) => return self.end_of_input(),
                Poll::Ready(Err(error)) => return self.fail(Failure::Broken(error)),
            }
        }
    }

    /// Input that is used up must not keep its buffer.
    fn forget_input(&mut self) {
        if let Incoming::Body { input, .. } = &mut self.incoming {
            *input = Bytes::new();
        }
    }

    fn end_of_input(&mut self) -> Poll<Happening> {
        let Incoming::Body { body, .. } = &mut self.incoming else {
            return Poll::Pending;
        };
        match body.end_of_input() {
            Ok(()) => {
                self.incoming = Incoming::Ended { keeps_alive: false };
                Poll::Ready(Happening::End)
            }
            Err(error) => self.fail(Failure::Broken(error.to_string())),
        }
    }

    /// Reads what is there: false at the end.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, String>> {
        let Link::Open(stream) = &mut self.link else {
            return Poll::Pending;
        };
        if self.buffer.capacity() - self.buffer.len() < READ_LEAST {
            self.buffer.reserve(READ);
        }
        let read = pin!(stream.read_buf(&mut self.buffer));
        read.poll(cx).map(|result| match result {
            Ok(count) => Ok(count > 0),
            Err(error) => Err(error.to_string()),
        })
    }

    /// The connection is gone before an answer came.
    fn break_off(&mut self, error: String) -> Poll<Happening> {
        let is_fresh = self.buffer.is_empty() && !self.has_taken;
        let failure = if self.is_reused && is_fresh {
            Failure::Stale
        } else {
            Failure::Broken(self.write_error.take().unwrap_or(error))
        };
        self.fail(failure)
    }

    fn fail(&mut self, failure: Failure) -> Poll<Happening> {
        self.link = Link::Gone;
        self.incoming = Incoming::Ended { keeps_alive: false };
        Poll::Ready(Happening::Failed(failure))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interim_answers_are_a_flood_by_their_pace_and_not_by_their_number() {
        let start = clock::now();
        let mut interim = Interim::since(start);
        for hour in 0..24 {
            for wait in 0..360 {
                let now = start + Duration::from_secs(hour * 3600 + wait * 10);
                assert!(!interim.is_flood(now));
            }
        }
        let now = start + Duration::from_secs(24 * 3600);
        let floods = (0..=INTERIM_MOST).map(|_| interim.is_flood(now));
        assert_eq!(floods.filter(|it| *it).count(), 1);
    }
}
