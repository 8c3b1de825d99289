//! What a subscriber's caller is promised: every byte of every segment once and in order, and what is missing is said.

use std::{collections::BTreeSet, time::Duration};

use framerill_trickle::{
    subscriber::{End, Event, Join},
    wire::Seq,
};

use crate::ledger::Ledger;

#[derive(Debug)]
pub(crate) struct Witness {
    /// The number that comes next, unless something else is said.
    expected: Option<Seq>,
    /// The number that a gap or a restart said to come next.
    announced: Option<Seq>,
    has_delivered: bool,
    present: Option<Present>,
    /// Records that began.
    begun: BTreeSet<usize>,
    /// The caller's segments that came whole.
    pub(crate) whole: BTreeSet<u64>,
    pub(crate) end: Option<End>,
    pub(crate) ended_at: Duration,
    pub(crate) gaps: u64,
    pub(crate) restarts: u64,
    pub(crate) troubles: u64,
    pub(crate) truncated: u64,
}

#[derive(Debug)]
struct Present {
    seq: Seq,
    record: usize,
    read: u64,
}

impl Witness {
    pub(crate) fn new(join: Join) -> Self {
        Self {
            expected: match join {
                Join::At(seq) => Some(seq),
                Join::Live | Join::Newest => None,
            },
            announced: None,
            has_delivered: false,
            present: None,
            begun: BTreeSet::new(),
            whole: BTreeSet::new(),
            end: None,
            ended_at: Duration::ZERO,
            gaps: 0,
            restarts: 0,
            troubles: 0,
            truncated: 0,
        }
    }

    /// An event; `record`: what the reference knows as the segment that is read.
    pub(crate) fn event(
        &mut self,
        event: Event,
        record: Option<usize>,
        now: Duration,
        ledger: &Ledger,
    ) {
        assert_eq!(self.end, None, "something comes behind the end");
        match event {
            Event::Gap { from, to } => {
                assert!(self.present.is_none() && to > from);
                assert_eq!(self.expected, Some(from));
                self.announced = Some(to);
                self.gaps += 1;
            }
            Event::Restarted { from, to } => {
                assert!(self.present.is_none() && to < from && self.has_delivered);
                assert_eq!(self.expected, Some(from));
                self.announced = Some(to);
                self.restarts += 1;
            }
            Event::Begin { seq, .. } => self.begin(seq, record, ledger),
            Event::Bytes(bytes) => {
                assert!(!bytes.is_empty());
                let present = self.present.as_mut().expect("bytes belong to a segment");
                ledger.check(present.record, present.read, &bytes);
                present.read += bytes.len() as u64;
            }
            Event::End {
                seq,
                bytes,
                complete,
            } => self.finish(seq, bytes, complete, ledger),
            Event::Trouble(_) => self.troubles += 1,
            Event::Ended(end) => {
                assert!(self.present.is_none(), "it ends inside a segment");
                self.end = Some(end);
                self.ended_at = now;
            }
            other => panic!("{other:?} is unknown here"),
        }
    }

    fn begin(&mut self, seq: Seq, record: Option<usize>, ledger: &Ledger) {
        assert!(self.present.is_none(), "one segment begins inside another");
        let record = record.expect("a segment comes with an answer");
        assert_eq!(ledger.record(record).seq, seq.get());
        assert!(self.begun.insert(record), "segment {seq} comes twice");
        let next = self.announced.take().or(self.expected);
        assert!(
            next.is_none_or(|next| next == seq) || !self.has_delivered,
            "{seq} comes where {next:?} was due"
        );
        self.has_delivered = true;
        self.expected = Some(seq.next());
        self.present = Some(Present {
            seq,
            record,
            read: 0,
        });
    }

    fn finish(&mut self, seq: Seq, bytes: u64, complete: bool, ledger: &Ledger) {
        let present = self.present.take().expect("what ends has begun");
        assert_eq!((present.seq, present.read), (seq, bytes));
        if !complete {
            self.truncated += 1;
            return;
        }
        let record = ledger.record(present.record);
        assert!(record.is_ended(), "segment {seq} ends before its end");
        assert_eq!(bytes, record.len, "segment {seq} is not whole");
        let index = record.index().filter(|_| record.is_whole && !record.is_cut);
        self.whole.extend(index);
    }
}
