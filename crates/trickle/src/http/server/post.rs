//! Driver of a POST of a segment.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::answer::{Answer, CONTINUE};
use super::connection::{Connection, Then, is_modern};
use crate::clock::now;
use crate::relay::gate::{Begins, Post, PostRequest};
use crate::relay::{Append, Caller, Finish, Standing, Writer};
use crate::wire::{Body, BodyError, Decoded, RequestHead, names};

/// One body on its way in.
struct Posting {
    body: Body,
    /// When the peer is to be told that it is waited for. `None` after the first byte, and for old peers.
    ping_at: Option<Instant>,
    wrote: bool,
    /// The writer has this task's waker.
    watched: bool,
}

/// Bytes that came together.
struct Piece {
    bytes: Bytes,
    state: Result<Progress, BodyError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    GoesOn,
    Ended,
}

/// How a body ends, for the answer.
enum Outcome {
    Finished,
    Broken,
    Closed { over: bool },
    TooLarge,
    Full,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Takes a segment in and answers when it is complete, or cannot be any more.
    pub(super) async fn post(
        &mut self,
        head: &RequestHead,
        caller: &Caller<'_>,
        seq: &str,
    ) -> Then {
        let mut posting = Posting {
            body: Body::new(head.framing),
            ping_at: None,
            wrote: false,
            watched: false,
        };
        let mut piece = self.piece_at_hand(&mut posting.body);
        if is_modern(head) {
            posting.ping_at = Some(now() + self.shared.config.keepalive_interval);
        }
        let hub = self.shared.hub.clone();
        let mut invited = false;
        let post = loop {
            let request = PostRequest {
                seq,
                mime: head.headers.text(names::CONTENT_TYPE),
                reset: head
                    .headers
                    .get(names::RESET)
                    .is_some_and(|value| !value.is_empty()),
                begins: piece.begins(),
            };
            let post = hub.post(now(), caller, &request);
            let goes_on = matches!(post, Post::Writing(_) | Post::AskAgain)
                && request.begins == Begins::Later;
            if head.expects_continue() && goes_on && !std::mem::replace(&mut invited, true) {
                self.outbox.put(CONTINUE);
            }
            match post {
                Post::AskAgain => {
                    // Once the deletion is forgotten, a POST without a byte makes its channel.
                    let memory = hub.config().memory;
                    let came = poll_fn(|cx| self.poll_piece(cx, &mut posting));
                    if let Ok(came) = timeout(memory, came).await {
                        piece = came;
                    }
                }
                post => break post,
            }
        };
        let ended = posting.body.is_ended();
        match post {
            Post::Writing(writer) => self.write(head, posting, writer, piece).await,
            Post::Dropped(seq) => {
                self.end_post(head, Answer::posted(seq, DROPPED), ended)
                    .await
            }
            Post::Over(seq) => self.end_post(head, Answer::posted(seq, OVER), ended).await,
            Post::AskAgain => Then::Gone,
            Post::No(no) => self.end_post(head, Answer::from(no).closing(), ended).await,
        }
    }

    async fn write(
        &mut self,
        head: &RequestHead,
        mut posting: Posting,
        mut writer: Writer,
        first: Piece,
    ) -> Then {
        let seq = writer.seq();
        let mut piece = Some(first);
        let outcome =
            poll_fn(|cx| self.poll_write(cx, &mut posting, &mut writer, &mut piece)).await;
        let answer = match outcome {
            Outcome::Finished => Answer::posted(seq, writer.finish(now())),
            Outcome::Closed { over } => Answer::posted(seq, if over { OVER } else { DROPPED }),
            Outcome::Broken => {
                writer.abandon(now());
                Answer::refusal(names::SERVER_ERROR, "Server error").closing()
            }
            Outcome::TooLarge => {
                Answer::refusal(names::CONTENT_TOO_LARGE, "Segment too large").closing()
            }
            Outcome::Full => Answer::refusal(names::UNAVAILABLE, "Out of memory").closing(),
        };
        self.end_post(head, answer, posting.body.is_ended()).await
    }

    async fn end_post(&mut self, head: &RequestHead, answer: Answer, ended: bool) -> Then {
        let goes_on = ended && self.keeps_alive(head);
        self.answer(if goes_on { answer } else { answer.closing() }, true)
            .await
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        posting: &mut Posting,
        writer: &mut Writer,
        piece: &mut Option<Piece>,
    ) -> Poll<Outcome> {
        let mut stored = false;
        loop {
            if let Some(Piece { bytes, state }) = piece.take() {
                if !bytes.is_empty() {
                    match writer.append(now(), bytes) {
                        Append::Stored => (posting.wrote, stored) = (true, true),
                        Append::Dropped if posting.wrote => {}
                        Append::Dropped => return Poll::Ready(Outcome::Closed { over: false }),
                        Append::Over => return Poll::Ready(Outcome::Closed { over: true }),
                        Append::TooLarge => return Poll::Ready(Outcome::TooLarge),
                        Append::Full => return Poll::Ready(Outcome::Full),
                    }
                }
                match state {
                    Ok(Progress::Ended) => return Poll::Ready(Outcome::Finished),
                    Ok(Progress::GoesOn) => {}
                    Err(_) => return Poll::Ready(Outcome::Broken),
                }
            }
            match self.poll_piece(cx, posting) {
                Poll::Ready(next) => *piece = Some(next),
                // Whoever closes the segment after this byte wakes the task again.
                Poll::Pending if stored && posting.watched => return Poll::Pending,
                Poll::Pending => {
                    posting.watched = true;
                    return match writer.standing(cx.waker()) {
                        Standing::Over => Poll::Ready(Outcome::Closed { over: true }),
                        Standing::Closed if !posting.wrote => {
                            Poll::Ready(Outcome::Closed { over: false })
                        }
                        Standing::Closed | Standing::Open => Poll::Pending,
                    };
                }
            }
        }
    }

    /// What comes next of a body. Until its first byte, the peer is told now and then that it is waited for.
    fn poll_piece(&mut self, cx: &mut Context<'_>, posting: &mut Posting) -> Poll<Piece> {
        loop {
            // A peer that does not take a `100 Continue` is found out when it is answered.
            let told = self.pipe.is_sent(&self.outbox)
                || self.pipe.poll_send(cx, &mut self.outbox).is_ready();
            let Posting { body, ping_at, .. } = &mut *posting;
            let mut left = Vec::new();
            let read = self.pipe.poll_read(cx, |mut input| {
                let piece = decode(body, &mut input, true);
                left.extend_from_slice(input);
                piece
            });
            if let Poll::Ready(read) = read {
                self.pipe.keep(&left);
                let piece = read.unwrap_or_else(|_| Piece::broken());
                if piece.begins() == Begins::Later {
                    continue;
                }
                *ping_at = None;
                return Poll::Ready(piece);
            }
            let Some(at) = *ping_at else {
                return Poll::Pending;
            };
            std::task::ready!(self.alarm.poll(cx, at));
            *ping_at = Some(now() + self.shared.config.keepalive_interval);
            if told {
                self.outbox.put(CONTINUE);
            }
        }
    }

    /// What of a body came together with its head.
    fn piece_at_hand(&mut self, body: &mut Body) -> Piece {
        let mut input = self.pipe.inbox();
        let before = input.len();
        let piece = decode(body, &mut input, false);
        let used = before - input.len();
        self.pipe.consume(used);
        piece
    }

    /// Drops a body that is not asked for, if all of it is here. False if more of it is to come.
    pub(super) fn drop_body(&mut self, head: &RequestHead) -> bool {
        let mut body = Body::new(head.framing);
        matches!(self.piece_at_hand(&mut body).state, Ok(Progress::Ended))
    }
}

const DROPPED: Finish = Finish {
    empty: true,
    over: false,
};
const OVER: Finish = Finish {
    empty: true,
    over: true,
};

impl Piece {
    fn broken() -> Self {
        Self {
            bytes: Bytes::new(),
            state: Err(BodyError::Truncated),
        }
    }

    fn begins(&self) -> Begins {
        match (self.bytes.is_empty(), self.state) {
            (false, _) => Begins::Now,
            (true, Ok(Progress::GoesOn)) => Begins::Later,
            (true, _) => Begins::Never,
        }
    }
}

/// Takes all of a body off the front of the input. Data is copied once, into memory of its size. If the input was
/// `read` and is empty, it ended.
fn decode(body: &mut Body, input: &mut &[u8], read: bool) -> Piece {
    if read && input.is_empty() {
        let state = body.end_of_input().map(|()| Progress::Ended);
        return Piece {
            bytes: Bytes::new(),
            state,
        };
    }
    let mut first: &[u8] = &[];
    let mut all = Vec::new();
    let state = loop {
        match body.decode(input) {
            Ok(Decoded::Data(data)) if first.is_empty() => first = data,
            Ok(Decoded::Data(data)) => {
                if all.is_empty() {
                    all.reserve_exact(first.len() + data.len() + input.len());
                    all.extend_from_slice(first);
                }
                all.extend_from_slice(data);
            }
            Ok(Decoded::More) => break Ok(Progress::GoesOn),
            Ok(Decoded::End) => break Ok(Progress::Ended),
            Err(error) => break Err(error),
        }
    };
    if all.is_empty() {
        return Piece {
            bytes: Bytes::copy_from_slice(first),
            state,
        };
    }
    all.shrink_to_fit();
    Piece {
        bytes: Bytes::from(all),
        state,
    }
}
