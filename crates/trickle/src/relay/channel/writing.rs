//! Writers of a channel.

use std::task::Waker;
use std::time::Instant;

use bytes::Bytes;

use super::Channel;
use crate::relay::counters::{add, take};
use crate::relay::parked::Place;
use crate::wire::{Seq, Wanted};

/// One who writes a segment.
#[derive(Debug)]
pub(super) struct Writing {
    segment: usize,
    /// When it came, it was that of a publisher that begins anew. One that was in order and is late is not.
    restarts: bool,
    wrote: bool,
    last_byte_at: Instant,
    place: Place,
}

/// What a request to write comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Go on with [`Channel::append`] under this key, and end with [`Channel::finish`] or [`Channel::abandon`].
    Writing {
        /// The writer's key.
        writer: usize,
        /// Number of the segment.
        seq: Seq,
    },
    /// The segment is finished, or so old that it would push out a newer one: what comes is to be dropped.
    Dropped(Seq),
    /// The channel is over.
    Over(Seq),
    /// The number cannot be written, because nothing could come after it.
    NoNumber,
    /// The channel has as many writers as it may have.
    TooMany,
}

/// What became of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Append {
    /// Readers have them.
    Stored,
    /// The segment was closed meanwhile; they are dropped.
    Dropped,
    /// The channel is over; they are dropped.
    Over,
    /// The segment would grow beyond its limit. It is closed as it is.
    TooLarge,
    /// The hub holds as much as it may hold. The segment is closed as it is.
    Full,
}

/// What a writer has under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// An open segment.
    Open,
    /// A segment that was closed by somebody else.
    Closed,
    /// A channel that is over.
    Over,
}

/// What is to be answered at the end of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finish {
    /// Nothing of this body was stored.
    pub empty: bool,
    /// The channel is over.
    pub over: bool,
}

impl Channel {
    /// A POST arrives: takes its place in the window. `next` moves with the first byte.
    pub fn open(&mut self, now: Instant, wanted: Wanted, reset: bool) -> Open {
        let seq = match wanted {
            Wanted::Exact(seq) => seq,
            Wanted::Upcoming => self.next,
            Wanted::Newest => return Open::NoNumber,
        };
        if seq == Seq::MAX {
            return Open::NoNumber;
        }
        if self.closed {
            return Open::Over(seq);
        }
        if self.writers.len() >= self.limits.writers {
            return Open::TooMany;
        }
        if reset {
            self.close_below(now, seq);
        }
        let restarts = self.is_restart(seq);
        let Some(key) = self.place_for(now, seq) else {
            self.active_at = now;
            self.next = self.next.max(seq.next());
            return Open::Dropped(seq);
        };
        let segment = &mut self.segments[key];
        segment.writers += 1;
        add(&self.counters.writers, 1);
        add(&self.counters.posts, 1);
        segment.ends_at = None;
        let writer = self.writers.insert(Writing {
            segment: key,
            restarts,
            wrote: false,
            last_byte_at: now,
            place: 0,
        });
        Open::Writing { writer, seq }
    }

    /// [`Channel::open`] for who does not share: refused if somebody wrote to the segment, or closed it.
    pub fn open_fresh(&mut self, now: Instant, wanted: Wanted) -> Open {
        if let Wanted::Exact(seq) = wanted
            && let Some(key) = self.window.get(seq)
            && !self.segments[key].closed
            && self.segments[key].begun
            && !self.closed
        {
            return Open::Dropped(seq);
        }
        self.open(now, wanted, false)
    }

    /// Whether this writer still has something to write to. If so, the waker is kept.
    pub fn standing(&mut self, writer: usize, waker: &Waker) -> Standing {
        let writing = &mut self.writers[writer];
        let segment = &mut self.segments[writing.segment];
        if self.closed {
            Standing::Over
        } else if segment.closed {
            Standing::Closed
        } else {
            writing.place = segment.waiting_writers.join(writer, writing.place, waker);
            Standing::Open
        }
    }

    /// Bytes of a body.
    pub fn append(&mut self, now: Instant, writer: usize, bytes: Bytes) -> Append {
        if self.closed {
            return Append::Over;
        }
        if bytes.is_empty() {
            return Append::Stored;
        }
        self.active_at = now;
        let writing = &mut self.writers[writer];
        let key = writing.segment;
        let size = bytes.len() as u64;
        let segment = &mut self.segments[key];
        if segment.closed {
            return Append::Dropped;
        }
        if segment.bytes.len() + size > self.limits.segment_bytes {
            self.give_up(now, key);
            return Append::TooLarge;
        }
        let held = self
            .counters
            .held_bytes
            .load(std::sync::atomic::Ordering::Relaxed);
        if held.saturating_add(size) > self.limits.held_bytes {
            self.give_up(now, key);
            return Append::Full;
        }
        writing.wrote = true;
        writing.last_byte_at = now;
        segment.bytes.append(bytes);
        segment.waiting_readers.wake_into(&mut self.woken);
        add(&self.counters.bytes_in, size);
        add(&self.counters.held_bytes, size);
        let restarts = writing.restarts;
        self.begin(key, restarts);
        Append::Stored
    }

    /// The end of a body: the segment is complete, whoever else writes to it.
    pub fn finish(&mut self, now: Instant, writer: usize) -> Finish {
        let writing = &self.writers[writer];
        let (key, empty, restarts) = (writing.segment, !writing.wrote, writing.restarts);
        let over = self.closed;
        if !over {
            self.active_at = now;
            if !self.segments[key].closed {
                self.begin(key, restarts);
                self.close(key);
                self.segments[key].completed_at = Some(now);
                self.end_skipped(now, self.segments[key].seq);
            }
        }
        self.leave(writer);
        Finish { empty, over }
    }

    /// A body broke off. After its first byte, the segment is open for another POST until the grace period ends.
    pub fn abandon(&mut self, now: Instant, writer: usize) {
        let Writing {
            segment: key,
            wrote,
            ..
        } = self.writers[writer];
        if wrote {
            add(&self.counters.broken_posts, 1);
        }
        let segment = &self.segments[key];
        if !segment.closed && segment.writers == 1 {
            let ends_at = match segment.begun {
                true => Some(now + self.grace),
                false => self.skipped_at(segment.seq).map(|_| now + self.skip_grace),
            };
            self.segments[key].ends_at = ends_at;
        }
        self.leave(writer);
    }

    /// [`Channel::abandon`] for who has no clock: at the time of the last byte.
    pub(crate) fn abandon_at_last_byte(&mut self, writer: usize) {
        self.abandon(self.writers[writer].last_byte_at, writer);
    }

    fn leave(&mut self, writer: usize) {
        let writing = self.writers.remove(writer);
        take(&self.counters.writers, 1);
        let segment = &mut self.segments[writing.segment];
        segment.writers -= 1;
        if let Some(moved) = segment.waiting_writers.leave(writer, writing.place) {
            self.writers[moved].place = writing.place;
        }
        self.release(writing.segment);
    }

    /// The segment to write to: the one that is there if it is open, or a new one. `None` if what comes is to be dropped.
    fn place_for(&mut self, now: Instant, seq: Seq) -> Option<usize> {
        let restart = self.is_restart(seq);
        match self.window.occupant(seq) {
            Some((held, key)) if held == seq => {
                let segment = &self.segments[key];
                match (segment.closed, segment.begun) {
                    // Of the time before a restart.
                    _ if self.is_left_over(key) => Some(self.insert(now, seq)),
                    (false, _) => Some(key),
                    (true, true) if !restart => None,
                    // Closed before anything was written to it, or a restart of now.
                    (true, _) => Some(self.insert(now, seq)),
                }
            }
            Some((held, key)) if held > seq && seq < self.next && !restart => {
                self.is_left_over(key).then(|| self.insert(now, seq))
            }
            _ => Some(self.insert(now, seq)),
        }
    }

    fn close_below(&mut self, now: Instant, seq: Seq) {
        for (held, key) in self.window.all() {
            if held < seq {
                self.give_up(now, key);
            }
        }
    }
}
