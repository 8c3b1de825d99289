//! Driver of a GET or HEAD of a segment.

use std::future::poll_fn;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::{Answer, segment_head};
use super::connection::{Connection, Gone, Then, is_modern};
use super::outbox::Style;
use crate::clock::now;
use crate::relay::{ReadStep, Reader};
use crate::wire::{RequestHead, names};

/// Bytes that are sent in one batch.
const BATCH_BYTES: usize = 256 * 1024;

/// One answer with a segment's bytes.
struct Reading {
    reader: Reader,
    style: Style,
    with_body: bool,
    keeps_alive: bool,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No byte yet, and no head.
    Waiting,
    /// The head went.
    Body,
    /// The end went.
    Done(Then),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Answers with a segment, from its first byte to its end.
    pub(super) async fn get(
        &mut self,
        head: &RequestHead,
        reader: Reader,
        with_body: bool,
    ) -> Then {
        if !self.drop_body(head) {
            let answer = Answer::refusal(names::BAD_REQUEST, "Body unexpected").closing();
            return self.answer(answer, with_body).await;
        }
        let style = if is_modern(head) {
            Style::Chunked
        } else {
            Style::UntilClose
        };
        let keeps_alive = self.keeps_alive(head) && style == Style::Chunked;
        let stage = Stage::Waiting;
        let mut reading = Reading {
            reader,
            style,
            with_body,
            keeps_alive,
            stage,
        };
        poll_fn(|cx| self.poll_get(cx, &mut reading))
            .await
            .unwrap_or(Then::Gone)
    }

    fn poll_get(
        &mut self,
        cx: &mut Context<'_>,
        reading: &mut Reading,
    ) -> Poll<Result<Then, Gone>> {
        loop {
            if !self.pipe.is_sent(&self.outbox) {
                std::task::ready!(self.poll_send(cx))?;
            }
            if let Stage::Done(then) = reading.stage {
                return Poll::Ready(Ok(then));
            }
            let max_bytes = if reading.with_body { BATCH_BYTES } else { 0 };
            match reading
                .reader
                .read(now(), cx.waker(), max_bytes, self.outbox.body())
            {
                ReadStep::Bytes { end } => self.put_bytes(reading, end),
                ReadStep::End => self.put_end(reading),
                ReadStep::Wait => return self.poll_peer(cx),
            }
        }
    }

    fn put_bytes(&mut self, reading: &mut Reading, end: bool) {
        if reading.stage == Stage::Waiting {
            let framing = match (reading.with_body, reading.style, reading.keeps_alive) {
                (false, _, true) => "",
                (true, Style::Chunked, true) => "Transfer-Encoding: chunked\r\n",
                (true, Style::Chunked, false) => {
                    "Connection: close\r\nTransfer-Encoding: chunked\r\n"
                }
                (true, Style::UntilClose, _) | (false, _, false) => "Connection: close\r\n",
            };
            self.outbox
                .put(&segment_head(&reading.reader.head(), framing));
            reading.stage = Stage::Body;
        }
        if reading.with_body {
            self.outbox.seal(reading.style, end);
        }
        if end || !reading.with_body {
            reading.stage = Stage::Done(reading.then());
        }
    }

    fn put_end(&mut self, reading: &mut Reading) {
        if reading.stage == Stage::Waiting {
            let answer = Answer::empty_segment(&reading.reader.head());
            let answer = if reading.keeps_alive {
                answer
            } else {
                answer.closing()
            };
            self.outbox.put(&answer.into_bytes(reading.with_body));
        } else {
            self.outbox.seal(reading.style, true);
        }
        reading.stage = Stage::Done(reading.then());
    }

    /// While a reader waits, its peer is watched: who goes is let go at once, and what it sends is kept for later.
    fn poll_peer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Then, Gone>> {
        while self.pipe.inbox().len() < self.shared.config.head.bytes {
            match std::task::ready!(self.pipe.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Poll::Ready(Err(Gone)),
            }
        }
        Poll::Pending
    }
}

impl Reading {
    fn then(&self) -> Then {
        if self.keeps_alive {
            Then::NextRequest
        } else {
            Then::Close
        }
    }
}
