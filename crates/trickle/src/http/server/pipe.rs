//! Driver of one connection's bytes: what came and was not used yet, and what goes.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::outbox::{Outbox, SLICES};

/// Bytes that one read takes at most.
const READ_BYTES: usize = 64 * 1024;
/// What a connection keeps of its input buffer between requests.
const KEPT_BYTES: usize = 4 * 1024;

thread_local! {
    // Reads go through here, so that a connection that waits holds no buffer.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// One connection's bytes.
#[derive(Debug)]
pub(super) struct Pipe<S> {
    io: S,
    inbox: Vec<u8>,
    used: usize,
    ended: bool,
    flushed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Pipe<S> {
    pub(super) fn new(io: S) -> Self {
        Self {
            io,
            inbox: Vec::new(),
            used: 0,
            ended: false,
            flushed: true,
        }
    }

    /// What came and was not used yet.
    pub(super) fn inbox(&self) -> &[u8] {
        &self.inbox[self.used..]
    }

    /// Takes bytes off the front of the inbox.
    pub(super) fn consume(&mut self, count: usize) {
        self.used += count;
        if self.used == self.inbox.len() {
            self.used = 0;
            self.inbox.clear();
            self.inbox.shrink_to(KEPT_BYTES);
        }
    }

    /// Keeps bytes that came behind what was asked for.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
    }

    /// Reads once and hands the bytes over, without keeping them. At the end of the input they are none.
    pub(super) fn poll_read<T>(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Poll<io::Result<T>> {
        if self.ended {
            return Poll::Ready(Ok(take(&[])));
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
            self.ended = buffer.filled().is_empty();
            Poll::Ready(Ok(take(buffer.filled())))
        })
    }

    /// Reads once into the inbox. Returns how many bytes came.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut inbox = std::mem::take(&mut self.inbox);
        inbox.drain(..std::mem::take(&mut self.used));
        let read = self.poll_read(cx, |bytes| {
            inbox.extend_from_slice(bytes);
            bytes.len()
        });
        self.inbox = inbox;
        read
    }

    /// Sends until the outbox is empty.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
    ) -> Poll<io::Result<()>> {
        while !outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = outbox.fill(&mut slices);
            let sent = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, &slices[..count]))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.flushed = false;
            outbox.advance(sent);
        }
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.flushed = true;
        Poll::Ready(Ok(()))
    }

    /// Whether everything went, as far as this side can tell.
    pub(super) fn is_sent(&self, outbox: &Outbox) -> bool {
        self.flushed && outbox.is_empty()
    }

    /// Tells the peer that nothing more comes.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
