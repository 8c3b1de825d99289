//! What can come of an HTTP exchange, as the client machines see it.

use std::fmt;

use crate::wire::Seq;

/// Why one HTTP exchange came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No connection came about.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// The connection broke while the exchange was in progress.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// A connection that was kept from an earlier exchange turned out to be gone; nothing was exchanged on it.
    #[error("the kept connection was gone")]
    Stale,
    /// What came back is not the protocol.
    #[error("not understood: {0}")]
    Malformed(String),
    /// The peer was waited for in vain.
    #[error("no {0} in time")]
    Late(Wait),
    /// The peer answered with this status.
    #[error("the answer was {0}")]
    Refused(u16),
}

/// What was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wait {
    /// A connection, TLS included, with the request sent.
    Connection,
    /// Room in the connection for more of a body.
    Progress,
    /// The answer to a finished request.
    Answer,
    /// More of an answer's body.
    Body,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "connection",
            Self::Progress => "progress",
            Self::Answer => "answer",
            Self::Body => "more of the body",
        })
    }
}

/// What a client machine makes of the head of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// `Lp-Trickle-Closed` is there: the channel is over.
    pub closed: bool,
    /// `Lp-Trickle-Seq`: the number that was read or written.
    pub seq: Option<Seq>,
    /// `Lp-Trickle-Latest`: the number after the newest segment that has begun.
    pub latest: Option<Seq>,
    /// The channel's MIME type.
    pub mime: Option<String>,
}

impl Answer {
    /// Whether the status says success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the same request may do better later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self.status, 408 | 425 | 429 | 500..=599)
    }
}
