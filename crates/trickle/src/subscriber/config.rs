use std::time::Duration;

use crate::wire::{Seq, Wanted};

/// Where a subscriber begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// With the first segment that has not begun (`-1`).
    Live,
    /// With the newest segment that has begun, from its first byte (`-2`).
    Newest,
    /// With this one; if it is gone, with the next to come.
    At(Seq),
}

impl Join {
    pub(super) fn wanted(self) -> Wanted {
        match self {
            Self::Live => Wanted::Upcoming,
            Self::Newest => Wanted::Newest,
            Self::At(seq) => Wanted::Exact(seq),
        }
    }
}

/// The deadlines of a subscriber.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where it begins.
    pub join: Join,
    /// Sent past segments that it missed, it reads the newest of them before it waits for the next: for channels of messages,
    /// of which the newest counts, rather than of pictures.
    pub keep_newest: bool,
    /// A segment that has not begun is asked for again after this long: the peer may be gone without a word.
    pub ask_again: Duration,
    /// From the start of a GET until it is sent.
    pub connect_time: Duration,
    /// How long a segment that has begun may bring nothing.
    pub idle_time: Duration,
    /// The pause before the second try of anything; it doubles from there.
    pub retry_pause: Duration,
    /// The longest pause between two tries.
    pub retry_cap: Duration,
    /// The pause before a second hint in a row is followed; the first one is followed at once.
    pub hint_pause: Duration,
    /// How long a channel that is not there is waited for, at the start and after the server was away.
    pub absence: Duration,
    /// How long no exchange may succeed before the subscriber ends. Waiting for a segment is no failure.
    pub give_up: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            join: Join::Live,
            keep_newest: false,
            ask_again: Duration::from_secs(20),
            connect_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            retry_pause: Duration::from_millis(250),
            retry_cap: Duration::from_secs(2),
            hint_pause: Duration::from_millis(300),
            absence: Duration::from_secs(10),
            give_up: Duration::from_secs(60),
        }
    }
}
