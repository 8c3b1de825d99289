//! How runs end: by themselves, by one signal, by two and by three.

use std::time::Duration;

use super::world::{Plan, World, ms};
use crate::{
    category::Category,
    flow::VideoStatus,
    run::{Event, RunEnd, Settings, Timing, Why},
};

fn said(world: &World, what: &str) -> Vec<Duration> {
    let all = world.outputs.iter().filter(|(_, it)| it == what);
    all.map(|(at, _)| *at).collect()
}

fn statuses(end: &RunEnd) -> Vec<VideoStatus> {
    end.videos.iter().map(|(_, end)| end.status).collect()
}

#[test]
fn a_run_without_videos_is_over_at_once() {
    let mut world = World::new(Plan {
        videos: Vec::new(),
        ..Plan::default()
    });
    let end = world.run();
    assert_eq!(end.exit_code(true), 0);
    assert!(world.now < ms(100) && world.letters.is_empty());
}

#[test]
fn readers_leave_before_workers_and_workers_before_the_scheduler() {
    let mut world = World::new(Plan::default());
    let end = world.run();
    assert_eq!((&end.why, end.not_begun), (&Why::Done, 0));
    assert_eq!(statuses(&end), [VideoStatus::Complete; 4]);
    let order = ["StopReader", "Terminate", "StopScheduler", "Finished"];
    let last: Vec<_> = order.map(|it| *said(&world, it).last().unwrap()).into();
    assert!(last.is_sorted());
    assert_eq!(world.events.last().unwrap().1, Event::ShutdownComplete);
}

#[test]
fn a_run_ends_although_a_worker_died_with_its_last_task() {
    // The dead one still stands in the map of who does what; nobody waits for it.
    let settings = Settings {
        gpu_workers: 1,
        cpu_workers: 1,
        ..Settings::default()
    };
    let mut world = World::new(Plan {
        settings,
        videos: vec![1],
        vehicles: 1,
        worker_deaths: 1,
        ..Plan::default()
    });
    let end = world.run();
    assert_eq!(end.exit_code(true), 0, "{:?}", world.letters);
    assert!(world.now < Duration::from_secs(10), "{:?}", world.now);
}

#[test]
fn the_first_signal_ends_reading_at_once_and_lets_work_that_is_begun_be_done() {
    let stop = ms(400);
    let mut world = World::new(Plan {
        videos: vec![5000, 5000],
        signals: vec![stop],
        ..Plan::default()
    });
    let end = world.run();
    assert_eq!(end.exit_code(false), 130);
    assert_eq!(statuses(&end), [VideoStatus::Stopped; 2]);
    assert!(end.unfinished.is_empty());
    assert_eq!(said(&world, "StopReader"), [stop, stop]);
    let Some((_, Event::Stopping { backlog, .. })) = world
        .events
        .iter()
        .find(|it| matches!(it.1, Event::Stopping { .. }))
    else {
        panic!("the stop is told");
    };
    assert_eq!(backlog.len(), Category::ALL.len() - 1);
    for (no, seen) in world.all_seen().iter().enumerate() {
        let (next, _) = world.checkpoints[&crate::run::VideoNo(u32::try_from(no).unwrap())];
        assert_eq!(
            seen.keys().max(),
            Some(&(next - 1)),
            "kept to the last frame"
        );
    }
}

#[test]
fn frames_that_wait_for_a_full_queue_are_given_up_at_a_stop() {
    let settings = Settings {
        gpu_workers: 1,
        max_gpu_backlog: 0,
        ..Settings::default()
    };
    let mut world = World::new(Plan {
        settings,
        videos: vec![100, 100],
        vehicles: 9,
        task_time: ms(200),
        signals: vec![ms(2000)],
        ..Plan::default()
    });
    let mut begun = None;
    while world.end.is_none() {
        world.step();
        let counters = world.machine.snapshot(world.now).counters;
        if world.now >= ms(2000) {
            let at_stop = *begun.get_or_insert(counters["frames_begun"]);
            assert_eq!(counters["frames_begun"], at_stop);
        } else if world.now > ms(1900) {
            assert!(counters["frames_delivered"] > counters["frames_begun"] + 5);
        }
    }
}

#[test]
fn a_drain_that_takes_too_long_is_cut_and_tells_what_stays_undone() {
    let drain = Duration::from_secs(3);
    let mut world = World::new(Plan {
        settings: Settings {
            timing: Timing {
                drain,
                ..Timing::default()
            },
            ..Settings::default()
        },
        videos: vec![100],
        vehicles: 20,
        task_time: Duration::from_secs(2),
        signals: vec![ms(5000)],
        ..Plan::default()
    });
    let end = world.run();
    assert_eq!(end.exit_code(false), 130);
    assert!(!end.unfinished.is_empty());
    assert!(end.unfinished.iter().all(|it| it.video_id == "video0"));
    let cut = |it: &&(Duration, Event)| matches!(it.1, Event::DrainCut { .. });
    let (at, event) = world.events.iter().find(cut).unwrap();
    assert_eq!(*at, ms(8000));
    assert!(event.to_string().contains("3 s"), "{event}");
    assert!(
        world.now <= ms(8000) + Duration::from_secs(9),
        "{:?}",
        world.now
    );
}

#[test]
fn the_second_signal_cuts_the_drain_and_the_third_ends_at_once() {
    let plan = |signals| Plan {
        videos: vec![1000],
        vehicles: 20,
        task_time: ms(1000),
        are_stubborn: true,
        signals,
        ..Plan::default()
    };
    let mut two = World::new(plan(vec![ms(3000), ms(3500)]));
    let end = two.run();
    assert_eq!(end.exit_code(false), 130);
    assert_eq!(said(&two, "Terminate").first(), Some(&ms(3500)));
    let mut three = World::new(plan(vec![ms(3000), ms(3500), ms(3600)]));
    assert_eq!(three.run().exit_code(false), 130);
    assert_eq!(three.now, ms(3600));
}

#[test]
fn who_does_not_leave_is_killed_in_time() {
    let stop = ms(1000);
    let mut world = World::new(Plan {
        videos: vec![1000],
        are_stubborn: true,
        signals: vec![stop],
        ..Plan::default()
    });
    assert_eq!(world.run().exit_code(false), 130);
    assert_eq!(said(&world, "KillReader"), [stop + ms(2000)]);
    let (told, killed) = (said(&world, "Terminate"), said(&world, "KillWorker"));
    assert_eq!(
        killed.first().copied(),
        told.first().map(|it| *it + ms(5000))
    );
    assert!(world.now <= told[0] + Duration::from_secs(9));
}

#[test]
fn a_truncated_video_is_partial_and_fails_a_strict_run() {
    let mut world = World::new(Plan {
        is_truncated: true,
        ..Plan::default()
    });
    let end = world.run();
    assert_eq!(statuses(&end), [VideoStatus::Partial; 4]);
    assert_eq!((end.exit_code(false), end.exit_code(true)), (0, 1));
}
