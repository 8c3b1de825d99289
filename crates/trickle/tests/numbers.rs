//! Rules about numbers that go back, are skipped, or are taken twice, on the machine of one channel.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    task::Waker,
    time::{Duration, Instant},
};

use bytes::Bytes;
use framerill_trickle::{
    relay::{
        Config,
        channel::{Attach, Channel, Open, ReadStep, Standing},
    },
    wire::{Seq, Wanted},
};

struct Desk {
    channel: Channel,
    now: Instant,
}

impl Desk {
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn new() -> Self {
        let now = Instant::now();
        let channel = Channel::new(now, None, &Config::default());
        Self { channel, now }
    }

    fn open(&mut self, number: u64) -> Open {
        self.channel.open(self.now, exact(number), false)
    }

    fn writer(&mut self, number: u64) -> usize {
        match self.open(number) {
            Open::Writing { writer, .. } => writer,
            other => panic!("{other:?}"),
        }
    }

    fn append(&mut self, writer: usize, bytes: &'static str) {
        self.channel
            .append(self.now, writer, Bytes::from_static(bytes.as_bytes()));
    }

    fn segment(&mut self, number: u64, bytes: &'static str) {
        let writer = self.writer(number);
        self.append(writer, bytes);
        self.channel.finish(self.now, writer);
    }

    fn reader(&mut self, number: u64) -> usize {
        match self.channel.attach(self.now, exact(number)) {
            Attach::Reading(reader) => reader,
            other => panic!("{other:?}"),
        }
    }

    fn read(&mut self, reader: usize) -> (ReadStep, Vec<u8>) {
        let mut out = Vec::new();
        let step = self
            .channel
            .read(self.now, reader, Waker::noop(), 99, &mut out);
        (step, out.concat())
    }

    fn pass(&mut self, span: Duration) {
        self.now += span;
        self.channel.tick(self.now);
    }

    fn next(&self) -> u64 {
        self.channel.next().get()
    }
}

fn seq(number: u64) -> Seq {
    Seq::new(number).unwrap()
}

fn exact(number: u64) -> Wanted {
    Wanted::Exact(seq(number))
}

const END: (ReadStep, Vec<u8>) = (ReadStep::End, Vec::new());
const WAIT: (ReadStep, Vec<u8>) = (ReadStep::Wait, Vec::new());

#[test]
fn a_publisher_that_begins_anew_writes_over_what_it_left() {
    let mut desk = Desk::new();
    (0..8).for_each(|number| desk.segment(number, "old"));
    (0..3).for_each(|number| desk.segment(number, "new"));
    assert_eq!(desk.next(), 3);
    let waiting = desk.reader(3);
    assert_eq!(desk.read(waiting), WAIT, "the old one does not come again");
    desk.segment(3, "new");
    assert_eq!(desk.read(waiting).1, b"new");
    let behind = desk.reader(4);
    assert_eq!(desk.read(behind), WAIT);
}

#[test]
fn a_late_first_byte_is_no_restart() {
    let mut desk = Desk::new();
    let late = desk.writer(0);
    for number in [1, 2, 3, 4, 6, 7, 8, 9] {
        desk.segment(number, "in time");
    }
    desk.append(late, "late");
    desk.channel.finish(desk.now, late);
    assert_eq!(desk.next(), 10);
}

#[test]
fn a_deleted_segment_that_nobody_wrote_is_no_restart() {
    let mut desk = Desk::new();
    let post = desk.writer(0);
    for number in [1, 2, 3, 4, 6, 7, 8, 9] {
        desk.segment(number, "in time");
    }
    assert!(desk.channel.close_segment(seq(0)));
    assert_eq!(desk.channel.standing(post, Waker::noop()), Standing::Closed);
    assert_eq!(desk.next(), 10);
}

#[test]
fn a_skipped_segment_ends_when_the_one_after_it_is_deleted() {
    let mut desk = Desk::new();
    let skipped = desk.reader(0);
    let writer = desk.writer(1);
    desk.append(writer, "bytes");
    assert!(desk.channel.close_segment(seq(1)));
    assert!(desk.channel.due().is_some(), "somebody waits");
    desk.pass(Config::default().skip_grace);
    assert_eq!(desk.read(skipped), END);
}

#[test]
fn a_skipped_segment_ends_when_the_one_after_it_broke_off_for_good() {
    let mut desk = Desk::new();
    let skipped = desk.reader(0);
    let writer = desk.writer(1);
    desk.append(writer, "bytes");
    desk.channel.abandon(desk.now, writer);
    desk.pass(Config::default().grace);
    desk.pass(Config::default().skip_grace);
    assert_eq!(desk.read(skipped), END);
}

#[test]
fn a_skipped_segment_ends_when_the_one_after_it_loses_its_place() {
    let mut desk = Desk::new();
    let skipped = desk.reader(0);
    let writer = desk.writer(1);
    desk.append(writer, "bytes");
    desk.writer(6);
    desk.pass(Config::default().skip_grace);
    assert_eq!(desk.read(skipped), END);
}

#[test]
fn a_reader_of_an_evicted_segment_does_not_push_out_what_a_publisher_prepares() {
    let mut desk = Desk::new();
    (0..11).for_each(|number| desk.segment(number, "old"));
    let prepared = desk.writer(0);
    let newest = desk.channel.attach(desk.now, Wanted::Newest);
    assert!(matches!(newest, Attach::Missing { .. }), "{newest:?}");
    assert_eq!(
        desk.channel.standing(prepared, Waker::noop()),
        Standing::Open
    );
}
