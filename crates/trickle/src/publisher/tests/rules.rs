//! One rule each.

use std::time::Duration;

use bytes::Bytes;

use super::world::{World, answer};
use crate::{
    failure::{Answer, Failure, Wait},
    publisher::{Backpressure, Config, End, Event, Input, Loss, Request, Start},
    wire::Seq,
};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn seq(number: u64) -> Seq {
    Seq::new(number).expect("tests use small numbers")
}

fn with(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

#[test]
fn the_next_post_opens_while_the_present_segment_is_written() {
    let mut world = World::manual(Config::default());
    assert_eq!(world.posts(), [0]);
    world.give(Input::Begin);
    assert_eq!(world.posts(), [0]);
    world.give(Input::Opened(world.post(0)));
    assert_eq!(world.posts(), [0, 1]);
    world.give(Input::Opened(world.post(1)));
    world.write("zero");
    world.give(Input::Begin);
    world.write("one");
    assert_eq!(world.posts(), [0, 1]);
}

#[test]
fn a_segment_begins_when_the_one_before_is_taken_and_does_not_wait_for_its_answer() {
    let mut world = World::manual(Config::default());
    world.give(Input::Opened(world.post(0)));
    world.segment("zero");
    world.give(Input::Opened(world.post(1)));
    world.segment("one");
    assert!(world.stored.is_empty());
    world.give(Input::Wrote(world.post(0), 4));
    world.give(Input::Finished(world.post(0)));
    world.give(Input::Wrote(world.post(1), 3));
    world.give(Input::Finished(world.post(1)));
    assert_eq!(world.text(0), (0, "zero", true));
    assert_eq!(world.text(1), (1, "one", true));
    assert!(world.events.is_empty());
    world.answer(world.post(1), 200);
    world.answer(world.post(0), 200);
    let sent = |number, bytes| Event::Sent {
        seq: seq(number),
        bytes,
    };
    assert_eq!(world.events, [sent(1, 3), sent(0, 4)]);
}

#[test]
fn a_segment_without_a_byte_on_the_wire_is_tried_again_every_quarter_of_a_second() {
    let mut world = World::new(Config::default(), 5);
    world.is_down = true;
    world.settle();
    world.segment("zero");
    world.run_for(SECOND / 2);
    let tries = world.posts().len();
    assert!((3..=5).contains(&tries), "{tries} tries in half a second");
    world.is_down = false;
    world.run_for(SECOND * 2);
    assert_eq!(world.text(0), (0, "zero", true));
    let trouble = Event::Trouble(Failure::Unreachable("down".into()));
    let sent = Event::Sent {
        seq: seq(0),
        bytes: 4,
    };
    assert_eq!(world.events, [trouble, sent]);
}

#[test]
fn latest_only_tries_a_segment_until_the_next_begins() {
    let mut world = World::new(
        with(|config| config.backpressure = Backpressure::LatestOnly),
        5,
    );
    world.is_down = true;
    world.settle();
    world.segment("zero");
    world.run_for(SECOND);
    world.segment("one");
    world.run_for(SECOND);
    world.is_down = false;
    world.run_for(SECOND * 2);
    assert_eq!(world.text(0), (1, "one", true));
    assert_eq!(world.stored.len(), 1);
    let lost = Event::Lost {
        seq: seq(0),
        sent: 0,
        dropped: 4,
        why: Loss::Superseded,
    };
    assert!(world.events.contains(&lost));
    let is_reset =
        |it: &Request| matches!(it, Request::Post { seq, reset: true } if seq.get() == 1);
    assert!(world.requests.iter().any(|(_, _, it)| is_reset(it)));
}

#[test]
fn a_segment_that_breaks_after_its_first_byte_is_lost_and_closed_for_its_readers() {
    let mut world = World::manual(Config::default());
    world.give(Input::Opened(world.post(0)));
    world.give(Input::Begin);
    world.give(Input::Opened(world.post(1)));
    world.write("zero");
    world.give(Input::Wrote(world.post(0), 3));
    world.break_off(world.post(0));
    let lost = Event::Lost {
        seq: seq(0),
        sent: 3,
        dropped: 1,
        why: Loss::Failed(Failure::Broken("as scripted".into())),
    };
    assert_eq!(world.events[0], lost);
    assert!(world.has_asked(Request::CloseSegment { seq: seq(0) }));
    world.write("more of it");
    world.segment("one");
    world.give(Input::Wrote(world.post(1), 3));
    assert_eq!(world.text(1).1, "one");
    assert_eq!(world.machine.counters().bytes_dropped, 11);
}

#[test]
fn a_channel_that_is_gone_is_made_again_and_numbers_go_on() {
    let mut world = World::new(with(|config| config.create = true), 5);
    world.settle();
    world.segment("zero");
    world.run_for(SECOND);
    world.has_channel = false;
    world.segment("one");
    world.segment("two");
    world.run_for(SECOND);
    assert!(!world.has_channel || world.stored.len() == 3);
    world.segment("three");
    world.run_for(SECOND * 2);
    let last = world.stored.len() - 1;
    assert_eq!(world.text(last), (3, "three", true));
    let created = world.events.iter().filter(|it| **it == Event::Created);
    assert_eq!(created.count(), 2);
}

#[test]
fn without_leave_to_create_a_missing_channel_is_the_end() {
    let mut world = World::manual(Config::default());
    world.give(Input::Opened(world.post(0)));
    world.answer(world.post(0), 404);
    assert_eq!(world.events, [Event::Ended(End::NotFound)]);
    assert_eq!(world.open_count(), 0);
}

#[test]
fn closed_is_the_end_whatever_the_status() {
    for status in [200, 404, 500] {
        let mut world = World::manual(Config::default());
        world.give(Input::Opened(world.post(0)));
        world.segment("zero");
        let answer = Answer {
            closed: true,
            ..answer(status)
        };
        world.give(Input::Answered(world.post(1), answer));
        let ended = world.events.last();
        assert_eq!(ended, Some(&Event::Ended(End::Closed)));
        assert!(matches!(
            world.events[0],
            Event::Lost {
                why: Loss::Ended,
                dropped: 4,
                ..
            }
        ));
        assert_eq!(world.open_count(), 0);
    }
}

#[test]
fn the_close_ends_the_preconnect_without_a_byte_before_it_deletes() {
    let mut world = World::manual(Config::default());
    world.give(Input::Opened(world.post(0)));
    world.segment("zero");
    world.give(Input::Opened(world.post(1)));
    world.give(Input::Close);
    world.give(Input::Wrote(world.post(0), 4));
    world.give(Input::Finished(world.post(0)));
    world.give(Input::Finished(world.post(1)));
    assert_eq!(world.text(1), (1, "", true));
    world.answer(world.post(0), 200);
    assert!(
        !world.has_asked(Request::Delete),
        "the empty one is on its way"
    );
    world.answer(world.post(1), 200);
    assert!(world.aborted.is_empty());
    assert!(world.has_asked(Request::Delete));
    let delete = world.last(|it| *it == Request::Delete);
    world.give(Input::Opened(delete));
    world.answer(delete, 200);
    assert_eq!(world.events.last(), Some(&Event::Ended(End::Finished)));
}

#[test]
fn a_preconnect_that_is_not_answered_holds_the_delete_up_for_the_drain_time_at_most() {
    let mut world = World::manual(with(|config| config.drain_time = SECOND));
    world.give(Input::Opened(world.post(0)));
    world.give(Input::Close);
    world.give(Input::Finished(world.post(0)));
    assert!(!world.has_asked(Request::Delete));
    world.run_for(SECOND);
    assert_eq!(world.aborted, [world.post(0)]);
    assert!(world.has_asked(Request::Delete));
    assert_eq!(world.machine.counters().segments_lost, 0);
}

#[test]
fn a_preconnect_is_broken_off_where_nothing_was_sent_or_the_channel_stays() {
    let mut connecting = World::manual(Config::default());
    connecting.give(Input::Close);
    assert_eq!(connecting.aborted, [connecting.post(0)]);
    assert!(connecting.has_asked(Request::Delete));
    let mut staying = World::manual(with(|config| config.delete = false));
    staying.give(Input::Opened(staying.post(0)));
    staying.give(Input::Close);
    assert_eq!(staying.aborted, [staying.post(0)]);
    assert!(staying.machine.is_over());
}

#[test]
fn a_close_that_cannot_be_sent_ends_all_the_same() {
    let mut world = World::new(Config::default(), 3);
    world.is_down = true;
    world.settle();
    world.segment("zero");
    world.give(Input::Close);
    world.run_for(SECOND * 11);
    assert!(world.machine.is_over());
    assert!(matches!(
        world.events[1],
        Event::Lost {
            why: Loss::Ended,
            ..
        }
    ));
}

#[test]
fn a_number_that_the_server_had_closed_is_passed_over_without_a_byte_lost() {
    let mut world = World::manual(Config::default());
    world.give(Input::Opened(world.post(0)));
    world.segment("zero");
    world.give(Input::Opened(world.post(1)));
    world.segment("one");
    world.answer(world.post(0), 200);
    world.give(Input::Wrote(world.post(1), 4));
    world.give(Input::Finished(world.post(1)));
    world.give(Input::Opened(world.post(2)));
    world.give(Input::Wrote(world.post(2), 3));
    world.give(Input::Finished(world.post(2)));
    assert_eq!(world.text(0), (1, "zero", true));
    assert_eq!(world.text(1), (2, "one", true));
    assert_eq!(world.events, [Event::Skipped { seq: seq(0) }]);
}

#[test]
fn a_server_that_closes_every_number_is_not_asked_in_a_tight_loop() {
    let mut world = World::manual(Config::default());
    let mut at_once = 0;
    while let Some(number) = world
        .posts()
        .last()
        .copied()
        .filter(|_| world.open_count() > 0)
    {
        let id = world.post(number);
        world.give(Input::Opened(id));
        world.answer(id, 200);
        at_once += 1;
        assert!(at_once < 20);
    }
    world.run_for(SECOND);
    assert!(world.open_count() > 0);
}

#[test]
fn a_start_at_the_upcoming_number_asks_for_it_first() {
    let config = with(|config| {
        config.start = Start::Upcoming;
        config.reset = true;
    });
    let mut world = World::manual(config);
    world.give(Input::Begin);
    world.write("late");
    assert_eq!(world.posts(), [0u64; 0]);
    let ask = world.last(|it| *it == Request::Latest);
    world.give(Input::Opened(ask));
    let answer = Answer {
        latest: Some(seq(7)),
        ..answer(200)
    };
    world.give(Input::Answered(ask, answer));
    world.give(Input::Opened(world.post(7)));
    assert_eq!(world.posts(), [7, 8]);
    let resets = |number| Request::Post {
        seq: seq(number),
        reset: true,
    };
    assert!(world.has_asked(resets(7)) && !world.has_asked(resets(8)));
}

#[test]
fn a_server_without_next_begins_at_zero() {
    for status in [404, 405] {
        let mut world = World::manual(with(|config| config.start = Start::Upcoming));
        world.answer(world.last(|it| *it == Request::Latest), status);
        assert_eq!(world.posts(), [0]);
    }
}

#[test]
fn a_kept_connection_that_was_gone_is_replaced_at_once() {
    let mut world = World::manual(Config::default());
    world.segment("zero");
    world.give(Input::Failed(world.post(0), Failure::Stale));
    assert_eq!(world.posts(), [0, 0]);
    assert!(world.events.is_empty());
}

#[test]
fn a_connection_that_takes_nothing_is_given_up() {
    let mut world = World::manual(Config::default());
    world.give(Input::Opened(world.post(0)));
    world.give(Input::Begin);
    world.give(Input::Opened(world.post(1)));
    world.run_for(Duration::from_secs(3600));
    assert!(world.aborted.is_empty());
    world.write("zero");
    world.give(Input::Wrote(world.post(0), 1));
    world.run_for(Config::default().write_time);
    let why = Loss::Failed(Failure::Late(Wait::Progress));
    assert!(
        matches!(&world.events[..], [.., Event::Lost { sent: 1, dropped: 3, why: it, .. }, _] if *it == why),
        "{:?}",
        world.events
    );
}

#[test]
fn an_answer_that_does_not_come_is_a_loss() {
    let mut world = World::manual(Config::default());
    world.give(Input::Opened(world.post(0)));
    world.segment("zero");
    world.give(Input::Wrote(world.post(0), 4));
    world.give(Input::Finished(world.post(0)));
    world.give(Input::Opened(world.post(1)));
    world.run_for(Config::default().answer_time);
    let lost = Event::Lost {
        seq: seq(0),
        sent: 4,
        dropped: 0,
        why: Loss::Failed(Failure::Late(Wait::Answer)),
    };
    assert_eq!(world.events[0], lost);
}

#[test]
fn nothing_reached_for_too_long_is_the_end() {
    let mut world = World::new(Config::default(), 9);
    world.is_down = true;
    world.settle();
    world.run_for(Config::default().give_up + SECOND * 2);
    let end = Event::Ended(End::Unreachable(Failure::Unreachable("down".into())));
    assert_eq!(world.events.last(), Some(&end));
}

#[test]
fn a_segment_that_goes_out_keeps_the_publisher_though_no_other_connection_comes_about() {
    let mut world = World::manual(Config::default());
    world.give(Input::Opened(world.post(0)));
    world.give(Input::Begin);
    for _ in 0..300 {
        world.write("x");
        world.give(Input::Wrote(world.post(0), 1));
        world.run_for(SECOND);
    }
    assert!(!world.machine.is_over());
    world.run_for(Config::default().give_up * 2);
    assert!(world.machine.is_over());
}

#[test]
fn a_refusal_is_the_end_and_a_full_server_is_not() {
    let mut world = World::manual(Config::default());
    world.answer(world.post(0), 403);
    assert_eq!(world.events, [Event::Ended(End::Refused(403))]);
    let mut world = World::manual(Config::default());
    world.answer(world.post(0), 503);
    world.run_for(SECOND / 4);
    assert_eq!(world.posts(), [0, 0]);
    assert_eq!(world.events, [Event::Trouble(Failure::Refused(503))]);
}

#[test]
fn a_segment_that_is_too_large_is_lost_and_the_next_goes_on() {
    let mut world = World::manual(Config::default());
    world.give(Input::Opened(world.post(0)));
    world.give(Input::Begin);
    world.write("zero");
    world.give(Input::Wrote(world.post(0), 4));
    world.answer(world.post(0), 413);
    let why = Loss::Failed(Failure::Refused(413));
    assert!(matches!(&world.events[..], [Event::Lost { why: it, .. }] if *it == why));
    assert!(!world.machine.is_over());
}

#[test]
fn an_abandoned_segment_is_not_ended_but_dropped() {
    let mut world = World::manual(Config::default());
    world.give(Input::Opened(world.post(0)));
    world.give(Input::Begin);
    world.write("zero");
    world.give(Input::Wrote(world.post(0), 2));
    world.give(Input::Abandon);
    assert_eq!(world.aborted, [world.post(0)]);
    assert!(world.has_asked(Request::CloseSegment { seq: seq(0) }));
    assert!(!world.stored[0].is_complete);
}

/// Three segments of 40 bytes wait behind one that is half sent; there is room for 250 bytes and what they cost.
fn crowded(backpressure: Backpressure) -> World {
    let mut world = World::manual(with(|config| {
        config.backpressure = backpressure;
        config.buffer_bytes = 4 * (40 + 64);
    }));
    world.give(Input::Opened(world.post(0)));
    for _ in 0..3 {
        world.segment("0123456789012345678901234567890123456789");
    }
    world.give(Input::Wrote(world.post(0), 20));
    world.give(Input::Begin);
    world.write("0123456789012345678901234567890123456789");
    world
}

#[test]
fn with_block_the_caller_is_told_that_there_is_no_room() {
    let world = crowded(Backpressure::Block);
    assert!(!world.machine.has_room(40));
    assert!(world.events.is_empty());
}

#[test]
fn drop_oldest_drops_what_has_not_begun_and_then_what_is_being_sent() {
    let mut world = crowded(Backpressure::DropOldest);
    world.give(Input::Write(Bytes::from_static(&[0; 60])));
    let lost = |number, sent, dropped| Event::Lost {
        seq: seq(number),
        sent,
        dropped,
        why: Loss::Overflow,
    };
    assert_eq!(world.events, [lost(1, 0, 40)]);
    world.give(Input::Write(Bytes::from_static(&[0; 100])));
    assert_eq!(
        world.events,
        [lost(1, 0, 40), lost(2, 0, 40), lost(0, 20, 20)]
    );
    world.give(Input::Write(Bytes::from_static(&[0; 300])));
    assert_eq!(world.events[3], lost(3, 0, 200));
    assert_eq!(world.machine.counters().bytes_dropped, 600);
}

#[test]
fn drop_newest_drops_the_segment_that_finds_no_room() {
    let mut world = crowded(Backpressure::DropNewest);
    world.give(Input::Write(Bytes::from_static(&[0; 60])));
    world.give(Input::Write(Bytes::from_static(&[0; 10])));
    let lost = Event::Lost {
        seq: seq(3),
        sent: 0,
        dropped: 40,
        why: Loss::Overflow,
    };
    assert_eq!(world.events, [lost]);
    assert_eq!(world.machine.counters().bytes_dropped, 110);
}

#[test]
fn a_dropped_segment_whose_post_stands_ready_goes_out_empty() {
    let mut world = World::manual(with(|config| {
        config.backpressure = Backpressure::LatestOnly;
    }));
    world.give(Input::Opened(world.post(0)));
    world.give(Input::Begin);
    world.give(Input::Opened(world.post(1)));
    world.write("zero");
    world.give(Input::Wrote(world.post(0), 1));
    world.segment("one");
    world.segment("two");
    world.give(Input::Wrote(world.post(0), 3));
    world.give(Input::Finished(world.post(0)));
    world.give(Input::Finished(world.post(1)));
    assert_eq!(world.text(1), (1, "", true));
    world.answer(world.post(1), 200);
    world.give(Input::Opened(world.post(2)));
    world.give(Input::Wrote(world.post(2), 3));
    assert_eq!(world.text(2).1, "two");
    let lost = world
        .events
        .iter()
        .filter(|it| matches!(it, Event::Lost { .. }));
    assert_eq!(lost.count(), 1);
}

#[test]
fn a_segment_of_no_bytes_is_sent_as_one() {
    let mut world = World::new(Config::default(), 2);
    world.settle();
    world.give(Input::Begin);
    world.give(Input::Finish);
    world.run_for(SECOND);
    assert_eq!(world.text(0), (0, "", true));
    assert!(matches!(&world.events[..], [Event::Sent { bytes: 0, .. }]));
}

#[test]
fn many_small_writes_count_for_more_than_their_bytes() {
    let mut world = World::manual(with(|config| config.buffer_bytes = 1000));
    world.give(Input::Begin);
    let mut writes = 0;
    while world.machine.has_room(1) {
        world.write("x");
        writes += 1;
    }
    assert!(writes < 20);
}

#[test]
fn a_late_deadline_does_no_harm() {
    let mut world = World::manual(Config::default());
    for _ in 0..100 {
        world.run_for(MS);
        world.give(Input::Deadline);
    }
    assert_eq!(world.posts(), [0]);
}

#[test]
fn an_end_that_meets_the_end_of_the_close_is_the_only_one() {
    let mut world = World::manual(with(|config| {
        config.give_up = SECOND;
        config.connect_time = SECOND;
        config.drain_time = SECOND;
    }));
    world.give(Input::Begin);
    world.write("zero");
    world.break_off(world.post(0));
    world.run_for(Duration::from_millis(300));
    world.give(Input::Close);
    // The driver is late: the POST, all tries and the close have run out of time.
    world.agenda.advance(Duration::from_secs(5));
    world.give(Input::Deadline);
    assert!(world.machine.is_over());
    assert!(!world.has_asked(Request::Delete));
    let ends = world
        .events
        .iter()
        .filter(|it| matches!(it, Event::Ended(_)));
    assert_eq!(ends.count(), 1);
}

#[test]
fn no_post_opens_so_far_ahead_that_it_takes_the_place_of_one_that_is_not_answered() {
    let mut world = World::manual(Config::default());
    for number in 0..5 {
        let post = world.post(number);
        world.give(Input::Opened(post));
        world.segment("bytes");
        world.give(Input::Wrote(post, 5));
        world.give(Input::Finished(post));
        if number > 0 {
            world.answer(post, 200);
        }
    }
    assert_eq!(world.posts(), [0, 1, 2, 3, 4], "0 may be on its way");
    world.answer(world.post(0), 200);
    assert_eq!(world.posts(), [0, 1, 2, 3, 4, 5]);
}
