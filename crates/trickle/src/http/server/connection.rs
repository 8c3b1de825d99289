//! Driver of one connection: requests one after the other, each to its end.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite};

use super::alarm::Alarm;
use super::answer::Answer;
use super::outbox::Outbox;
use super::pipe::Pipe;
use super::seats::Seat;
use super::shared::Shared;
use super::target::{self, Action, Target};
use crate::clock::now;
use crate::relay::Caller;
use crate::relay::gate::Get;
use crate::wire::{Body, Decoded, RequestHead, Version, names};

/// One connection.
pub(super) struct Connection<S> {
    pub(super) pipe: Pipe<S>,
    pub(super) outbox: Outbox,
    pub(super) alarm: Alarm,
    pub(super) shared: Arc<Shared>,
    pub(super) peer: Option<SocketAddr>,
    seat: Seat,
    /// What was left to be sent, and since when it has been as much.
    stalled: Option<(usize, Instant)>,
}

/// What comes behind an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The next request.
    NextRequest,
    /// The end of the connection. The peer may still be sending.
    Close,
    /// Nothing: the peer is gone.
    Gone,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(io: S, shared: Arc<Shared>, peer: Option<SocketAddr>, seat: Seat) -> Self {
        Self {
            pipe: Pipe::new(io),
            outbox: Outbox::default(),
            alarm: Alarm::default(),
            shared,
            peer,
            seat,
            stalled: None,
        }
    }

    /// Serves the connection to its end.
    pub(super) async fn serve(mut self) {
        loop {
            let then = match self.request().await {
                Ok(Some(head)) => self.exchange(&head).await,
                Ok(None) => Then::Gone,
                Err(refusal) => self.answer(refusal.closing(), true).await,
            };
            match then {
                Then::NextRequest => {}
                Then::Close => return self.linger().await,
                Then::Gone => return,
            }
        }
    }

    /// The head of the next request, or nothing if the peer sends none.
    async fn request(&mut self) -> Result<Option<RequestHead>, Answer> {
        if self.pipe.inbox().is_empty() && !self.first_byte().await {
            return Ok(None);
        }
        let deadline = now() + self.shared.config.head_timeout;
        loop {
            match RequestHead::parse(self.pipe.inbox(), self.shared.config.head) {
                Ok(Some((head, size))) => {
                    self.pipe.consume(size);
                    return Ok(Some(head));
                }
                Ok(None) => {}
                Err(error) => return Err(Answer::refusal(error.status(), &error.to_string())),
            }
            match poll_fn(|cx| self.poll_line(cx, deadline)).await {
                Some(true) => {}
                Some(false) => return Ok(None),
                None => return Err(Answer::refusal(names::REQUEST_TIMEOUT, "Head too slow")),
            }
        }
    }

    /// Waits for a byte as long as there is room for connections that wait. False if the connection is over.
    async fn first_byte(&mut self) -> bool {
        if !self.seat.idle() {
            return false;
        }
        let Self { pipe, seat, .. } = self;
        let came = tokio::select! {
            biased;
            filled = poll_fn(|cx| pipe.poll_fill(cx)) => filled.is_ok_and(|count| count > 0),
            () = seat.asked_to_leave() => false,
        };
        self.seat.busy() && came
    }

    /// More of a head, up to the end of a line at least: there is nothing new to parse before. `None` if it is too slow,
    /// false if the peer is gone.
    fn poll_line(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<Option<bool>> {
        let mut seen = self.pipe.inbox().len();
        loop {
            match self.pipe.poll_fill(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Some(false)),
                Poll::Ready(Ok(_)) => {
                    let inbox = self.pipe.inbox();
                    if inbox[seen..].contains(&b'\n')
                        || inbox.len() >= self.shared.config.head.bytes
                    {
                        return Poll::Ready(Some(true));
                    }
                    seen = inbox.len();
                }
                Poll::Pending => return self.alarm.poll(cx, deadline).map(|()| None),
            }
        }
    }

    async fn exchange(&mut self, head: &RequestHead) -> Then {
        let with_body = head.method != "HEAD";
        let Target { channel, action } =
            match target::route(&self.shared.config.base_path, &head.method, &head.target) {
                Ok(target) => target,
                Err(no) => return self.reply(head, Answer::from(no)).await,
            };
        let shared = self.shared.clone();
        let hub = &shared.hub;
        let caller = Caller {
            channel: &channel,
            headers: &head.headers,
            peer: self.peer,
        };
        let done = match action {
            Action::Write { seq } => return self.post(head, &caller, &seq).await,
            Action::Read { seq } | Action::Peek { seq } => match hub.get(now(), &caller, &seq) {
                Get::Reading(reader) => return self.get(head, reader, with_body).await,
                Get::Missing { seq, latest } => {
                    return self.reply(head, Answer::missing(seq, latest)).await;
                }
                Get::Over { seq, latest } => {
                    let answer = Answer::new(names::OK)
                        .with(names::SEQ, seq)
                        .with(names::LATEST, latest);
                    return self.reply(head, answer.closed_if(true)).await;
                }
                Get::No(no) => Err(no),
            },
            Action::Next => match hub.get_next(&caller) {
                Ok((next, over)) => return self.reply(head, Answer::next(next, over)).await,
                Err(no) => Err(no),
            },
            Action::Create => {
                hub.post_channel(now(), &caller, head.headers.text(names::EXPECT_CONTENT))
            }
            Action::Delete => hub.delete_channel(now(), &caller),
            Action::Close { seq } => hub.delete_segment(&caller, &seq),
        };
        let answer = done.map_or_else(Answer::from, |()| Answer::new(names::OK));
        self.reply(head, answer).await
    }

    /// Answers a request whose body, if there is one, is of no interest: what of it is here is dropped, and if more is
    /// to come, the connection ends.
    pub(super) async fn reply(&mut self, head: &RequestHead, answer: Answer) -> Then {
        let mut body = Body::new(head.framing);
        let mut rest = self.pipe.inbox();
        let before = rest.len();
        while matches!(body.decode(&mut rest), Ok(Decoded::Data(_))) {}
        let used = before - rest.len();
        self.pipe.consume(used);
        let goes_on = body.is_ended() && self.keeps_alive(head) && !answer.closes();
        let answer = if goes_on { answer } else { answer.closing() };
        self.answer(answer, head.method != "HEAD").await
    }

    pub(super) fn keeps_alive(&self, head: &RequestHead) -> bool {
        head.keeps_alive() && !self.shared.seats.is_stopping()
    }

    /// Sends a whole answer.
    pub(super) async fn answer(&mut self, answer: Answer, with_body: bool) -> Then {
        let then = if answer.closes() {
            Then::Close
        } else {
            Then::NextRequest
        };
        self.outbox.put(&answer.into_bytes(with_body));
        match poll_fn(|cx| self.poll_send(cx)).await {
            Ok(()) => then,
            Err(Gone) => Then::Gone,
        }
    }

    /// Sends what is in the outbox. A peer that takes nothing for too long is gone.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        if let Poll::Ready(sent) = self.pipe.poll_send(cx, &mut self.outbox) {
            self.stalled = None;
            return Poll::Ready(sent.map_err(|_| Gone));
        }
        let left = self.outbox.left();
        let since = match self.stalled {
            Some((before, since)) if before == left => since,
            _ => now(),
        };
        self.stalled = Some((left, since));
        self.alarm
            .poll(cx, since + self.shared.config.write_timeout)
            .map(|()| Err(Gone))
    }

    /// Ends the connection so that the last answer is read: a socket that is closed with unread input may take back what
    /// it sent.
    async fn linger(mut self) {
        let deadline = now() + self.shared.config.linger;
        let mut shut = false;
        poll_fn(|cx| {
            loop {
                if !shut && self.pipe.poll_shutdown(cx).is_ready() {
                    shut = true;
                }
                match self.pipe.poll_read(cx, <[u8]>::len) {
                    Poll::Ready(Ok(0) | Err(_)) if shut => return Poll::Ready(()),
                    Poll::Ready(Ok(1..)) => {}
                    Poll::Ready(Ok(0) | Err(_)) | Poll::Pending => {
                        return self.alarm.poll(cx, deadline);
                    }
                }
                if now() >= deadline {
                    return Poll::Ready(());
                }
            }
        })
        .await;
    }
}

/// The peer went, or takes nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

/// Whether a peer of this version understands chunks and 1xx.
pub(super) fn is_modern(head: &RequestHead) -> bool {
    head.version == Version::Http11
}
