//! The reference: what was written, what the hub took of it under which number, and so what its readers must see and how
//! much memory it may hold.

use std::collections::{BTreeMap, BTreeSet};

use crate::content;

/// Segments that a channel keeps.
const WINDOW: u64 = 5;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Bytes of the caller's segments so far, by their index.
    pub(crate) written: Vec<u64>,
    /// Which of them each connection carries.
    pub(crate) carried: BTreeMap<u64, u64>,
    /// Numbers whose bytes the hub did not take, as they came too late.
    pub(crate) dropped: BTreeSet<u64>,
    records: Vec<Record>,
    /// The records in the window, by their place.
    places: [Option<usize>; 5],
}

/// A segment in the hub.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) seq: u64,
    pub(crate) len: u64,
    parts: Vec<Part>,
    /// A reader saw its end: it does not grow any more.
    is_ended: bool,
    /// The hub dropped bytes that came too late for it.
    pub(crate) is_cut: bool,
    /// A body of it came to its end.
    pub(crate) is_whole: bool,
}

/// Bytes of one of the caller's segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    index: u64,
    from: u64,
    len: u64,
}

impl Ledger {
    pub(crate) fn record(&self, record: usize) -> &Record {
        &self.records[record]
    }

    /// The records of a number, in every life of the channel.
    pub(crate) fn records_of(&self, seq: u64) -> impl DoubleEndedIterator<Item = &Record> {
        self.records.iter().filter(move |it| it.seq == seq)
    }

    /// The record that the window has under a number.
    fn held_as(&self, seq: u64) -> Option<usize> {
        let record = self.places[place(seq)]?;
        (self.records[record].seq == seq).then_some(record)
    }

    /// Whether the window has bytes of this number, so that a writer either goes on behind them or begins anew.
    pub(crate) fn has_bytes(&self, seq: u64) -> bool {
        self.held_as(seq).is_some_and(|it| self.records[it].len > 0)
    }

    /// A GET got this number; `has_bytes`: there are some to read, or not, or the end without any.
    pub(crate) fn attach_reader(&mut self, seq: u64, has_bytes: Option<bool>) -> usize {
        let is_other = |it: usize| match has_bytes {
            Some(true) => false,
            Some(false) => self.records[it].len > 0,
            None => self.records[it].len > 0 || self.records[it].is_ended,
        };
        let is_fresh = self.held_as(seq).is_some_and(is_other);
        self.attach(seq, is_fresh)
    }

    /// A POST got this number; `is_fresh`: the segment is a new one for sure. What readers saw the end of is not written
    /// to again.
    pub(crate) fn attach_writer(&mut self, seq: u64, is_fresh: bool) -> usize {
        let is_ended = self
            .held_as(seq)
            .is_some_and(|it| self.records[it].is_ended);
        self.attach(seq, is_fresh || is_ended)
    }

    fn attach(&mut self, seq: u64, is_fresh: bool) -> usize {
        let known = self.held_as(seq).filter(|_| !is_fresh);
        let record = known.unwrap_or_else(|| {
            self.records.push(Record {
                seq,
                ..Record::default()
            });
            self.records.len() - 1
        });
        self.places[place(seq)] = Some(record);
        record
    }

    /// The hub took bytes from a connection that had written `from` before.
    pub(crate) fn store(&mut self, record: usize, connection: u64, from: u64, bytes: &[u8]) {
        let index = self.carried[&connection];
        let wrong = content::difference(index, from, bytes);
        assert_eq!(wrong, None, "segment {index} came wrong to the server");
        let record = &mut self.records[record];
        assert!(
            !record.is_ended,
            "segment {} grew behind its end",
            record.seq
        );
        let len = bytes.len() as u64;
        record.len += len;
        match record.parts.last_mut() {
            Some(last) if last.index == index && last.from + last.len == from => last.len += len,
            _ => record.parts.push(Part { index, from, len }),
        }
    }

    pub(crate) fn cut(&mut self, record: usize) {
        self.records[record].is_cut = true;
    }

    pub(crate) fn complete(&mut self, record: usize) {
        self.records[record].is_whole = true;
    }

    /// The hub told a reader that the segment ends behind so many bytes.
    pub(crate) fn end(&mut self, record: usize, read: u64) {
        let record = &mut self.records[record];
        assert_eq!(
            read, record.len,
            "the end of segment {} is early",
            record.seq
        );
        record.is_ended = true;
    }

    /// A reader got these bytes behind `from` others.
    pub(crate) fn check(&self, record: usize, from: u64, bytes: &[u8]) {
        let record = &self.records[record];
        let (mut start, mut at, mut rest) = (0, from, bytes);
        for part in &record.parts {
            let end = start + part.len;
            if at < end && !rest.is_empty() {
                let len = rest.len().min(usize::try_from(end - at).unwrap());
                let wrong = content::difference(part.index, part.from + at - start, &rest[..len]);
                assert_eq!(wrong, None, "segment {} differs", record.seq);
                (at, rest) = (at + len as u64, &rest[len..]);
            }
            start = end;
        }
        assert!(rest.is_empty(), "segment {} has no such bytes", record.seq);
    }

    /// Bytes that the hub may hold: those of the window, and those that connections still read or write.
    pub(crate) fn held(&self, pinned: impl Iterator<Item = usize>) -> u64 {
        let held: BTreeSet<usize> = self
            .places
            .iter()
            .flatten()
            .copied()
            .chain(pinned)
            .collect();
        held.into_iter().map(|it| self.records[it].len).sum()
    }

    /// The channel is gone.
    pub(crate) fn forget_channel(&mut self) {
        self.places = [None; 5];
    }
}

impl Record {
    /// The caller's segment of which this holds the first bytes and nothing else.
    pub(crate) fn index(&self) -> Option<u64> {
        match self.parts[..] {
            [Part { index, from: 0, .. }] => Some(index),
            _ => None,
        }
    }

    /// The caller's segment of so many bytes that is here from its first to its last one. What an earlier publisher left
    /// may stand before it.
    pub(crate) fn carries(&self, bytes: u64) -> Option<u64> {
        let is_it = |part: &&Part| part.from == 0 && part.len == bytes;
        self.parts.iter().find(is_it).map(|part| part.index)
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }
}

fn place(seq: u64) -> usize {
    usize::try_from(seq % WINDOW).unwrap()
}
