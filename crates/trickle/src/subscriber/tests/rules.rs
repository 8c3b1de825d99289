//! One rule each, against scripted answers.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use crate::{
    failure::{Answer, Failure, Wait},
    subscriber::{Config, End, Event, GetId, Input, Join, Output, Subscriber},
    wire::{Seq, Wanted},
};

const SECOND: Duration = Duration::from_secs(1);

fn seq(number: u64) -> Seq {
    Seq::new(number).expect("tests use small numbers")
}

fn exact(number: u64) -> Wanted {
    Wanted::Exact(seq(number))
}

fn ok(number: u64) -> Answer {
    Answer {
        status: 200,
        seq: Some(seq(number)),
        mime: Some("video/mp2t".into()),
        ..Answer::default()
    }
}

fn empty(number: u64, latest: u64) -> Answer {
    Answer {
        mime: None,
        latest: Some(seq(latest)),
        ..ok(number)
    }
}

fn hint(latest: u64) -> Answer {
    Answer {
        status: 470,
        latest: Some(seq(latest)),
        ..Answer::default()
    }
}

fn status(status: u16) -> Answer {
    Answer {
        status,
        ..Answer::default()
    }
}

/// A subscriber, what it asked for, and what it said.
struct Desk {
    machine: Subscriber,
    now: Duration,
    wake: Option<Duration>,
    gets: Vec<(GetId, Wanted)>,
    reads: Vec<GetId>,
    dropped: Vec<GetId>,
    events: VecDeque<Event>,
}

impl Desk {
    fn new(join: Join) -> Self {
        let config = Config {
            join,
            ..Config::default()
        };
        let mut desk = Self {
            machine: Subscriber::new(config, Duration::ZERO, 4),
            now: Duration::ZERO,
            wake: None,
            gets: Vec::new(),
            reads: Vec::new(),
            dropped: Vec::new(),
            events: VecDeque::new(),
        };
        desk.settle();
        desk
    }

    /// One that reads segment 0 and waits for 1.
    fn reading() -> Self {
        let mut desk = Self::new(Join::Live);
        desk.head(ok(0));
        desk.bytes("zero");
        desk.events.clear();
        desk
    }

    fn settle(&mut self) {
        loop {
            match self.machine.poll() {
                Output::WakeAt(at) => {
                    assert!(at > self.now, "it wakes in the past");
                    return self.wake = Some(at);
                }
                Output::Idle => return self.wake = None,
                Output::Event(event) => self.events.push_back(event),
                Output::Get(id, wanted) => self.gets.push((id, wanted)),
                Output::Read(id) => self.reads.push(id),
                Output::Drop(id) => self.dropped.push(id),
            }
        }
    }

    fn give(&mut self, input: Input) {
        self.machine.handle(self.now, input);
        self.settle();
    }

    fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.wake.filter(|at| *at <= end) {
            self.now = at;
            self.give(Input::Deadline);
        }
        self.now = end;
    }

    fn asked(&self) -> GetId {
        self.gets.last().expect("it asks for something").0
    }

    /// The GET that was made last is answered.
    fn head(&mut self, answer: Answer) {
        let id = self.asked();
        self.give(Input::Sent(id));
        self.give(Input::Head(id, answer));
    }

    fn read(&self) -> GetId {
        *self.reads.last().expect("it reads something")
    }

    fn bytes(&mut self, text: &'static str) {
        let bytes = Bytes::from_static(text.as_bytes());
        self.give(Input::Bytes(self.read(), bytes));
    }

    fn end(&mut self) {
        self.give(Input::End(self.read()));
    }

    fn wanted(&self) -> Vec<Wanted> {
        self.gets.iter().map(|(_, wanted)| *wanted).collect()
    }

    fn said(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }
}

fn begin(number: u64) -> Event {
    Event::Begin {
        seq: seq(number),
        mime: Some("video/mp2t".into()),
    }
}

fn bytes(text: &'static str) -> Event {
    Event::Bytes(Bytes::from_static(text.as_bytes()))
}

fn end(number: u64, bytes: u64, complete: bool) -> Event {
    Event::End {
        seq: seq(number),
        bytes,
        complete,
    }
}

#[test]
fn the_next_segment_is_asked_for_when_the_head_of_the_present_one_is_there() {
    let mut desk = Desk::new(Join::Live);
    assert_eq!(desk.wanted(), [Wanted::Upcoming]);
    desk.head(ok(7));
    assert_eq!(desk.wanted(), [Wanted::Upcoming, exact(8)]);
    assert!(desk.events.is_empty());
    desk.bytes("seven");
    assert_eq!(desk.said(), [begin(7), bytes("seven")]);
}

#[test]
fn a_head_that_comes_early_waits_for_its_turn_unread() {
    let mut desk = Desk::reading();
    desk.head(ok(1));
    assert_eq!(desk.reads.len(), 1);
    assert_eq!(desk.wanted(), [Wanted::Upcoming, exact(1)]);
    desk.bytes("more");
    desk.end();
    assert_eq!(desk.reads.len(), 2);
    assert_eq!(desk.wanted(), [Wanted::Upcoming, exact(1), exact(2)]);
    desk.bytes("one");
    assert_eq!(
        desk.said(),
        [bytes("more"), end(0, 8, true), begin(1), bytes("one")]
    );
}

#[test]
fn a_join_can_be_at_the_newest_or_at_a_number() {
    assert_eq!(Desk::new(Join::Newest).wanted(), [Wanted::Newest]);
    assert_eq!(Desk::new(Join::At(seq(5))).wanted(), [exact(5)]);
}

#[test]
fn a_hint_is_followed_at_once_and_the_gap_is_said() {
    let mut desk = Desk::reading();
    desk.end();
    desk.head(hint(9));
    assert_eq!(desk.wanted().last(), Some(&exact(9)));
    desk.head(ok(9));
    desk.bytes("nine");
    let gap = Event::Gap {
        from: seq(1),
        to: seq(9),
    };
    assert_eq!(desk.said(), [end(0, 4, true), gap, begin(9), bytes("nine")]);
}

#[test]
fn a_reader_of_messages_reads_the_newest_that_it_missed_before_it_waits() {
    let mut desk = Desk::reading();
    desk.machine.config.keep_newest = true;
    desk.end();
    desk.head(hint(9));
    assert_eq!(desk.wanted().last(), Some(&exact(8)));
}

#[test]
fn a_hint_for_the_next_segment_does_not_disturb_the_present_one() {
    let mut desk = Desk::reading();
    desk.head(hint(9));
    desk.head(ok(9));
    desk.bytes("more");
    desk.end();
    desk.bytes("nine");
    let gap = Event::Gap {
        from: seq(1),
        to: seq(9),
    };
    assert_eq!(
        desk.said(),
        [bytes("more"), end(0, 8, true), gap, begin(9), bytes("nine")]
    );
}

#[test]
fn hints_in_a_row_are_followed_slower_and_then_at_the_live_edge() {
    let mut desk = Desk::new(Join::At(seq(3)));
    desk.head(hint(9));
    for number in 10..15 {
        let before = desk.gets.len();
        desk.head(hint(number));
        assert_eq!(desk.gets.len(), before);
        desk.run_for(SECOND * 2);
        assert_eq!(desk.wanted().last(), Some(&exact(number)));
    }
    desk.head(hint(15));
    desk.run_for(SECOND * 2);
    assert_eq!(desk.wanted().last(), Some(&Wanted::Upcoming));
    desk.head(ok(16));
    desk.bytes("sixteen");
    let gap = Event::Gap {
        from: seq(3),
        to: seq(16),
    };
    assert_eq!(desk.said(), [gap, begin(16), bytes("sixteen")]);
}

#[test]
fn a_hint_below_what_was_delivered_is_a_new_beginning() {
    let mut desk = Desk::new(Join::At(seq(12)));
    desk.head(ok(12));
    desk.bytes("twelve");
    desk.end();
    desk.said();
    desk.head(hint(3));
    assert_eq!(desk.wanted().last(), Some(&exact(2)));
    desk.head(ok(2));
    desk.bytes("two");
    let restarted = Event::Restarted {
        from: seq(13),
        to: seq(2),
    };
    assert_eq!(desk.said(), [restarted, begin(2), bytes("two")]);
}

#[test]
fn a_wait_that_ends_because_numbers_went_back_is_no_segment() {
    let mut desk = Desk::new(Join::At(seq(11)));
    desk.head(ok(11));
    desk.bytes("eleven");
    desk.end();
    desk.said();
    desk.head(empty(12, 1));
    desk.end();
    assert_eq!(desk.wanted(), [exact(11), exact(12), exact(0)]);
    assert!(desk.events.is_empty());
}

#[test]
fn a_segment_of_no_bytes_is_delivered_once() {
    let mut desk = Desk::reading();
    desk.end();
    desk.head(empty(1, 2));
    desk.end();
    let begins = Event::Begin {
        seq: seq(1),
        mime: None,
    };
    assert_eq!(desk.said(), [end(0, 4, true), begins, end(1, 0, true)]);
    assert_eq!(desk.wanted(), [Wanted::Upcoming, exact(1), exact(2)]);
}

#[test]
fn a_number_that_nobody_wrote_to_is_asked_for_again_with_pauses() {
    let mut desk = Desk::reading();
    desk.end();
    desk.said();
    for _ in 0..20 {
        let before = desk.gets.len();
        desk.head(empty(1, 1));
        desk.end();
        assert_eq!(desk.gets.len(), before);
        desk.run_for(SECOND * 2);
        assert_eq!(desk.wanted().last(), Some(&exact(1)));
    }
    desk.head(ok(1));
    desk.bytes("one");
    assert_eq!(desk.said(), [begin(1), bytes("one")]);
}

#[test]
fn closed_is_the_end_once_the_present_segment_is_over() {
    let mut desk = Desk::reading();
    let closed = Answer {
        closed: true,
        ..empty(1, 1)
    };
    desk.head(closed);
    assert!(!desk.machine.is_over());
    desk.bytes("more");
    desk.end();
    let ended = Event::Ended(End::Closed);
    assert_eq!(desk.said(), [bytes("more"), end(0, 8, true), ended]);
    assert_eq!(desk.wake, None);
}

#[test]
fn a_missing_channel_after_a_success_is_the_end() {
    let mut desk = Desk::reading();
    desk.end();
    desk.said();
    desk.head(status(404));
    assert_eq!(desk.said(), [Event::Ended(End::Closed)]);
}

#[test]
fn a_missing_channel_at_first_is_waited_for_but_not_for_ever() {
    let mut desk = Desk::new(Join::Live);
    while !desk.machine.is_over() {
        desk.head(status(404));
        desk.run_for(SECOND * 2);
        assert!(desk.now < SECOND * 20);
    }
    assert_eq!(desk.said(), [Event::Ended(End::NotFound)]);
    assert!(desk.now > SECOND * 9);
}

#[test]
fn a_missing_channel_after_the_server_was_away_is_waited_for() {
    let mut desk = Desk::reading();
    desk.end();
    desk.said();
    let broken = Failure::Broken("reset".into());
    desk.give(Input::Failed(desk.asked(), broken.clone()));
    assert_eq!(desk.said(), [Event::Trouble(broken)]);
    desk.run_for(SECOND);
    desk.head(status(404));
    desk.run_for(SECOND);
    desk.head(hint(0));
    assert_eq!(desk.wanted().last(), Some(&exact(0)));
    desk.head(ok(0));
    desk.bytes("again");
    let restarted = Event::Restarted {
        from: seq(1),
        to: seq(0),
    };
    assert_eq!(desk.said(), [restarted, begin(0), bytes("again")]);
}

#[test]
fn a_segment_that_breaks_off_is_said_to_be_truncated() {
    let mut desk = Desk::reading();
    let broken = Failure::Broken("reset".into());
    desk.give(Input::Failed(desk.read(), broken.clone()));
    assert_eq!(desk.said(), [end(0, 4, false), Event::Trouble(broken)]);
    assert_eq!(desk.wanted(), [Wanted::Upcoming, exact(1)]);
    desk.head(ok(1));
    desk.bytes("one");
    assert_eq!(desk.said(), [begin(1), bytes("one")]);
}

#[test]
fn a_segment_that_breaks_off_before_its_first_byte_is_asked_for_again() {
    let mut desk = Desk::reading();
    desk.end();
    desk.head(ok(1));
    desk.give(Input::Failed(desk.read(), Failure::Broken("reset".into())));
    desk.run_for(SECOND);
    assert_eq!(desk.wanted().last(), Some(&exact(1)));
    desk.said();
    desk.head(ok(1));
    desk.bytes("one");
    assert_eq!(desk.said(), [begin(1), bytes("one")]);
}

#[test]
fn a_segment_that_brings_nothing_for_too_long_is_given_up() {
    let mut desk = Desk::reading();
    desk.head(ok(1));
    desk.run_for(Config::default().idle_time);
    let late = Event::Trouble(Failure::Late(Wait::Body));
    assert_eq!(desk.said(), [end(0, 4, false), late]);
    assert_eq!(desk.reads.len(), 2);
}

#[test]
fn a_segment_that_does_not_begin_is_asked_for_again_every_20_seconds_for_as_long_as_it_takes() {
    let mut desk = Desk::reading();
    desk.end();
    desk.said();
    for _ in 0..1000 {
        desk.give(Input::Sent(desk.asked()));
        desk.run_for(SECOND * 20);
    }
    assert_eq!(desk.gets.len(), 1002);
    assert!(desk.wanted()[1..].iter().all(|it| *it == exact(1)));
    assert_eq!(desk.dropped.len(), 1000);
    assert!(desk.events.is_empty());
    desk.head(ok(1));
    desk.bytes("one");
    assert_eq!(desk.said(), [begin(1), bytes("one")]);
}

#[test]
fn a_server_that_stays_away_is_the_end() {
    let mut desk = Desk::reading();
    desk.end();
    desk.said();
    while !desk.machine.is_over() {
        desk.give(Input::Failed(
            desk.asked(),
            Failure::Unreachable("down".into()),
        ));
        desk.run_for(SECOND * 2);
        assert!(desk.now < SECOND * 100);
    }
    let down = Failure::Unreachable("down".into());
    assert_eq!(
        desk.said(),
        [
            Event::Trouble(down.clone()),
            Event::Ended(End::Unreachable(down))
        ]
    );
}

#[test]
fn a_kept_connection_that_was_gone_is_replaced_at_once() {
    let mut desk = Desk::reading();
    desk.give(Input::Failed(desk.asked(), Failure::Stale));
    assert_eq!(desk.wanted(), [Wanted::Upcoming, exact(1), exact(1)]);
    assert!(desk.events.is_empty());
}

#[test]
fn a_refusal_is_the_end_and_a_full_server_is_not() {
    let mut desk = Desk::reading();
    desk.head(status(503));
    desk.run_for(SECOND);
    assert_eq!(desk.wanted(), [Wanted::Upcoming, exact(1), exact(1)]);
    desk.head(status(403));
    desk.end();
    assert_eq!(
        desk.said(),
        [
            Event::Trouble(Failure::Refused(503)),
            end(0, 4, true),
            Event::Ended(End::Refused(403))
        ]
    );
}

#[test]
fn an_answer_about_another_number_is_not_taken_for_the_segment() {
    let mut desk = Desk::reading();
    desk.end();
    desk.said();
    desk.head(ok(0));
    assert!(matches!(
        desk.said()[..],
        [Event::Trouble(Failure::Malformed(_))]
    ));
    desk.run_for(SECOND);
    assert_eq!(desk.wanted().last(), Some(&exact(1)));
}

#[test]
fn a_number_that_was_asked_for_needs_no_header() {
    let mut desk = Desk::reading();
    let silent = Answer { seq: None, ..ok(1) };
    desk.end();
    desk.said();
    desk.head(silent);
    desk.bytes("one");
    assert_eq!(desk.said(), [begin(1), bytes("one")]);
}

#[test]
fn what_arrived_while_the_caller_was_away_is_not_late() {
    let mut desk = Desk::reading();
    let next = desk.asked();
    desk.now += SECOND * 100;
    // The driver is back, and first tells what has come.
    desk.machine.handle(desk.now, Input::Sent(next));
    desk.machine.handle(desk.now, Input::Head(next, ok(1)));
    desk.bytes("more");
    desk.end();
    assert_eq!(
        desk.said(),
        [
            bytes("more"),
            Event::End {
                seq: seq(0),
                bytes: 8,
                complete: true
            }
        ]
    );
    assert_eq!(desk.dropped, []);
}
