use std::time::Duration;

use bytes::Bytes;

use crate::{
    failure::Failure,
    wire::{Seq, Wanted},
};

/// Names one GET of a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GetId(pub(super) u64);

/// What a subscriber wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Start a GET. It answers with `Sent` and `Head`, or `Failed`.
    Get(GetId, Wanted),
    /// Read its body to the end, at the caller's pace.
    Read(GetId),
    /// Its answer is of no interest, or has come and needs no reading. Nothing more may come of it.
    Drop(GetId),
    /// For the caller.
    Event(Event),
    /// Nothing to do until an input, or this time.
    WakeAt(Duration),
    /// Nothing to do until an input.
    Idle,
}

/// What a subscriber tells its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A segment begins.
    Begin {
        /// Its number.
        seq: Seq,
        /// The channel's MIME type, where it is known.
        mime: Option<String>,
    },
    /// Bytes of the segment that began last.
    Bytes(Bytes),
    /// It ends.
    End {
        /// Its number.
        seq: Seq,
        /// How many bytes it had.
        bytes: u64,
        /// False when it broke off. A server that cuts a segment short ends it normally, which nobody can tell.
        complete: bool,
    },
    /// These segments could not be had.
    Gap {
        /// The first one.
        from: Seq,
        /// The one after the last; it comes next.
        to: Seq,
    },
    /// Numbers went back: the publisher or the server began again.
    Restarted {
        /// The number that would have come next.
        from: Seq,
        /// The number that comes next.
        to: Seq,
    },
    /// The server cannot be reached, or does not do its part; it is tried again.
    Trouble(Failure),
    /// Nothing more comes.
    Ended(End),
}

/// How a channel ended for its subscriber.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum End {
    /// The server said so, or no longer has the channel.
    #[error("the channel was closed")]
    Closed,
    /// There was no such channel for as long as it was waited for.
    #[error("there is no such channel")]
    NotFound,
    /// The server does not want it read, with this status.
    #[error("the server refused with {0}")]
    Refused(u16),
    /// No exchange succeeded for too long.
    #[error("the server could not be reached")]
    Unreachable(#[source] Failure),
}
