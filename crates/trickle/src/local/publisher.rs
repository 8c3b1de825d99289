//! A publisher in the same process.

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::clock::now;
use crate::relay::channel::Open;
use crate::relay::{Append, CreateError, Hub, Writer};
use crate::wire::{Seq, Wanted};

/// Bytes that one read from a source takes at most.
const READ_BYTES: usize = 32 * 1024;

/// Writes the segments of one channel, each after the other, from number 0 on.
pub struct Publisher {
    hub: Hub,
    channel: Arc<str>,
    mime: Option<Arc<str>>,
    seq: Seq,
    prepared: Option<Writer>,
}

/// Why a segment cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// There is no such channel, and publishers do not make them here.
    #[error("there is no channel `{channel}`")]
    NoChannel {
        /// The channel.
        channel: Arc<str>,
    },
    /// The channel cannot be made.
    #[error("cannot create the channel `{channel}`")]
    Create {
        /// The channel.
        channel: Arc<str>,
        /// The reason.
        source: CreateError,
    },
    /// Somebody else wrote or closed the segment.
    #[error("segment {seq} of `{channel}` is taken")]
    Taken {
        /// The channel.
        channel: Arc<str>,
        /// The segment.
        seq: Seq,
    },
    /// The channel is over.
    #[error("the channel `{channel}` is over")]
    Over {
        /// The channel.
        channel: Arc<str>,
    },
    /// A bound of the hub is reached; see [`crate::relay::Limits`].
    #[error("segment {seq} of `{channel}` is beyond a limit")]
    Limit {
        /// The channel.
        channel: Arc<str>,
        /// The segment.
        seq: Seq,
    },
    /// The source failed. The segment ends with what came before.
    #[error("the source of segment {seq} of `{channel}` failed")]
    Source {
        /// The channel.
        channel: Arc<str>,
        /// The segment.
        seq: Seq,
        /// The failure.
        source: std::io::Error,
    },
}

impl Publisher {
    /// A publisher of a channel, which need not exist yet.
    pub fn new(hub: Hub, channel: &str, mime: Option<&str>) -> Self {
        Self {
            hub,
            channel: channel.into(),
            mime: mime.map(Into::into),
            seq: Seq::ZERO,
            prepared: None,
        }
    }

    /// Makes the channel, whether or not others may. One that exists is left as it is.
    pub fn create(&self) -> Result<(), WriteError> {
        let created = self.hub.create(now(), &self.channel, self.mime.as_deref());
        created.map_err(|source| WriteError::Create {
            channel: self.channel.clone(),
            source,
        })
    }

    /// Number of the segment that is opened next.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Opens the next segment, and prepares the one after it, so that readers can wait there.
    pub fn segment(&mut self) -> Result<SegmentWriter, WriteError> {
        let writer = match self.prepared.take() {
            Some(writer) => writer,
            None => self.open(self.seq)?,
        };
        let seq = self.seq;
        self.seq = seq.next();
        if seq < self.seq {
            self.prepared = Some(self.open(self.seq)?);
        }
        Ok(SegmentWriter {
            writer: Some(writer),
            channel: self.channel.clone(),
        })
    }

    /// Writes one segment from a source, to its end. Returns its number. If the source fails, the segment ends there,
    /// and the next one can be written.
    pub async fn write(&mut self, mut source: impl AsyncRead + Unpin) -> Result<Seq, WriteError> {
        let mut segment = self.segment()?;
        let seq = segment.seq();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match source.read(&mut buffer).await {
                Ok(0) => break,
                Ok(count) => segment.write(Bytes::copy_from_slice(&buffer[..count]))?,
                Err(source) => {
                    return Err(WriteError::Source {
                        channel: self.channel.clone(),
                        seq,
                        source,
                    });
                }
            }
        }
        segment.finish();
        Ok(seq)
    }

    /// Closes the channel and forgets it. False if there is none.
    pub fn close(self) -> bool {
        self.hub.delete(now(), &self.channel)
    }

    fn open(&self, seq: Seq) -> Result<Writer, WriteError> {
        let channel = || self.channel.clone();
        let cell = match self.hub.find(&self.channel) {
            Some(cell) => cell,
            None if self.hub.config().autocreate => self
                .hub
                .find_or_create(now(), &self.channel, self.mime.as_deref())
                .map_err(|source| WriteError::Create {
                    channel: channel(),
                    source,
                })?,
            None => return Err(WriteError::NoChannel { channel: channel() }),
        };
        match cell.with_due(|state| state.open_fresh(now(), Wanted::Exact(seq))) {
            Open::Writing { writer, seq } => Ok(Writer::new(cell, writer, seq)),
            Open::Dropped(seq) => Err(WriteError::Taken {
                channel: channel(),
                seq,
            }),
            Open::Over(_) => Err(WriteError::Over { channel: channel() }),
            Open::NoNumber | Open::TooMany => Err(WriteError::Limit {
                channel: channel(),
                seq,
            }),
        }
    }
}

/// One segment that is being written. Dropping it ends the segment, as [`SegmentWriter::finish`] does.
pub struct SegmentWriter {
    writer: Option<Writer>,
    channel: Arc<str>,
}

impl SegmentWriter {
    /// Number of the segment.
    pub fn seq(&self) -> Seq {
        self.writer.as_ref().map_or(Seq::ZERO, Writer::seq)
    }

    /// Appends bytes, which readers have at once. They are not copied.
    pub fn write(&mut self, bytes: Bytes) -> Result<(), WriteError> {
        let (channel, seq) = (self.channel.clone(), self.seq());
        let Some(writer) = &mut self.writer else {
            return Err(WriteError::Over { channel });
        };
        match writer.append(now(), bytes) {
            Append::Stored => Ok(()),
            Append::Dropped => Err(WriteError::Taken { channel, seq }),
            Append::Over => Err(WriteError::Over { channel }),
            Append::TooLarge | Append::Full => Err(WriteError::Limit { channel, seq }),
        }
    }

    /// The segment is complete, also if it has no bytes.
    pub fn finish(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.finish(now());
        }
    }
}

impl Drop for SegmentWriter {
    fn drop(&mut self) {
        self.end();
    }
}
