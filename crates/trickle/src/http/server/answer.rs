//! Heads of answers. Pure.

use std::fmt::Write as _;

use super::target::NoRoute;
use crate::relay::gate::No;
use crate::relay::{Finish, ReadHead};
use crate::wire::{Seq, names};

/// `100 Continue`, whole.
pub(super) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// An answer that is complete when it is made.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    status: u16,
    fields: String,
    text: String,
    closes: bool,
}

impl Answer {
    pub(super) fn new(status: u16) -> Self {
        Self {
            status,
            fields: String::new(),
            text: String::new(),
            closes: false,
        }
    }

    /// A refusal with one line of text.
    pub(super) fn refusal(status: u16, text: &str) -> Self {
        let mut answer = Self::new(status).with("Content-Type", "text/plain; charset=utf-8");
        answer.text = format!("{text}\n");
        answer
    }

    /// The answer to a GET of the next number.
    pub(super) fn next(next: Seq, over: bool) -> Self {
        let mut answer = Self::new(names::OK)
            .with(names::LATEST, next)
            .closed_if(over);
        answer.text = next.to_string();
        answer.with("Content-Type", "text/plain; charset=utf-8")
    }

    /// The answer to a GET of a segment that is not there.
    pub(super) fn missing(seq: Seq, latest: Seq) -> Self {
        Self::refusal(names::NO_SUCH_SEGMENT, "Entry not found")
            .with(names::SEQ, seq)
            .with(names::LATEST, latest)
    }

    /// The answer to a GET of a segment that ended without a byte.
    pub(super) fn empty_segment(head: &ReadHead) -> Self {
        let answer = Self::new(names::OK).with(names::SEQ, head.seq);
        let answer = head
            .latest
            .into_iter()
            .fold(answer, |answer, latest| answer.with(names::LATEST, latest));
        answer.closed_if(head.over)
    }

    /// The answer to a POST of a segment. One that stored nothing ends its connection: the peer may send its body yet.
    pub(super) fn posted(seq: Seq, finish: Finish) -> Self {
        let answer = Self::new(names::OK)
            .with(names::SEQ, seq)
            .closed_if(finish.over);
        if finish.empty {
            answer.closing()
        } else {
            answer
        }
    }

    /// With one field more.
    pub(super) fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        write!(self.fields, "{name}: {value}\r\n").unwrap_or_default();
        self
    }

    /// With the mark of a channel that is over.
    pub(super) fn closed_if(self, over: bool) -> Self {
        if over {
            self.with(names::CLOSED, names::TERMINATED)
        } else {
            self
        }
    }

    /// With the end of the connection behind it.
    pub(super) fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    pub(super) fn closes(&self) -> bool {
        self.closes
    }

    /// The answer as it is sent. The answer to a HEAD has no body.
    pub(super) fn into_bytes(self, with_body: bool) -> Vec<u8> {
        let Self {
            status,
            fields,
            text,
            closes,
        } = self;
        let connection = if closes { "Connection: close\r\n" } else { "" };
        let body = if with_body { text.as_str() } else { "" };
        let (reason, length) = (names::reason(status), text.len());
        format!("HTTP/1.1 {status} {reason}\r\n{fields}{connection}Content-Length: {length}\r\n\r\n{body}").into_bytes()
    }
}

impl From<No> for Answer {
    fn from(no: No) -> Self {
        Self::refusal(no.status, no.text)
    }
}

impl From<NoRoute> for Answer {
    fn from(no: NoRoute) -> Self {
        let refusal = Self::refusal(no.status(), names::reason(no.status()));
        match no {
            NoRoute::OtherMethods(methods) => refusal.with("Allow", methods),
            NoRoute::NotFound | NoRoute::Undecodable => refusal,
        }
    }
}

/// The head before a segment's bytes.
pub(super) fn segment_head(head: &ReadHead, framing: &str) -> Vec<u8> {
    let mut answer = Answer::new(names::OK).with(names::SEQ, head.seq);
    if let Some(latest) = head.latest {
        answer = answer.with(names::LATEST, latest);
    }
    if let Some(mime) = &head.mime {
        answer = answer.with(names::CONTENT_TYPE, mime);
    }
    let fields = answer.fields;
    format!(
        "HTTP/1.1 {} {}\r\n{fields}{framing}\r\n",
        names::OK,
        names::reason(names::OK)
    )
    .into_bytes()
}
