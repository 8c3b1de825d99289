//! What outsiders may do, in the order in which it is checked: hooks, the channel, the number.

use std::sync::Arc;
use std::time::Instant;

use super::changefeed::CHANGES;
use super::channel::{Attach, Open};
use super::handle::{Reader, Writer};
use super::hub::{CreateError, Hub};
use super::policy::{Caller, Refusal};
use crate::wire::seq::parse_number;
use crate::wire::{Seq, Wanted, names};

/// Why a request comes to nothing: a status, and one line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct No {
    /// The status.
    pub status: u16,
    /// The line.
    pub text: &'static str,
}

impl No {
    const fn new(status: u16, text: &'static str) -> Self {
        Self { status, text }
    }
}

const NO_CHANNEL: No = No::new(names::NOT_FOUND, "Stream not found");
const NO_NUMBER: No = No::new(names::BAD_REQUEST, "Invalid idx");
const NO_SUCH: No = No::new(names::BAD_REQUEST, "Nonexistent segment");
const NOT_YOURS: No = No::new(names::FORBIDDEN, "Channel is read only");
const TOO_MANY: No = No::new(names::UNAVAILABLE, "Too many requests on this channel");

/// What a GET of a segment comes to.
pub enum Get {
    /// Read on.
    Reading(Reader),
    /// The channel exists, the segment does not.
    Missing {
        /// The number asked for.
        seq: Seq,
        /// A number that can be waited for.
        latest: Seq,
    },
    /// The channel is over.
    Over {
        /// The number asked for.
        seq: Seq,
        /// The number after the newest segment that began.
        latest: Seq,
    },
    /// Refused.
    No(No),
}

/// What is known of a body when its POST is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// It has a byte.
    Now,
    /// It may have one later.
    Later,
    /// It has none.
    Never,
}

/// What a POST asks for beside its channel.
#[derive(Debug, Clone, Copy)]
pub struct PostRequest<'a> {
    /// The number, as it stands in the path.
    pub seq: &'a str,
    /// MIME type of the channel, if this makes it.
    pub mime: Option<&'a str>,
    /// Whether the publisher restarted.
    pub reset: bool,
    /// What is known of the body.
    pub begins: Begins,
}

/// What a POST of a segment comes to.
pub enum Post {
    /// Write on.
    Writing(Writer),
    /// The body is to be dropped: answer as to a segment without bytes.
    Dropped(Seq),
    /// The channel is over.
    Over(Seq),
    /// Ask again when the body has a byte or ended: the channel was deleted a moment ago, and a publisher that closes
    /// ends its last POST without one.
    AskAgain,
    /// Refused.
    No(No),
}

impl Hub {
    /// POST of a channel.
    pub fn post_channel(
        &self,
        now: Instant,
        caller: &Caller<'_>,
        mime: Option<&str>,
    ) -> Result<(), No> {
        self.policy().create(caller).map_err(refused)?;
        if self.is_own(caller.channel) {
            return Err(NOT_YOURS);
        }
        if self.config().autocreate {
            self.find_or_create(now, caller.channel, mime)
                .map(|_| ())
                .map_err(uncreated)
        } else if self.has(caller.channel) {
            Ok(())
        } else {
            Err(NO_CHANNEL)
        }
    }

    /// DELETE of a channel.
    pub fn delete_channel(&self, now: Instant, caller: &Caller<'_>) -> Result<(), No> {
        self.policy().delete(caller).map_err(refused)?;
        if self.is_own(caller.channel) {
            return Err(NOT_YOURS);
        }
        if self.delete(now, caller.channel) {
            Ok(())
        } else {
            Err(No::new(names::BAD_REQUEST, "Invalid stream"))
        }
    }

    /// GET of the next number: the number, and whether the channel is over.
    pub fn get_next(&self, caller: &Caller<'_>) -> Result<(Seq, bool), No> {
        self.policy().read(caller).map_err(refused)?;
        let cell = self.find(caller.channel).ok_or(NO_CHANNEL)?;
        Ok(cell.with(|channel| (channel.next(), channel.is_closed())))
    }

    /// DELETE of a segment.
    pub fn delete_segment(&self, caller: &Caller<'_>, seq: &str) -> Result<(), No> {
        self.policy().write(caller).map_err(refused)?;
        let cell = self.find(caller.channel).ok_or(NO_CHANNEL)?;
        if self.is_own(caller.channel) {
            return Err(NOT_YOURS);
        }
        let number = parse_number(seq)
            .and_then(|number| u64::try_from(number).ok())
            .and_then(Seq::new);
        let seq = number.ok_or(NO_NUMBER)?;
        if cell.with_due(|channel| channel.close_segment(seq)) {
            Ok(())
        } else {
            Err(NO_SUCH)
        }
    }

    /// GET of a segment.
    pub fn get(&self, now: Instant, caller: &Caller<'_>, seq: &str) -> Get {
        if let Err(refusal) = self.policy().read(caller) {
            return Get::No(refused(refusal));
        }
        let Some(cell) = self.find(caller.channel) else {
            return Get::No(NO_CHANNEL);
        };
        let Some(wanted) = Wanted::parse_read(seq) else {
            return Get::No(NO_NUMBER);
        };
        match cell.with_due(|channel| channel.attach(now, wanted)) {
            Attach::Reading(key) => Get::Reading(Reader::new(cell, key)),
            Attach::Missing { seq, latest } => Get::Missing { seq, latest },
            Attach::Over { seq, latest } => Get::Over { seq, latest },
            Attach::TooMany => Get::No(TOO_MANY),
        }
    }

    /// POST of a segment.
    pub fn post(&self, now: Instant, caller: &Caller<'_>, request: &PostRequest<'_>) -> Post {
        if let Err(refusal) = self.policy().write(caller) {
            return Post::No(refused(refusal));
        }
        let name = caller.channel;
        let found = self.find(name);
        if found.is_none() && !self.config().autocreate {
            return Post::No(NO_CHANNEL);
        }
        if self.is_own(name) {
            return Post::No(NOT_YOURS);
        }
        let Some(wanted) = Wanted::parse_write(request.seq) else {
            return Post::No(NO_NUMBER);
        };
        let cell = match (found, request.begins) {
            (Some(cell), _) => cell,
            (None, Begins::Never) => return Post::No(NO_CHANNEL),
            (None, Begins::Later) if self.was_deleted(now, name) => return Post::AskAgain,
            (None, _) => match self.find_or_create(now, name, request.mime) {
                Ok(cell) => cell,
                Err(error) => return Post::No(uncreated(error)),
            },
        };
        self.open(now, cell, wanted, request.reset)
    }

    fn open(
        &self,
        now: Instant,
        cell: Arc<super::handle::Cell>,
        wanted: Wanted,
        reset: bool,
    ) -> Post {
        match cell.with_due(|channel| channel.open(now, wanted, reset)) {
            Open::Writing { writer, seq } => Post::Writing(Writer::new(cell, writer, seq)),
            Open::Dropped(seq) => Post::Dropped(seq),
            Open::Over(seq) => Post::Over(seq),
            Open::NoNumber => Post::No(NO_NUMBER),
            Open::TooMany => Post::No(TOO_MANY),
        }
    }

    /// Whether only the hub itself writes to this channel.
    fn is_own(&self, name: &str) -> bool {
        self.config().changefeed && name == CHANGES
    }
}

fn refused(refusal: Refusal) -> No {
    No::new(refusal.status(), "Refused")
}

fn uncreated(error: CreateError) -> No {
    match error {
        CreateError::NoName => NO_CHANNEL,
        CreateError::NameTooLong { .. } => No::new(names::URI_TOO_LONG, "Name too long"),
        CreateError::TooMany { .. } => No::new(names::UNAVAILABLE, "Too many channels"),
        CreateError::Stopped => No::new(names::UNAVAILABLE, "Stopping"),
    }
}
