//! Models that do not load, workers that hang, readers that die: told, bounded, and over some time.

use std::time::Duration;

use super::world::{Plan, World, ms};
use crate::{
    category::Category,
    flow::VideoStatus,
    run::{Event, LetterKind, Settings, Why},
};

fn events<'a, T>(world: &'a World, pick: impl Fn(&'a Event) -> Option<T>) -> Vec<(Duration, T)> {
    let all = world.events.iter();
    all.filter_map(|(at, it)| Some((*at, pick(it)?))).collect()
}

#[test]
fn a_model_that_does_not_load_kills_nobody_and_ends_the_run_with_its_name() {
    let mut world = World::new(Plan {
        settings: Settings {
            gpu_workers: 1,
            ..Settings::default()
        },
        unloadable: Some(Category::PlateDetect),
        vehicles: 2,
        ..Plan::default()
    });
    let end = world.run();
    assert_eq!(end.exit_code(false), 3);
    let Why::CannotGoOn(reason) = &end.why else {
        panic!("{:?}", end.why);
    };
    assert!(reason.contains("plate_yolo") && reason.contains("models/x.onnx"));
    let pauses = events(&world, |it| match it {
        Event::LoadFailed { pause, .. } => Some(pause.as_secs()),
        _ => None,
    });
    let pauses: Vec<_> = pauses.into_iter().map(|it| it.1).collect();
    assert_eq!(pauses[..6], [1, 2, 4, 8, 16, 30]);
    let deaths = events(&world, |it| {
        matches!(it, Event::WorkerDied { .. }).then_some(())
    });
    assert!(deaths.is_empty());
    let seconds = world.now.as_secs();
    assert!((90..140).contains(&seconds), "{seconds} s");
    assert!(world.letters.is_empty(), "no task is to blame");
}

#[test]
fn what_fails_for_the_moment_is_tried_twice_more_and_then_set_aside() {
    let mut world = World::new(Plan {
        videos: vec![2],
        failing: Some((Category::Ocr, true)),
        vehicles: 1,
        ..Plan::default()
    });
    assert_eq!(world.run().exit_code(false), 1);
    let pauses = events(&world, |it| match it {
        Event::TaskRetried { pause, .. } => Some(*pause),
        _ => None,
    });
    let ocr = world.letters.len();
    assert!(ocr >= 1);
    assert_eq!(pauses.len(), 2 * ocr);
    for letter in &world.letters {
        assert_eq!((letter.kind, letter.attempts), (LetterKind::Failed, 3));
        assert_eq!(letter.reason, "it is away");
    }
    assert_eq!(world.seen[0].borrow().len(), 2, "the rest goes on");
}

#[test]
fn what_fails_for_good_is_set_aside_at_once() {
    let mut world = World::new(Plan {
        videos: vec![3],
        failing: Some((Category::VehicleTrack, false)),
        ..Plan::default()
    });
    assert_eq!(world.run().exit_code(false), 1);
    assert_eq!(world.letters.len(), 3);
    assert!(world.letters.iter().all(|it| it.attempts == 1));
}

#[test]
fn a_worker_that_hangs_is_warned_of_once_then_killed_and_its_task_done_by_another() {
    let mut world = World::new(Plan {
        videos: vec![3],
        hangs: Some(1),
        ..Plan::default()
    });
    assert_eq!(world.run().exit_code(true), 0);
    let stale = events(&world, |it| match it {
        Event::WorkerStale { worker, silent } => Some((*worker, *silent)),
        _ => None,
    });
    let [(at, (worker, silent))] = stale[..] else {
        panic!("{stale:?}");
    };
    assert_eq!(silent, Duration::from_secs(10));
    let killed = events(&world, |it| match it {
        Event::WorkerKilled { worker, reason } => Some((*worker, reason)),
        _ => None,
    });
    assert_eq!(killed.len(), 1, "{killed:?}");
    assert_eq!(killed[0].1.0, worker);
    let after = killed[0].0 - at;
    assert!((ms(48_000)..ms(51_000)).contains(&after), "{after:?}");
    assert_eq!(world.seen[0].borrow().len(), 3);
}

#[test]
fn a_frame_that_no_reader_survives_ends_its_video_there_and_the_others_go_on() {
    let mut world = World::new(Plan {
        videos: vec![10, 3, 12],
        bad_frame: Some(5),
        ..Plan::default()
    });
    let end = world.run();
    let statuses: Vec<_> = end.videos.iter().map(|it| it.1.status).collect();
    let partial = VideoStatus::Partial;
    assert_eq!(statuses, [partial, VideoStatus::Complete, partial]);
    let reason = end.videos[0].1.reason.as_deref().unwrap();
    assert!(
        reason.contains("frame 5") && reason.contains("signal 11"),
        "{reason}"
    );
    let seen = world.all_seen();
    assert_eq!(
        seen.iter().map(|it| it.len()).collect::<Vec<_>>(),
        [5, 3, 5]
    );
}

#[test]
fn a_video_of_which_no_frame_can_be_read_has_failed() {
    let mut world = World::new(Plan {
        videos: vec![4, 4],
        bad_frame: Some(0),
        ..Plan::default()
    });
    let end = world.run();
    assert_eq!(end.exit_code(false), 1);
    assert!(
        end.videos
            .iter()
            .all(|it| it.1.status == VideoStatus::Failed)
    );
    assert!(world.all_seen().iter().all(|it| it.is_empty()));
}
