//! Whatever dies, in whatever order things come: flows see the same.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::world::{Plan, World, ms};
use crate::{
    category::Category,
    queue::Limits,
    run::{LetterKind, Settings},
};

const VIDEOS: [u64; 4] = [20, 7, 1, 13];

fn undisturbed() -> Vec<BTreeMap<u64, String>> {
    let mut world = World::new(Plan::default());
    assert_eq!(world.run().exit_code(true), 0);
    world.all_seen()
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let workers = (1..7u32, 1..7u32, 1..4u32);
    let limits = (0..9usize, 0..17usize, 1..20usize, 1..13u32);
    let own = prop_oneof![Just(None), (1..3u32).prop_map(Some)];
    (workers, limits, own).prop_map(
        |((gpu, cpu, readers), (max_gpu, max_cpu, hard, slots), own)| Settings {
            own_stages: own.map(|it| (Category::Ocr, it)).into_iter().collect(),
            gpu_workers: gpu,
            cpu_workers: cpu,
            video_readers: readers,
            max_gpu_backlog: max_gpu,
            max_cpu_backlog: max_cpu,
            queue: Limits {
                soft: hard.div_ceil(2),
                hard,
                ..Limits::default()
            },
            frame_slots: slots,
            ..Settings::default()
        },
    )
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let harm = (0..12u64, 0..12u64, 0..12u64);
    (any_settings(), any::<u64>(), 1..9u32, harm).prop_map(
        |(settings, seed, batch, (worker_deaths, reader_deaths, failures))| Plan {
            settings,
            videos: VIDEOS.to_vec(),
            seed,
            batch,
            // One in two, and every one, leave nothing alive for long enough.
            worker_deaths: if worker_deaths > 2 { worker_deaths } else { 0 },
            reader_deaths: if reader_deaths > 3 { reader_deaths } else { 0 },
            failures: if failures > 1 { failures } else { 0 },
            ..Plan::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn flows_see_the_same_whatever_the_worker_counts_limits_batches_and_failures(
        plan in any_plan().prop_map(|plan| Plan { reader_deaths: 0, ..plan }),
    ) {
        let mut world = World::new(plan);
        let end = world.run();
        prop_assert_eq!(end.exit_code(true), 0, "{:?}", world.letters);
        prop_assert_eq!(world.all_seen(), undisturbed());
        prop_assert!(end.unfinished.is_empty());
    }

    #[test]
    fn a_reader_that_dies_is_replaced_and_no_frame_is_seen_twice(plan in any_plan()) {
        let mut world = World::new(plan);
        let end = world.run();
        // Three deaths in a row without a frame give a video up: then what was seen of it is the beginning.
        for (seen, all) in world.all_seen().into_iter().zip(undisturbed()) {
            let count = seen.len();
            prop_assert_eq!(seen, all.into_iter().take(count).collect());
        }
        prop_assert!(world.letters.is_empty() && end.unfinished.is_empty());
    }

    #[test]
    fn a_run_that_is_stopped_goes_on_from_its_checkpoints_to_the_same_end(
        plan in any_plan(),
        stop in 0..3000u64,
        second in prop::option::of(0..60u64),
    ) {
        let plan = Plan { reader_deaths: 0, ..plan };
        let mut signals = vec![ms(stop)];
        signals.extend(second.map(|after| ms(stop + after)));
        let mut world = World::new(Plan { signals, ..plan.clone() });
        let end = world.run();
        prop_assert!([0, 130].contains(&end.exit_code(true)));
        // Without a second signal, what was begun was done.
        prop_assert!(second.is_some() || end.unfinished.is_empty());
        let is_whole = end.exit_code(true) == 0;
        if !is_whole {
            let (seen, from) = (world.seen.clone(), world.checkpoints.clone());
            let mut again = World::going_on(plan, seen, from);
            prop_assert_eq!(again.run().exit_code(true), 0);
            world = again;
        }
        prop_assert_eq!(world.all_seen(), undisturbed());
    }
}

#[test]
fn a_frame_that_kills_every_worker_is_set_aside_after_two_and_nothing_else_is() {
    for batch in [1, 8] {
        let mut world = World::new(Plan {
            videos: vec![20],
            poison: Some(4),
            batch,
            settings: Settings {
                gpu_workers: 1,
                ..Settings::default()
            },
            ..Plan::default()
        });
        let end = world.run();
        assert_eq!(end.exit_code(false), 1);
        assert_eq!(end.dead_letters, 1);
        let [letter] = &world.letters[..] else {
            panic!("{:?}", world.letters);
        };
        assert_eq!(
            (letter.kind, letter.frame_idx),
            (LetterKind::Poison, Some(4))
        );
        assert_eq!(letter.category, Category::VehicleDetect);
        assert_eq!(letter.attempts, 2);
        let seen = world.seen[0].borrow();
        assert!(seen[&4].contains("not detected"));
        assert_eq!(seen.len(), 20, "the rest of the video is fine");
        assert_eq!(seen.values().filter(|it| it.contains("not")).count(), 1);
    }
}

#[test]
fn two_runs_with_the_same_seed_are_the_same_to_the_microsecond() {
    let run = || {
        let mut world = World::new(Plan {
            worker_deaths: 7,
            failures: 5,
            seed: 3,
            ..Plan::default()
        });
        world.run();
        (world.now, world.events, world.outputs)
    };
    assert_eq!(run(), run());
}
