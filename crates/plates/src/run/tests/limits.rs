//! Full buckets, slow workers, small stores: nothing grows without bound, and nothing waits for ever.

use std::collections::BTreeMap;

use super::world::{Plan, World, ms};
use crate::{
    category::Category,
    queue::Limits,
    run::{Event, Settings},
};

fn hard(hard: usize) -> Limits {
    Limits {
        soft: hard,
        hard,
        ..Limits::default()
    }
}

#[test]
fn a_frame_with_50_vehicles_finishes_at_a_hard_limit_of_1_with_1_gpu_worker() {
    let mut world = World::new(Plan {
        settings: Settings {
            gpu_workers: 1,
            cpu_workers: 1,
            video_readers: 1,
            queue: hard(1),
            ..Settings::default()
        },
        videos: vec![1],
        vehicles: 50,
        ..Plan::default()
    });
    let end = world.run();
    assert_eq!(end.exit_code(true), 0, "{end:?}");
    let line = world.seen[0].borrow()[&0].clone();
    assert!((0..50).all(|n| line.contains(&format!("{n}: "))), "{line}");
    // One is in the queue, one in hand.
    assert!(world.most_outside >= 48, "{}", world.most_outside);
    let refused = |it: &&Event| matches!(it, Event::PushRefused { .. });
    let told = world.events.iter().map(|it| &it.1).filter(refused).count();
    assert!((1..10).contains(&told), "once in an episode: {told}");
}

#[test]
fn many_frames_with_many_vehicles_finish_at_every_small_limit() {
    for limit in 1..4 {
        let mut world = World::new(Plan {
            settings: Settings {
                gpu_workers: 2,
                cpu_workers: 1,
                video_readers: 3,
                max_gpu_backlog: limit - 1,
                max_cpu_backlog: 0,
                frame_slots: 2,
                queue: hard(limit),
                ..Settings::default()
            },
            videos: vec![10, 9, 8],
            vehicles: 9,
            batch: 3,
            ..Plan::default()
        });
        assert_eq!(world.run().exit_code(true), 0);
        assert_eq!(
            world.all_seen().iter().map(|it| it.len()).sum::<usize>(),
            27
        );
        assert!(world.most_in_use <= 12);
        // No frame is begun while a task waits outside: what is there is of the frames that were begun before.
        assert!(world.most_outside <= 12 * 9, "{}", world.most_outside);
    }
}

#[test]
fn no_frame_is_begun_while_more_tasks_wait_than_the_limit_says() {
    let settings = Settings {
        gpu_workers: 1,
        max_gpu_backlog: 8,
        ..Settings::default()
    };
    let mut world = World::new(Plan {
        settings,
        videos: vec![60, 60],
        vehicles: 3,
        ..Plan::default()
    });
    let (mut begun, mut waited) = (0, 0);
    while world.end.is_none() {
        world.step();
        let snapshot = world.machine.snapshot(world.now);
        let gpu = &snapshot.categories[..3];
        let waiting: usize = gpu.iter().map(|it| it.queued + it.outside).sum();
        let now_begun = snapshot.counters["frames_begun"];
        // Each frame is begun at 8 or fewer, and adds one task at once.
        assert!(now_begun == begun || waiting <= 8 + 1 + 3 * 3, "{waiting}");
        begun = now_begun;
        waited += usize::from(snapshot.readers.iter().any(|it| it.is_paused));
        if waiting > 8 {
            assert!(snapshot.readers.iter().all(|it| it.is_paused));
        }
    }
    assert!(waited > 100, "readers were paused {waited} times");
    let entered = |it: &Event| matches!(it, Event::BackpressureEntered { limit: 8, .. });
    assert!(world.events.iter().any(|it| entered(&it.1)));
    let recovered = |it: &Event| matches!(it, Event::BackpressureRecovered);
    assert!(world.events.iter().any(|it| recovered(&it.1)));
}

#[test]
fn a_stage_of_a_users_own_is_done_by_its_workers_alone() {
    let settings = Settings {
        own_stages: BTreeMap::from([(Category::Ocr, 2)]),
        ..Settings::default()
    };
    let seats = settings.own_workers();
    let ids: Vec<_> = seats.iter().map(|(id, it)| (id.0, *it)).collect();
    assert_eq!(ids, [(200, Category::Ocr), (201, Category::Ocr)]);
    // The world looks at who is given what.
    let mut world = World::new(Plan {
        settings,
        vehicles: 2,
        ..Plan::default()
    });
    assert_eq!(world.run().exit_code(true), 0);
    let seats = world.machine.snapshot(world.now).workers;
    let done: u64 = seats[6..8].iter().map(|it| it.done).sum();
    assert!(done > 0);
}

#[test]
fn raw_readings_are_logged_where_asked_for_and_so_many_of_each_video_and_worker() {
    for most in [0, 2] {
        let mut world = World::new(Plan {
            settings: Settings {
                ocr_debug: most,
                ..Settings::default()
            },
            ..Plan::default()
        });
        world.run();
        let mut logged = BTreeMap::new();
        for (_, event) in &world.events {
            if let Event::Read { worker, video, .. } = event {
                *logged.entry((*worker, video.clone())).or_insert(0) += 1;
            }
        }
        assert!(logged.values().all(|it| *it <= most), "{logged:?}");
        assert_eq!(logged.is_empty(), most == 0, "{logged:?}");
    }
}

#[test]
fn the_store_is_bounded_by_slots_however_long_the_video() {
    let most = |frames| {
        let settings = Settings {
            frame_slots: 4,
            ..Settings::default()
        };
        let mut world = World::new(Plan {
            settings,
            videos: vec![frames],
            task_time: ms(5),
            ..Plan::default()
        });
        assert_eq!(world.run().exit_code(true), 0);
        world.most_in_use
    };
    assert!(most(20) <= 4 && most(2000) <= 4);
}

#[test]
fn frames_that_a_reader_leaves_out_are_no_reason_to_wait() {
    let mut world = World::new(Plan {
        every: 3,
        videos: vec![11],
        ..Plan::default()
    });
    assert_eq!(world.run().exit_code(true), 0);
    let seen: Vec<_> = world.seen[0].borrow().keys().copied().collect();
    assert_eq!(seen, [0, 3, 6, 9]);
}

#[test]
fn a_worker_that_asks_for_many_tasks_leaves_some_to_the_others() {
    let settings = Settings {
        gpu_workers: 4,
        video_readers: 1,
        ..Settings::default()
    };
    let mut world = World::new(Plan {
        settings,
        videos: vec![3],
        vehicles: 8,
        batch: 8,
        task_time: ms(1000),
        ..Plan::default()
    });
    let mut most = 0;
    while world.end.is_none() {
        world.step();
        let row = &world.machine.snapshot(world.now).categories[Category::PlateDetect as usize];
        most = most.max(row.workers);
    }
    assert!(most >= 3, "{most} workers at once");
}
