use std::time::Duration;

use bytes::Bytes;

use crate::{failure::Failure, wire::Seq};

/// Names one exchange of a publisher with its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub(super) u64);

/// What a publisher asks of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// POST of a segment; the body follows piece by piece.
    Post {
        /// Its number.
        seq: Seq,
        /// With `Lp-Trickle-Reset`.
        reset: bool,
    },
    /// GET `next`.
    Latest,
    /// POST of the channel.
    Create,
    /// DELETE of a segment.
    CloseSegment {
        /// Its number.
        seq: Seq,
    },
    /// DELETE of the channel.
    Delete,
}

/// What a publisher wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Start an exchange. It answers with `Opened`, and ends with `Answered` or `Failed`.
    Open(ExchangeId, Request),
    /// More of its body.
    Write(ExchangeId, Bytes),
    /// Its body is complete.
    Finish(ExchangeId),
    /// Drop its connection without ending the body. Nothing more may come of it.
    Abort(ExchangeId),
    /// For the caller.
    Event(Event),
    /// Nothing to do until an input, or this time.
    WakeAt(Duration),
    /// Nothing to do until an input.
    Idle,
}

/// What a publisher tells its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The server has the whole segment.
    Sent {
        /// Its number.
        seq: Seq,
        /// Its size.
        bytes: u64,
    },
    /// A segment did not reach its readers whole.
    Lost {
        /// Its number.
        seq: Seq,
        /// Bytes that left; readers may have them.
        sent: u64,
        /// Bytes that were dropped here. Later ones of the segment are dropped too, and only counted.
        dropped: u64,
        /// Why.
        why: Loss,
    },
    /// The server had closed this number before a byte was sent; the bytes go out under the next one.
    Skipped {
        /// The number.
        seq: Seq,
    },
    /// The server cannot be reached, or does not do its part; it is tried again.
    Trouble(Failure),
    /// The channel was made, at the start or again.
    Created,
    /// The publisher is over.
    Ended(End),
}

/// Why a segment is lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Loss {
    /// There was no room, and the policy chose it.
    #[error("there was no room for it")]
    Overflow,
    /// A newer one began before a byte of it had left.
    #[error("a newer one began before a byte of it had left")]
    Superseded,
    /// The caller gave it up.
    #[error("it was given up")]
    Abandoned,
    /// The server ended it before it was complete.
    #[error("the server ended it before it was complete")]
    CutByServer,
    /// Its exchange broke off.
    #[error("its exchange broke off: {0}")]
    Failed(Failure),
    /// The publisher ended before it was sent.
    #[error("the publisher ended before it was sent")]
    Ended,
}

/// How a publisher ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum End {
    /// As the caller asked.
    #[error("it was closed")]
    Finished,
    /// The channel was closed by the server, or by someone else.
    #[error("the channel was closed")]
    Closed,
    /// There is no such channel, and it may not be created.
    #[error("there is no such channel")]
    NotFound,
    /// The server does not want it, with this status.
    #[error("the server refused with {0}")]
    Refused(u16),
    /// Nothing succeeded for too long.
    #[error("the server could not be reached")]
    Unreachable(#[source] Failure),
}

/// What came of the segments so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Segments that the server has whole.
    pub segments_sent: u64,
    /// Segments that are lost.
    pub segments_lost: u64,
    /// Bytes that connections took, of lost segments too.
    pub bytes_sent: u64,
    /// Bytes that were dropped here.
    pub bytes_dropped: u64,
    /// Exchanges that failed.
    pub failures: u64,
}
