//! What a connection holds: its place as a reader or a writer, given back when it is dropped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Waker;
use std::time::Instant;

use bytes::Bytes;

use super::channel::Channel;
use crate::wire::Seq;

pub use super::channel::{Append, Finish, ReadHead, ReadStep, Standing};

/// A channel and its lock.
pub(crate) struct Cell {
    channel: Mutex<Channel>,
    due: Arc<Due>,
    /// The earliest time at which [`Cell::tick`] is still to be called.
    scheduled: Mutex<Option<Instant>>,
}

impl Cell {
    pub(crate) fn new(channel: Channel, due: Arc<Due>) -> Arc<Self> {
        Arc::new(Self {
            channel: Mutex::new(channel),
            due,
            scheduled: Mutex::default(),
        })
    }

    /// Asks or tells the machine, then wakes whom that concerns.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Channel) -> T) -> T {
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = act(&mut channel);
        let woken = channel.take_woken();
        drop(channel);
        woken.into_iter().for_each(Waker::wake);
        answer
    }

    /// Asks or tells the machine, and sees to it that [`Cell::tick`] is called when it wants that. A call too many does
    /// no harm; one that is on record is still to come.
    pub(crate) fn with_due<T>(self: &Arc<Self>, act: impl FnOnce(&mut Channel) -> T) -> T {
        let (answer, due) = self.with(|channel| (act(channel), channel.due()));
        if let Some(at) = due {
            let mut scheduled = self
                .scheduled
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if scheduled.is_none_or(|earlier| at < earlier) {
                *scheduled = Some(at);
                self.due.insert(at, self);
            }
        }
        answer
    }

    fn tick(self: &Arc<Self>, now: Instant) {
        self.scheduled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take_if(|at| *at <= now);
        self.with_due(|channel| channel.tick(now));
    }
}

/// Channels that want to be called at a time.
#[derive(Default)]
pub(crate) struct Due(Mutex<DueList>);

#[derive(Default)]
struct DueList {
    cells: BTreeMap<(Instant, u64), Weak<Cell>>,
    last: u64,
    waker: Option<Waker>,
}

impl Due {
    fn insert(&self, at: Instant, cell: &Arc<Cell>) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.last += 1;
        let key = (at, list.last);
        list.cells.insert(key, Arc::downgrade(cell));
        let waker = list.waker.take();
        drop(list);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The earliest time, or the waker is kept for when there is another one.
    pub(crate) fn next(&self, waker: &Waker) -> Option<Instant> {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.waker = Some(waker.clone());
        list.cells.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn tick(&self, now: Instant) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let later = list.cells.split_off(&(now, u64::MAX));
        let ready = std::mem::replace(&mut list.cells, later);
        drop(list);
        ready
            .into_values()
            .filter_map(|cell| cell.upgrade())
            .for_each(|cell| cell.tick(now));
    }
}

/// A reader of one segment. Dropping it gives its place back.
pub struct Reader {
    cell: Arc<Cell>,
    key: usize,
}

impl Reader {
    pub(crate) fn new(cell: Arc<Cell>, key: usize) -> Self {
        Self { cell, key }
    }

    /// Hands out what comes next, at most `max_bytes`, or keeps the waker. With `max_bytes` 0, bytes are announced and
    /// not taken.
    pub fn read(
        &mut self,
        now: Instant,
        waker: &Waker,
        max_bytes: usize,
        out: &mut Vec<Bytes>,
    ) -> ReadStep {
        self.cell
            .with(|channel| channel.read(now, self.key, waker, max_bytes, out))
    }

    /// What to tell before the first byte, or instead of one.
    pub fn head(&self) -> ReadHead {
        self.cell.with(|channel| channel.read_head(self.key))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.cell.with(|channel| channel.detach(self.key));
    }
}

/// A writer of one segment. Dropping it without [`Writer::finish`] means that its body broke off.
pub struct Writer {
    cell: Arc<Cell>,
    key: Option<usize>,
    seq: Seq,
}

impl Writer {
    pub(crate) fn new(cell: Arc<Cell>, key: usize, seq: Seq) -> Self {
        Self {
            cell,
            key: Some(key),
            seq,
        }
    }

    /// Number of the segment.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Bytes of the body.
    pub fn append(&mut self, now: Instant, bytes: Bytes) -> Append {
        let Some(key) = self.key else {
            return Append::Dropped;
        };
        self.cell.with(|channel| channel.append(now, key, bytes))
    }

    /// Whether there still is something to write to. If so, the waker is kept.
    pub fn standing(&mut self, waker: &Waker) -> Standing {
        match self.key {
            Some(key) => self.cell.with(|channel| channel.standing(key, waker)),
            None => Standing::Closed,
        }
    }

    /// The end of the body: the segment is complete.
    pub fn finish(mut self, now: Instant) -> Finish {
        match self.key.take() {
            Some(key) => self.cell.with_due(|channel| channel.finish(now, key)),
            None => Finish {
                empty: true,
                over: true,
            },
        }
    }

    /// The body broke off. What was written stays, and may be continued within the grace period.
    pub fn abandon(mut self, now: Instant) {
        if let Some(key) = self.key.take() {
            self.cell.with_due(|channel| channel.abandon(now, key));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.cell
                .with_due(|channel| channel.abandon_at_last_byte(key));
        }
    }
}
