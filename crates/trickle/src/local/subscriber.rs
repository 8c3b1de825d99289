//! A subscriber in the same process.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::clock::now;
use crate::relay::channel::Attach;
use crate::relay::{Hub, ReadHead, ReadStep, Reader};
use crate::wire::{Seq, Wanted};

/// Bytes that one step hands out at most.
const STEP_BYTES: usize = 256 * 1024;

/// Reads the segments of one channel, each after the other, from the live edge on.
pub struct Subscriber {
    hub: Hub,
    channel: Arc<str>,
    position: Wanted,
}

/// Why there is no next segment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no such channel, or not any more.
    #[error("there is no channel `{channel}`")]
    NoChannel {
        /// The channel.
        channel: Arc<str>,
    },
    /// The channel ended while it was waited for.
    #[error("the channel `{channel}` is over")]
    Over {
        /// The channel.
        channel: Arc<str>,
    },
    /// The segment left the window, or is too far ahead.
    #[error("the channel `{channel}` has no segment {seq}; the one to wait for is {latest}")]
    Missing {
        /// The channel.
        channel: Arc<str>,
        /// The segment.
        seq: Seq,
        /// A number that can be waited for.
        latest: Seq,
    },
    /// The channel has as many readers as it may have.
    #[error("the channel `{channel}` has too many readers")]
    TooMany {
        /// The channel.
        channel: Arc<str>,
    },
}

impl Subscriber {
    /// A subscriber of a channel.
    pub fn new(hub: Hub, channel: &str) -> Self {
        Self {
            hub,
            channel: channel.into(),
            position: Wanted::Upcoming,
        }
    }

    /// What is read next.
    pub fn position(&self) -> Wanted {
        self.position
    }

    /// Goes on elsewhere.
    pub fn seek(&mut self, position: Wanted) {
        self.position = position;
    }

    /// Waits until the segment has begun, or ended without a byte, and goes on to the one after it.
    pub async fn read(&mut self) -> Result<SegmentReader, ReadError> {
        let channel = || self.channel.clone();
        let cell = self
            .hub
            .find(&self.channel)
            .ok_or_else(|| ReadError::NoChannel { channel: channel() })?;
        let mut reader = match cell.with_due(|state| state.attach(now(), self.position)) {
            Attach::Reading(key) => Reader::new(cell, key),
            Attach::Missing { seq, latest } => {
                return Err(ReadError::Missing {
                    channel: channel(),
                    seq,
                    latest,
                });
            }
            Attach::Over { .. } => return Err(ReadError::Over { channel: channel() }),
            Attach::TooMany => return Err(ReadError::TooMany { channel: channel() }),
        };
        poll_fn(
            |cx| match reader.read(now(), cx.waker(), 0, &mut Vec::new()) {
                ReadStep::Wait => Poll::Pending,
                ReadStep::Bytes { .. } | ReadStep::End => Poll::Ready(()),
            },
        )
        .await;
        let head = reader.head();
        if head.over {
            return Err(ReadError::Over { channel: channel() });
        }
        self.position = Wanted::Exact(head.seq.next());
        Ok(SegmentReader {
            reader,
            head,
            chunks: Vec::new(),
        })
    }
}

/// One segment that is being read.
pub struct SegmentReader {
    reader: Reader,
    head: ReadHead,
    // In reverse order.
    chunks: Vec<Bytes>,
}

impl SegmentReader {
    /// Number of the segment.
    pub fn seq(&self) -> Seq {
        self.head.seq
    }

    /// The number after the newest segment that had begun when this one was asked for. `None` if it was waited for.
    pub fn latest(&self) -> Option<Seq> {
        self.head.latest
    }

    /// MIME type of the channel. `None` also if the segment has no bytes.
    pub fn mime(&self) -> Option<&str> {
        self.head.mime.as_deref()
    }

    /// The next bytes, as soon as there are some. `None` at the end of the segment.
    pub async fn chunk(&mut self) -> Option<Bytes> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// [`SegmentReader::chunk`] for who polls.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.chunks.is_empty() {
            match self
                .reader
                .read(now(), cx.waker(), STEP_BYTES, &mut self.chunks)
            {
                ReadStep::Wait => return Poll::Pending,
                ReadStep::End => return Poll::Ready(None),
                ReadStep::Bytes { .. } => self.chunks.reverse(),
            }
        }
        Poll::Ready(self.chunks.pop())
    }

    /// All bytes that are still to come.
    pub async fn to_end(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await {
            all.extend_from_slice(&chunk);
        }
        all
    }
}
