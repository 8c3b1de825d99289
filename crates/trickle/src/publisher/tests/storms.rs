//! Everything goes wrong by chance, and what is promised holds.

use std::time::Duration;

use bytes::Bytes;
use framerill_sim::Random;
use proptest::prelude::*;

use super::world::{Odds, World};
use crate::{
    publisher::{Backpressure, Config, End, Event, Input, Start},
    wire::Seq,
};

fn odds() -> impl Strategy<Value = Odds> {
    let one = || prop_oneof![2 => Just(0u64), 1 => 2u64..40];
    (one(), one(), one(), one(), one(), one(), one(), one()).prop_map(
        |(
            refused_connection,
            silent_connection,
            broken_write,
            stalled_write,
            lost_answer,
            error_answer,
            early_answer,
            missing_channel,
        )| Odds {
            refused_connection,
            silent_connection,
            broken_write,
            stalled_write,
            lost_answer,
            error_answer,
            early_answer,
            missing_channel,
        },
    )
}

fn policy() -> impl Strategy<Value = Backpressure> {
    prop_oneof![
        Just(Backpressure::Block),
        Just(Backpressure::DropOldest),
        Just(Backpressure::DropNewest),
        Just(Backpressure::LatestOnly),
    ]
}

/// The largest write.
const LARGEST: usize = 3000;

/// What a caller wrote: every segment begins with its own index, so that no two are alike.
struct Caller {
    random: Random,
    segments: Vec<Vec<u8>>,
}

impl Caller {
    /// Segments of random sizes at random times.
    fn drive(&mut self, world: &mut World, count: u64, limit: usize) {
        for index in 0..count {
            self.wait(world, Duration::from_millis(300));
            if !self.until(world, |world| world.machine.has_place()) {
                return;
            }
            world.give(Input::Begin);
            if world.machine.is_over() {
                return;
            }
            self.segments.push(Vec::new());
            let mut first = index.to_be_bytes().to_vec();
            for _ in 0..self.random.below(5) {
                let more = usize::try_from(self.random.below(LARGEST as u64 - 8)).unwrap();
                first.resize(first.len() + more, u8::try_from(index).unwrap());
                let bytes = Bytes::from(std::mem::take(&mut first));
                let size = bytes.len();
                if !self.until(world, |world| world.machine.has_room(size)) {
                    return;
                }
                if let Some(segment) = self.segments.last_mut() {
                    segment.extend_from_slice(&bytes);
                }
                world.give(Input::Write(bytes));
                let held = world.machine.bodies.iter().map(|body| body.cost());
                // One write of any size fits into an empty buffer.
                assert!(held.sum::<usize>() <= limit.max(LARGEST) + 64);
                self.wait(world, Duration::from_millis(30));
            }
            if !self.random.one_in(20) {
                world.give(Input::Finish);
            }
        }
    }

    fn wait(&mut self, world: &mut World, most: Duration) {
        let span = self.random.duration(Duration::ZERO..most);
        world.run_for(span);
    }

    /// With `Block` a caller waits; it must not wait for ever.
    fn until(&mut self, world: &mut World, is_so: impl Fn(&World) -> bool) -> bool {
        if world.machine.config.backpressure != Backpressure::Block {
            return !world.machine.is_over();
        }
        let end = world.agenda.now() + Duration::from_secs(1000);
        while !is_so(world) && !world.machine.is_over() {
            assert!(world.step(end), "the caller waits for ever");
        }
        !world.machine.is_over()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn every_byte_arrives_once_and_in_order_or_is_reported(
        odds in odds(), backpressure in policy(), seed: u64, create: bool, upcoming: bool,
        buffer_bytes in 1000usize..40_000, outage in prop::option::of(1u64..20),
    ) {
        let config = Config {
            backpressure,
            buffer_bytes,
            buffer_segments: 4,
            create,
            reset: create,
            start: if upcoming { Start::Upcoming } else { Start::At(Seq::ZERO) },
            ..Config::default()
        };
        let mut world = World::new(config, seed);
        world.odds = odds;
        world.settle();
        let mut caller = Caller { random: Random::new(seed), segments: Vec::new() };
        caller.drive(&mut world, 10, buffer_bytes);
        if let Some(seconds) = outage {
            world.is_down = true;
            world.run_for(Duration::from_secs(seconds));
            world.is_down = false;
        }
        caller.drive(&mut world, 10, buffer_bytes);
        world.give(Input::Close);
        let closed = world.agenda.now();
        let end = closed + Duration::from_secs(3600);
        while !world.machine.is_over() && world.step(end) {}

        prop_assert!(world.machine.is_over());
        prop_assert!(world.agenda.now() - closed <= Duration::from_secs(40));
        prop_assert_eq!(world.open_count(), 0);
        judge(&world, &caller.segments)?;
    }
}

/// Every segment has one fate, and the server has what that fate says.
fn judge(world: &World, segments: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let fates: Vec<_> = world
        .events
        .iter()
        .filter(|it| matches!(it, Event::Sent { .. } | Event::Lost { .. }))
        .collect();
    let ended = matches!(world.events.last(), Some(Event::Ended(_)));
    prop_assert!(ended);
    let is_finished = world.events.last() == Some(&Event::Ended(End::Finished));
    // A segment whose `Begin` met the end has none.
    prop_assert!(fates.len() == segments.len() || (!is_finished && fates.len() <= segments.len()));

    // Whatever arrived is a prefix of one segment, and segments arrived in order under rising numbers.
    let mut from = 0;
    let mut last = None;
    for stored in &world.stored {
        prop_assert!(last.is_none_or(|last| stored.seq > last), "numbers rise");
        last = Some(stored.seq);
        if stored.bytes.is_empty() {
            continue;
        }
        let found = segments[from..]
            .iter()
            .position(|segment| segment.starts_with(&stored.bytes));
        prop_assert!(found.is_some(), "bytes that nobody wrote in this place");
        from += found.unwrap_or(0) + 1;
    }
    for fate in fates {
        let (seq, sent, is_whole) = match fate {
            Event::Sent { seq, bytes } => (*seq, *bytes, true),
            Event::Lost { seq, sent, .. } => (*seq, *sent, false),
            _ => continue,
        };
        let there = world.stored.iter().filter(|stored| stored.seq == seq);
        let bytes: u64 = there.clone().map(|stored| stored.bytes.len() as u64).sum();
        prop_assert_eq!(bytes, sent, "segment {}", seq);
        if is_whole && sent > 0 {
            prop_assert!(segments.iter().any(|it| it.len() as u64 == sent));
            prop_assert!(there.clone().any(|stored| stored.is_complete));
        }
    }
    Ok(())
}
