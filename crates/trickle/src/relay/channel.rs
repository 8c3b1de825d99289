//! The machine of one channel: numbers, the window of segments, who reads and who writes.
//!
//! ```text
//! segment:  absent ──GET of the coming number, POST──► open ──end of a POST, DELETE──► closed
//!             ▲                                         │  ▲                             │
//!             │      POST breaks off, a later one ends ──▼  │ POST comes                  │
//!             │                                      abandoned ──grace ─────────────────►│
//!             └───────── a newer segment takes the place (and closes this one) ──────────┘
//! ```
//!
//! `next` is the number after the newest segment that has begun. A write to `n >= next - 5` never lowers it. A POST that
//! comes below that is of a publisher that begins anew: with its first byte `next` becomes `n + 1`, and readers that wait
//! above are let go. What the publisher left above is read by who goes on there, and gives way when its number comes again.
//!
//! Segments come on connections of their own, so a small one may be complete before the one ahead of it arrives. For
//! [`Config::skip_grace`] after that, readers of the missing one wait; then it counts as skipped. So it does when the one
//! behind it is given up, deleted or evicted.
//!
//! Invariants: the window holds five segments at most; a segment that left it, and every segment of a closed channel, is
//! closed; closed segments do not grow; whoever waits is woken when the segment grows or ends.

mod reading;
mod writing;

pub use reading::{Attach, ReadHead, ReadStep};
pub use writing::{Append, Finish, Open, Standing};

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use slab::Slab;

use super::counters::{Counters, add, take};
use super::parked::Parked;
use super::segment::Segment;
use super::window::{WINDOW, Window};
use super::{Config, Limits};
use crate::wire::Seq;

/// One channel.
#[derive(Debug)]
pub struct Channel {
    mime: Option<Arc<str>>,
    next: Seq,
    /// How often the publisher began anew.
    era: u64,
    window: Window,
    segments: Slab<Held>,
    readers: Slab<reading::Reading>,
    writers: Slab<writing::Writing>,
    closed: bool,
    active_at: Instant,
    grace: Duration,
    skip_grace: Duration,
    limits: Limits,
    counters: Arc<Counters>,
    woken: Vec<Waker>,
}

/// A segment and what is known of it.
#[derive(Debug)]
struct Held {
    seq: Seq,
    bytes: Segment,
    closed: bool,
    /// It moved `next`: by a byte, or by ending without one.
    begun: bool,
    in_window: bool,
    /// Of which beginning of the publisher it is.
    era: u64,
    readers: usize,
    writers: usize,
    /// When it was complete, or given up after its first byte.
    completed_at: Option<Instant>,
    /// When it is closed unless a POST comes: it is broken, or was skipped.
    ends_at: Option<Instant>,
    waiting_readers: Parked,
    waiting_writers: Parked,
}

impl Channel {
    /// A channel without segments.
    pub fn new(now: Instant, mime: Option<Arc<str>>, config: &Config) -> Self {
        Self::counted(now, mime, config, Arc::default())
    }

    pub(crate) fn counted(
        now: Instant,
        mime: Option<Arc<str>>,
        config: &Config,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            mime,
            next: Seq::ZERO,
            era: 0,
            window: Window::default(),
            segments: Slab::new(),
            readers: Slab::new(),
            writers: Slab::new(),
            closed: false,
            active_at: now,
            grace: config.grace,
            skip_grace: config.skip_grace,
            limits: config.limits.clone(),
            counters,
            woken: Vec::new(),
        }
    }

    /// The number after the newest segment that has begun.
    pub fn next(&self) -> Seq {
        self.next
    }

    /// MIME type of the channel, if one was given.
    pub fn mime(&self) -> Option<&Arc<str>> {
        self.mime.as_ref()
    }

    /// Whether the channel is over.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether the last byte, or the creation, is longer ago than this.
    pub fn is_idle(&self, now: Instant, timeout: Duration) -> bool {
        now.saturating_duration_since(self.active_at) > timeout
    }

    /// Numbers of the segments in the window.
    pub fn window(&self) -> Vec<Seq> {
        let mut numbers: Vec<_> = self.window.all().map(|(seq, _)| seq).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Closes a segment. False if the window does not hold it.
    pub fn close_segment(&mut self, seq: Seq) -> bool {
        let Some(key) = self.window.get(seq) else {
            return false;
        };
        let segment = &self.segments[key];
        if !segment.closed && !segment.begun && segment.writers > 0 {
            // The waiting POST is answered as a segment without bytes, and readers are to see that it was one.
            self.begin(key, false);
        }
        // There is no clock here. The last byte is not later than now, and readers below need not wait longer.
        self.give_up(self.active_at, key);
        true
    }

    /// Ends the channel: all segments are closed, and nothing is held for those who come later.
    pub fn end(&mut self) {
        self.closed = true;
        for (seq, _) in self.window.all() {
            self.evict(seq);
        }
        let keys: Vec<_> = self.segments.iter().map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.wake_all(key));
    }

    /// When [`Channel::tick`] has something to do.
    pub fn due(&self) -> Option<Instant> {
        self.window
            .all()
            .filter_map(|(_, key)| self.segments[key].ends_at)
            .min()
    }

    /// Closes segments that nobody wrote on within the grace period: their POST broke off, or they were skipped.
    pub fn tick(&mut self, now: Instant) {
        for (_, key) in self.window.all() {
            if self.segments[key].ends_at.is_some_and(|at| at <= now) {
                self.give_up(now, key);
            }
        }
    }

    /// Wakers of those whose wait is over, to be called when no lock is held.
    #[must_use]
    pub fn take_woken(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.woken)
    }

    /// Puts an empty segment into the window, which evicts what was in its place.
    fn insert(&mut self, now: Instant, seq: Seq) -> usize {
        if let Some(evicted) = self.evict(seq) {
            // Who waits for one before it would wait for ever.
            self.skip_below(now, evicted);
        }
        let key = self.segments.insert(Held {
            seq,
            bytes: Segment::default(),
            closed: false,
            begun: false,
            in_window: true,
            era: self.era,
            readers: 0,
            writers: 0,
            completed_at: None,
            ends_at: None,
            waiting_readers: Parked::default(),
            waiting_writers: Parked::default(),
        });
        self.window.put(seq, key);
        key
    }

    /// Empties the place of a number. The answer is what had begun there.
    fn evict(&mut self, seq: Seq) -> Option<Seq> {
        let key = self.window.clear(seq)?;
        self.close(key);
        let segment = &mut self.segments[key];
        segment.in_window = false;
        let begun = segment.begun.then_some(segment.seq);
        if begun.is_some() && !self.closed {
            add(&self.counters.evictions, 1);
        }
        self.release(key);
        begun
    }

    fn close(&mut self, key: usize) {
        let segment = &mut self.segments[key];
        segment.ends_at = None;
        if !segment.closed {
            segment.closed = true;
            self.wake_all(key);
        }
    }

    fn wake_all(&mut self, key: usize) {
        let segment = &mut self.segments[key];
        segment.waiting_readers.wake_into(&mut self.woken);
        segment.waiting_writers.wake_into(&mut self.woken);
    }

    /// Forgets a segment that nobody can reach any more.
    fn release(&mut self, key: usize) {
        let segment = &self.segments[key];
        if !segment.in_window && segment.readers == 0 && segment.writers == 0 {
            take(&self.counters.held_bytes, segment.bytes.len());
            self.segments.remove(key);
        }
    }

    /// A segment has its first byte, or ended without one: moves `next`. Back only if `restarts`: the POST was that of a
    /// publisher that begins anew when it came.
    fn begin(&mut self, key: usize, restarts: bool) {
        let segment = &mut self.segments[key];
        if std::mem::replace(&mut segment.begun, true) {
            return;
        }
        // The second segment of a publisher that begins anew may begin before the first one.
        segment.era = self.era + u64::from(restarts);
        add(&self.counters.segments, 1);
        let seq = segment.seq;
        let old_next = self.next;
        if seq >= old_next {
            self.next = seq.next();
        } else if restarts && is_below(seq, old_next) {
            self.next = seq.next();
            self.era += 1;
            self.close_leftovers(seq, old_next);
        }
    }

    /// Whether a POST of this number belongs to a publisher that begins anew: it is far enough below, or the number
    /// before it is and waits for its first byte.
    fn is_restart(&self, seq: Seq) -> bool {
        let before = seq.previous();
        let announced = self
            .window
            .get(before)
            .is_some_and(|key| !self.segments[key].begun && !self.segments[key].closed);
        is_below(seq, self.next) || (seq > before && announced && is_below(before, self.next))
    }

    /// After a restart at `seq`: lets those go who wait for what the publisher will not write before long. Segments that
    /// are being written are left alone, and so are those that the publisher prepared after it restarted.
    fn close_leftovers(&mut self, seq: Seq, old_next: Seq) {
        for (held, key) in self.window.all() {
            let segment = &self.segments[key];
            let is_unwritten = match segment.begun {
                true => self.is_left_over(key) && segment.writers == 0,
                false => held > seq && held.get() + WINDOW > old_next.get(),
            };
            if is_unwritten {
                self.close(key);
            }
        }
    }

    /// Whether the publisher began anew after it wrote this segment. It is there for readers that go on, until its number
    /// comes again.
    fn is_left_over(&self, key: usize) -> bool {
        let segment = &self.segments[key];
        segment.begun && segment.era < self.era
    }

    /// A segment is complete: lower ones that nobody writes to end, those that have not begun a little later.
    fn end_skipped(&mut self, now: Instant, seq: Seq) {
        for (held, key) in self.window.all() {
            let segment = &self.segments[key];
            if held < seq && segment.begun && !segment.closed && segment.writers == 0 {
                self.close(key);
            }
        }
        self.skip_below(now, seq);
    }

    /// Closes a segment that nobody will complete. If it had begun, lower ones that have not are skipped.
    fn give_up(&mut self, now: Instant, key: usize) {
        self.close(key);
        let segment = &mut self.segments[key];
        if segment.begun {
            segment.completed_at.get_or_insert(now);
            self.skip_below(now, self.segments[key].seq);
        }
    }

    /// Nothing more comes of this segment: lower ones that have not begun, and that nobody writes to, end a little later.
    fn skip_below(&mut self, now: Instant, seq: Seq) {
        for (held, key) in self.window.all() {
            let segment = &mut self.segments[key];
            if held < seq && !segment.begun && !segment.closed && segment.writers == 0 {
                segment.ends_at.get_or_insert(now + self.skip_grace);
            }
        }
    }

    /// When the first of the later segments was complete.
    fn skipped_at(&self, seq: Seq) -> Option<Instant> {
        let later = self.window.all().filter(|(held, _)| *held > seq);
        later
            .filter(|(_, key)| !self.is_left_over(*key))
            .filter_map(|(_, key)| self.segments[key].completed_at)
            .min()
    }

    /// Whether this number is missing between others that are there, and may still be on its way.
    fn is_overtaken(&self, now: Instant, seq: Seq) -> bool {
        let has_begun = |key: usize| self.segments[key].begun && !self.is_left_over(key);
        // A publisher that begins anew may be preparing a segment here.
        let is_free = self.window.occupant(seq).is_none_or(|(held, key)| {
            (held < seq || self.is_left_over(key)) && self.segments[key].writers == 0
        });
        let follows = |(held, key): (Seq, usize)| held > seq && has_begun(key);
        // Nothing comes before the first one, so the one after it has to do.
        let beside = match seq {
            Seq::ZERO => seq.next(),
            _ => seq.previous(),
        };
        let is_beside = self.window.get(beside).is_some_and(has_begun);
        let in_time = self
            .skipped_at(seq)
            .is_none_or(|at| now < at + self.skip_grace);
        seq < self.next && is_free && is_beside && self.window.all().any(follows) && in_time
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let held = self
            .segments
            .iter()
            .map(|(_, segment)| segment.bytes.len())
            .sum();
        take(&self.counters.held_bytes, held);
        take(&self.counters.readers, self.readers.len() as u64);
        take(&self.counters.writers, self.writers.len() as u64);
    }
}

/// Whether a write to this number means that the publisher begins anew.
fn is_below(seq: Seq, next: Seq) -> bool {
    seq.get().saturating_add(WINDOW) < next.get()
}
