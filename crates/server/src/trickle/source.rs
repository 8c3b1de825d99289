//! What is published: stdin, or a video that media reads in real time and cuts into segments.

use std::{
    io::{self, Read},
    thread,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use framerill_media::{Piece, Records};
use tokio::{
    net::unix::pipe,
    sync::{
        mpsc::{Receiver, channel},
        oneshot,
    },
    time::Instant,
};

use super::cutter::Cutter;
use crate::{
    failure::Failure,
    run::{Feed, Tell},
};

/// Reads that wait for the publisher; while there are so many, the source waits.
const WAITING: usize = 8;
const READ_BYTES: usize = 64 << 10;

/// Bytes of a source, in segments.
pub(crate) enum Source {
    /// Read by a thread of its own. A transport stream is cut at its keyframes, anything else by the time.
    Stdin {
        reads: Receiver<io::Result<Bytes>>,
        cutter: Cutter,
        began: Instant,
    },
    /// Media cuts, in the run that makes the stream.
    Video(Video),
}

/// What a run within this process makes.
pub(crate) struct Video {
    feed: Feed,
    /// None when it was told.
    ended: Option<oneshot::Receiver<Result<(), Failure>>>,
    /// None behind its end.
    pipe: Option<pipe::Receiver>,
    records: Records,
    buffer: BytesMut,
}

impl Source {
    /// Stdin. What has no keyframes is cut after `longest`.
    pub(super) fn stdin(longest: Duration) -> Self {
        Self::Stdin {
            reads: read(io::stdin()),
            cutter: Cutter::new(longest),
            began: Instant::now(),
        }
    }

    /// A file or a generator in real time, as MPEG-TS with a keyframe every 2 s, where a segment begins. Within a runtime.
    pub(crate) fn video(input: &str, tell: Tell) -> Result<Self, Failure> {
        let (tell_end, ended) = oneshot::channel();
        let tell_end = move |outcome| {
            // Whoever read it may have gone.
            tell_end.send(outcome).ok();
        };
        let (feed, pipe) = Feed::start(input, tell, tell_end)?;
        let pipe = pipe::Receiver::from_owned_fd(pipe).map_err(|error| cannot(&error))?;
        Ok(Self::Video(Video {
            feed,
            ended: Some(ended),
            pipe: Some(pipe),
            records: Records::default(),
            buffer: BytesMut::new(),
        }))
    }

    /// What came next; none at the end, and an error before it if that is too early. Nothing is lost if the wait is given up.
    pub(crate) async fn next(&mut self) -> Option<Result<Vec<Piece>, Failure>> {
        match self {
            Self::Stdin {
                reads,
                cutter,
                began,
            } => Some(match reads.recv().await? {
                Ok(bytes) => Ok(cutter.push(began.elapsed(), &bytes)),
                Err(error) => Err(cannot(&error)),
            }),
            Self::Video(video) => video.next().await,
        }
    }

    /// What is left at the end.
    pub(super) fn rest(&mut self) -> Option<Piece> {
        match self {
            Self::Stdin { cutter, .. } => cutter.finish().map(Piece::Bytes),
            Self::Video(_) => None,
        }
    }

    /// Asks it to end; what it has still comes.
    pub(super) fn stop(&mut self) {
        match self {
            Self::Stdin { reads, .. } => reads.close(),
            Self::Video(video) => video.feed.stop(),
        }
    }
}

impl Video {
    async fn next(&mut self) -> Option<Result<Vec<Piece>, Failure>> {
        match self.read().await {
            Some(Ok(bytes)) => Some(self.records.push(bytes).map_err(|error| cannot(&error))),
            Some(Err(error)) => Some(Err(cannot(&error))),
            None => self.end().await.err().map(Err),
        }
    }

    /// None at the pipe's end and from then on.
    async fn read(&mut self) -> Option<io::Result<Bytes>> {
        let pipe = self.pipe.as_ref()?;
        let read = loop {
            let ready = pipe.readable().await;
            self.buffer.reserve(READ_BYTES);
            match ready.and_then(|()| pipe.try_read_buf(&mut self.buffer)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => break read,
            }
        };
        match read {
            Ok(1..) => return Some(Ok(self.buffer.split().freeze())),
            Ok(0) => self.pipe = None,
            Err(error) => {
                self.pipe = None;
                return Some(Err(error));
            }
        }
        None
    }

    /// What the run says of its end is the cause of what may be missing; it is told once.
    async fn end(&mut self) -> Result<(), Failure> {
        let Some(ended) = &mut self.ended else {
            return Ok(());
        };
        let outcome = ended.await;
        self.ended = None;
        outcome.unwrap_or_else(|_| Err(cannot(&"its reader ended without a word")))?;
        self.records.finish().map_err(|error| cannot(&error))
    }
}

fn cannot(error: &dyn std::fmt::Display) -> Failure {
    Failure::failed("source", format!("cannot read the source: {error}"))
}

fn read(mut from: impl Read + Send + 'static) -> Receiver<io::Result<Bytes>> {
    let (reads, waiting) = channel(WAITING);
    thread::spawn(move || {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => Ok(Bytes::copy_from_slice(&buffer[..count])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let is_last = read.is_err();
            if reads.blocking_send(read).is_err() || is_last {
                return;
            }
        }
    });
    waiting
}
