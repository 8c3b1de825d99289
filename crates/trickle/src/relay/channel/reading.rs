//! Readers of a channel.

use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use bytes::Bytes;

use super::Channel;
use crate::relay::counters::{add, take};
use crate::relay::parked::Place;
use crate::wire::{Seq, Wanted};

/// Most chunks that one step hands out.
const STEP_CHUNKS: usize = 62;

/// One who reads a segment.
#[derive(Debug)]
pub(super) struct Reading {
    segment: usize,
    at: u64,
    next_when_asked: Seq,
    since: Instant,
    begun: bool,
    place: Place,
}

/// What a request to read comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attach {
    /// Go on with [`Channel::read`] under this key, and end with [`Channel::detach`].
    Reading(usize),
    /// There is no such segment.
    Missing {
        /// The number asked for; -1 and -2 resolved.
        seq: Seq,
        /// A number that can be waited for.
        latest: Seq,
    },
    /// The channel is over.
    Over {
        /// The number asked for; -1 and -2 resolved.
        seq: Seq,
        /// The number after the newest segment that began.
        latest: Seq,
    },
    /// The channel has as many readers as it may have.
    TooMany,
}

/// One step of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadStep {
    /// Nothing now; the waker will be called.
    Wait,
    /// Here are bytes. With `end` they are the last ones.
    Bytes {
        /// Whether the segment ends with these.
        end: bool,
    },
    /// The segment ended and everything was read.
    End,
}

/// What is told of a segment when its first byte, or its end, is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadHead {
    /// Number of the segment.
    pub seq: Seq,
    /// The number after the newest segment that has begun. `None` on segments with bytes if the reader waited at the
    /// live edge.
    pub latest: Option<Seq>,
    /// MIME type of the channel.
    pub mime: Option<Arc<str>>,
    /// Whether the segment ended without bytes because the channel is over.
    pub over: bool,
}

impl Channel {
    /// Looks for a segment, and makes it if it is the one that comes next, or one that was overtaken a moment ago.
    pub fn attach(&mut self, now: Instant, wanted: Wanted) -> Attach {
        let latest = self.next;
        let seq = match wanted {
            Wanted::Exact(seq) => seq,
            Wanted::Upcoming => latest,
            Wanted::Newest => latest.previous(),
        };
        if self.closed {
            return Attach::Over { seq, latest };
        }
        if self.readers.len() >= self.limits.readers {
            return Attach::TooMany;
        }
        let coming = seq == latest || (latest == Seq::ZERO && seq.get() == 1);
        let held = self.window.get(seq).filter(|&key| {
            let segment = &self.segments[key];
            let is_past = self.is_left_over(key) && seq <= latest;
            !is_past && (segment.begun || !segment.closed || !coming)
        });
        let key = match held {
            Some(key) => key,
            None if coming => self.insert(now, seq),
            None if self.is_overtaken(now, seq) => {
                let ends_at = self.skipped_at(seq).map(|at| at + self.skip_grace);
                let key = self.insert(now, seq);
                self.segments[key].ends_at = ends_at;
                key
            }
            None => {
                add(&self.counters.missing, 1);
                return Attach::Missing { seq, latest };
            }
        };
        self.segments[key].readers += 1;
        add(&self.counters.readers, 1);
        add(&self.counters.reads, 1);
        Attach::Reading(self.readers.insert(Reading {
            segment: key,
            at: 0,
            next_when_asked: latest,
            since: now,
            begun: false,
            place: 0,
        }))
    }

    /// Hands out what comes next, at most `max_bytes`, or keeps the waker.
    pub fn read(
        &mut self,
        now: Instant,
        reader: usize,
        waker: &Waker,
        max_bytes: usize,
        out: &mut Vec<Bytes>,
    ) -> ReadStep {
        let reading = &mut self.readers[reader];
        let segment = &mut self.segments[reading.segment];
        if reading.at == segment.bytes.len() {
            if segment.closed {
                return ReadStep::End;
            }
            let place = segment.waiting_readers.join(reader, reading.place, waker);
            reading.place = place;
            return ReadStep::Wait;
        }
        if !std::mem::replace(&mut reading.begun, true) {
            self.counters
                .waited(now.saturating_duration_since(reading.since));
        }
        let end = segment.bytes.read(reading.at, max_bytes, STEP_CHUNKS, out);
        add(&self.counters.bytes_out, end - reading.at);
        reading.at = end;
        ReadStep::Bytes {
            end: segment.closed && end == segment.bytes.len(),
        }
    }

    /// What to tell before the first byte, or instead of one.
    pub fn read_head(&self, reader: usize) -> ReadHead {
        let reading = &self.readers[reader];
        let segment = &self.segments[reading.segment];
        let seq = segment.seq;
        if segment.bytes.is_empty() {
            return ReadHead {
                seq,
                latest: Some(self.next),
                mime: None,
                over: self.closed,
            };
        }
        let latest = Some(reading.next_when_asked).filter(|next| *next != seq);
        ReadHead {
            seq,
            latest,
            mime: self.mime.clone(),
            over: false,
        }
    }

    /// A reader goes.
    pub fn detach(&mut self, reader: usize) {
        let reading = self.readers.remove(reader);
        take(&self.counters.readers, 1);
        let segment = &mut self.segments[reading.segment];
        segment.readers -= 1;
        if let Some(moved) = segment.waiting_readers.leave(reader, reading.place) {
            self.readers[moved].place = reading.place;
        }
        self.release(reading.segment);
    }
}
