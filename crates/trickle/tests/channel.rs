//! Whatever publishers and readers do, in whatever order: the window stays small, `next` follows its rule, readers see
//! every byte once and in order, and nobody who waits is forgotten.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../fuzz/src/machines/channel.rs"]
mod world;

use framerill_trickle::wire::{Seq, Wanted};
use proptest::prelude::*;

use world::{Step, World};

fn wanted(newest: bool) -> impl Strategy<Value = Wanted> {
    let near = (0_u64..14).prop_map(|seq| Wanted::Exact(Seq::new(seq).unwrap()));
    let far = prop_oneof![Just(100_u64), Just(i64::MAX as u64 - 1)]
        .prop_map(|seq| Wanted::Exact(Seq::new(seq).unwrap()));
    let other = if newest {
        Wanted::Newest
    } else {
        Wanted::Upcoming
    };
    prop_oneof![8 => near, 1 => far, 6 => Just(Wanted::Upcoming), 2 => Just(other)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => wanted(true).prop_map(Step::Attach),
        8 => (any::<usize>(), 0_usize..50).prop_map(|(reader, bytes)| Step::Read(reader, bytes)),
        2 => any::<usize>().prop_map(Step::Detach),
        10 => (wanted(false), prop::bool::weighted(0.1)).prop_map(|(wanted, reset)| Step::Open(wanted, reset)),
        16 => (any::<usize>(), 0_u16..4).prop_map(|(writer, records)| Step::Append(writer, records)),
        8 => any::<usize>().prop_map(Step::Finish),
        3 => any::<usize>().prop_map(Step::Abandon),
        3 => (0_u64..14).prop_map(Step::CloseSegment),
        3 => (0_u64..20).prop_map(Step::Pass),
        1 => prop::bool::weighted(0.1).prop_map(|end| if end { Step::End } else { Step::Pass(1) }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1000)
    ))]

    #[test]
    fn a_channel_keeps_its_promises(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        steps.iter().for_each(|step| world.apply(step));
        world.end();
    }
}
