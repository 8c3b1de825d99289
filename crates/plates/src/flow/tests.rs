//! Whole videos through the real tracker and the real vote, without a pixel.

use std::sync::Arc;

use proptest::prelude::*;

use super::{
    Flow, FlowSettings, Mode, SourceStatus, Taken, VideoFlow, VideoStatus,
    world::{Car, Dice, Run, World, facts},
};
use crate::{
    category::Category,
    gps::{Fix, Route},
};

/// Drives towards the camera on the left; overlaps nothing on the right.
const LEFT: [[f32; 4]; 2] = [[300.0, 250.0, 460.0, 370.0], [100.0, 220.0, 520.0, 620.0]];
const RIGHT: [[f32; 4]; 2] = [[700.0, 250.0, 860.0, 370.0], [640.0, 220.0, 1060.0, 620.0]];

fn busy_road() -> World {
    let mut hidden = Car::new("HID4444", 150, 260, RIGHT);
    hidden.is_hidden = true;
    World {
        cars: vec![
            Car::new("ABC1234", 0, 90, LEFT),
            Car::new("XYZ9876", 20, 120, RIGHT),
            Car::new("JKL5555", 130, 240, LEFT),
            hidden,
        ],
        frames: 320,
        ..World::default()
    }
}

fn plates_of(world: &World, settings: &FlowSettings, seed: u64) -> Vec<String> {
    let run = Run::new(world, settings).finish(&mut Dice(seed));
    run.store
        .plates()
        .into_iter()
        .map(|(text, ..)| text)
        .collect()
}

#[test]
fn every_vehicle_with_a_readable_plate_is_one_row() {
    let world = busy_road();
    let run = Run::new(&world, &FlowSettings::default()).finish(&mut Dice(1));
    let texts: Vec<String> = run
        .store
        .plates()
        .into_iter()
        .map(|(text, ..)| text)
        .collect();
    assert_eq!(texts, ["ABC1234", "HID4444", "JKL5555", "XYZ9876"]);
    let end = run.end.unwrap();
    assert_eq!(
        (end.status, end.plates, end.tracks),
        (VideoStatus::Complete, 4, 4)
    );
    let ids: Vec<_> = run
        .store
        .rows("tracks")
        .iter()
        .map(|it| it["track_id"].clone())
        .collect();
    assert_eq!(ids, [1, 2, 3, 4]);
    for row in run.store.rows("vehicles") {
        let crop = row["crop"].as_str().unwrap();
        assert!(
            crop.contains(row["final_plate"].as_str().unwrap()),
            "{crop}"
        );
    }
    assert_eq!(run.store.rows("videos")[0]["status"], "complete");
    assert_eq!(run.store.summary()["plates"], 4);
}

#[test]
fn skipping_leaves_the_plates_and_spares_most_of_the_work() {
    let settings = FlowSettings {
        every: 2,
        ..FlowSettings::default()
    };
    let all = FlowSettings {
        every: 2,
        min_vehicle_width: 0.0,
        min_vehicle_height: 0.0,
        min_plate_width: 0.0,
        recheck_ms: 0.0,
        unchanged_ms: 0.0,
        barren_after: u32::MAX,
        enough_readings: u32::MAX,
        ..FlowSettings::default()
    };
    let world = busy_road();
    assert_eq!(plates_of(&world, &settings, 3), plates_of(&world, &all, 3));
    let run = Run::new(&world, &settings).finish(&mut Dice(3));
    let every = Run::new(&world, &all).finish(&mut Dice(3));
    let (some, most) = (run.tasks["ocr"], every.tasks["ocr"]);
    assert!(some * 3 < most * 2, "{some} of {most} readings");
    assert!(run.store.summary()["skipped"]["plate_yolo"]["certain"].as_u64() > Some(0));
}

#[test]
fn a_frame_that_kills_every_worker_is_counted_and_the_rest_is_fine() {
    let world = World {
        poison: vec![40, 44],
        lost: vec![60],
        ..busy_road()
    };
    let run = Run::new(&world, &FlowSettings::default()).finish(&mut Dice(2));
    let end = run.end.unwrap();
    assert_eq!((end.status, end.plates), (VideoStatus::Partial, 4));
    let reason = end.reason.unwrap();
    assert_eq!(reason, "1 frame was lost; 2 tasks failed for good");
}

#[test]
fn two_cars_in_one_place_across_a_cut_are_two_rows() {
    let world = World {
        cars: vec![
            Car::new("AAA1111", 0, 99, LEFT),
            Car::new("BBB2222", 100, 200, LEFT),
        ],
        frames: 220,
        cuts: vec![100],
        ..World::default()
    };
    for mode in [Mode::Cascade, Mode::Frame] {
        let run = Run::new(&world, &FlowSettings::of(mode)).finish(&mut Dice(5));
        let plates = run.store.plates();
        assert_eq!(plates.len(), 2, "{plates:?}");
        assert!(plates[0].2 < 100 && plates[1].1 >= 100, "{plates:?}");
        assert_eq!(run.store.summary()["counts"]["cuts"], 1, "{mode:?}");
    }
}

#[test]
fn rows_say_when_and_where_they_are_of_and_the_summary_what_stages_took() {
    let world = busy_road();
    let mut run = Run::new(&world, &FlowSettings::default());
    let fixes = [(0.0, 48.0), (8000.0, 48.1), (16_000.0, 48.2)]
        .map(|(at, lat)| Fix::new(at, lat, 11.0).unwrap());
    let taken = Taken {
        created: Some("2025-11-16T11:50:02.000000Z".into()),
        duration_ms: None,
        route: Route::new(fixes.map(|it| it.with_speed(10.0)).to_vec()).map(Arc::new),
    };
    run.flow.opened(taken);
    run.flow.spent(Category::Ocr, 1_500_000);
    run.flow.spent(Category::Ocr, 250_000);
    let run = run.finish(&mut Dice(1));
    let begun: jiff::Timestamp = "2025-11-16T11:50:02Z".parse().unwrap();
    for table in ["vehicles", "tracks", "track_motion"] {
        let rows = run.store.rows(table);
        assert!(!rows.is_empty());
        for row in rows {
            let at_ms = row["video_ts_ms"].as_f64().unwrap();
            let place = 48.0 + at_ms / 80_000.0;
            assert!(
                (row["lat"].as_f64().unwrap() - place).abs() < 1e-6,
                "{row:?}"
            );
            assert_eq!(row["gps_speed_mps"], 10.0);
            if table == "vehicles" {
                let ts: jiff::Timestamp = row["ts"].as_str().unwrap().parse().unwrap();
                let later = ts.duration_since(begun).as_secs_f64() * 1000.0;
                assert!((later - at_ms).abs() < 0.01, "{later} {at_ms}");
            }
        }
    }
    let video = &run.store.rows("videos")[0];
    assert_eq!(video["recorded_at"], "2025-11-16T11:50:02Z");
    assert_eq!(
        (&video["recorded_by"], &video["started"]),
        (&"container".into(), &"2026-11-22T12:00:00Z".into())
    );
    let took = &run.store.summary()["stage_seconds"];
    assert_eq!(
        (&took["ocr"], &took["final_write"]),
        (&1.75.into(), &0.0.into())
    );
}

#[test]
fn one_car_taking_the_place_of_another_is_split_without_a_row_written_again() {
    let stay = [LEFT[1], LEFT[1]];
    for is_tracker_blind in [false, true] {
        let world = World {
            cars: vec![
                Car::new("AAA1111", 0, 99, stay),
                Car::new("BBB2222", 100, 200, stay),
            ],
            frames: 220,
            is_tracker_blind,
            ..World::default()
        };
        let run = Run::new(&world, &FlowSettings::default()).finish(&mut Dice(5));
        let splits = run.store.summary()["counts"]["splits"].as_u64();
        assert_eq!(splits, Some(u64::from(is_tracker_blind)));
        let plates = run.store.plates();
        let [(first, _, end), (second, begin, _)] = plates.as_slice() else {
            panic!("{plates:?}");
        };
        assert_eq!((first.as_str(), second.as_str()), ("AAA1111", "BBB2222"));
        // Between the two there may be frames in which nothing was read.
        assert!(end < begin && *begin <= 120, "{plates:?}");
        let motion = run.store.rows("track_motion");
        assert_eq!(motion.len(), 201usize.div_ceil(4), "one row a frame");
        for row in motion {
            let is_second = row["frame_idx"].as_u64().unwrap() >= *begin;
            assert_eq!(row["track_id"], 1 + u64::from(is_second), "{row:?}");
        }
    }
}

#[test]
fn a_car_that_is_hidden_for_a_while_is_one_row() {
    let far = [LEFT[0], [200.0, 235.0, 490.0, 495.0]];
    let near = [[190.0, 234.0, 496.0, 508.0], LEFT[1]];
    let world = World {
        cars: vec![
            Car::new("AAA1111", 0, 60, far),
            Car::new("AAA1111", 96, 160, near),
        ],
        frames: 200,
        ..World::default()
    };
    let run = Run::new(&world, &FlowSettings::default()).finish(&mut Dice(5));
    let plates = run.store.plates();
    assert_eq!(plates, [("AAA1111".to_owned(), 0, 160)]);
}

#[test]
fn two_cars_with_one_plate_at_once_are_two_rows() {
    let world = World {
        cars: vec![
            Car::new("AAA1111", 0, 80, LEFT),
            Car::new("AAA1111", 8, 90, RIGHT),
        ],
        frames: 120,
        ..World::default()
    };
    let texts = plates_of(&world, &FlowSettings::default(), 4);
    assert_eq!(texts, ["AAA1111", "AAA1111"]);
}

#[test]
fn a_vehicle_that_is_found_twice_in_each_frame_is_one_row() {
    let mut car = Car::new("AAA1111", 0, 120, LEFT);
    car.is_double = true;
    let world = World {
        cars: vec![car],
        frames: 140,
        ..World::default()
    };
    let texts = plates_of(&world, &FlowSettings::default(), 4);
    assert_eq!(texts, ["AAA1111"]);
}

#[test]
fn all_of_fifty_vehicles_in_a_frame_are_searched() {
    let cars = (0..50u8).map(|i| {
        let (x, y) = (f32::from(i % 10) * 128.0, f32::from(i / 10) * 144.0);
        let at = [x + 10.0, y + 20.0, x + 118.0, y + 124.0];
        Car::new("AAA1111", 0, 0, [at, at])
    });
    let world = World {
        cars: cars.collect(),
        frames: 1,
        ..World::default()
    };
    let run = Run::new(&world, &FlowSettings::default()).finish(&mut Dice(4));
    assert_eq!((run.tasks["plate_yolo"], run.tasks["ocr"]), (50, 50));
    assert!(run.store.plates().is_empty(), "one reading is no plate");
}

#[test]
fn plates_are_found_without_a_detector_of_vehicles() {
    let world = busy_road();
    let run = Run::new(&world, &FlowSettings::of(Mode::Frame)).finish(&mut Dice(1));
    let texts: Vec<String> = run
        .store
        .plates()
        .into_iter()
        .map(|(text, ..)| text)
        .collect();
    assert_eq!(texts, ["ABC1234", "HID4444", "JKL5555", "XYZ9876"]);
    let skipped = &run.store.summary()["skipped"];
    assert!(skipped["ocr"]["certain"].as_u64() > Some(0), "{skipped}");
    assert!(
        skipped["vehicle_yolo"]["frame_mode"].as_u64() > Some(0),
        "{skipped}"
    );
    assert!(
        run.store
            .rows("vehicles")
            .iter()
            .all(|it| it["vehicle_class"].is_null())
    );
}

#[test]
fn rows_that_the_store_refuses_make_a_video_partial_and_hold_up_nothing() {
    let world = World {
        refused: Some("vehicles"),
        ..busy_road()
    };
    let end = Run::new(&world, &FlowSettings::default())
        .finish(&mut Dice(1))
        .end
        .unwrap();
    assert_eq!(end.status, VideoStatus::Partial);
    assert_eq!(end.reason.unwrap(), "4 rows were not stored");
}

#[test]
fn a_video_without_vehicles_has_a_summary_and_nothing_else() {
    let world = World {
        frames: 50,
        ..World::default()
    };
    let run = Run::new(&world, &FlowSettings::default()).finish(&mut Dice(1));
    assert_eq!(
        run.store.rows("vehicles").len() + run.store.rows("tracks").len(),
        0
    );
    let summary = run.store.summary();
    assert_eq!(
        (&summary["plates"], &summary["status"]),
        (&0.into(), &"complete".into())
    );
}

#[test]
fn a_plate_that_cannot_be_read_is_counted_and_its_track_stays() {
    let mut car = Car::new("AAA1111", 0, 80, LEFT);
    car.clear = 0.0;
    let world = World {
        cars: vec![car],
        frames: 100,
        ..World::default()
    };
    let run = Run::new(&world, &FlowSettings::default()).finish(&mut Dice(4));
    assert!(run.store.rows("vehicles").is_empty());
    assert_eq!(run.store.rows("tracks").len(), 1);
    let summary = run.store.summary();
    let counts = ["plates", "unreadable_plates", "tracks", "vehicles"];
    let counts = counts.map(|it| summary[it].as_u64().unwrap());
    assert_eq!(counts, [0, 1, 1, 1]);
    assert_eq!(run.end.unwrap().status, VideoStatus::Complete);
}

#[test]
fn without_times_in_the_container_rows_have_those_of_their_frames() {
    let world = World {
        is_untimed: true,
        ..busy_road()
    };
    let run = Run::new(&world, &FlowSettings::default()).finish(&mut Dice(1));
    let columns = [
        ("vehicles", "video_ts_ms", "frame_idx"),
        ("vehicles", "first_ts_ms", "first_frame_idx"),
        ("vehicles", "last_ts_ms", "last_frame_idx"),
        ("tracks", "video_ts_ms", "frame_idx"),
        ("track_motion", "video_ts_ms", "frame_idx"),
    ];
    for (table, time, frame) in columns {
        let rows = run.store.rows(table);
        assert!(!rows.is_empty());
        for row in rows {
            let expected = row[frame].as_f64().unwrap() * 40.0;
            assert_eq!(row[time].as_f64(), Some(expected), "{table}.{time}");
        }
    }
}

#[test]
fn a_video_of_which_nothing_can_be_read_says_so_and_has_no_records() {
    let world = World::default();
    let mut run = Run::new(&world, &FlowSettings::default());
    run.stop(SourceStatus::Failed);
    let run = run.finish(&mut Dice(1));
    assert_eq!(run.end.unwrap().status, VideoStatus::Failed);
    assert_eq!(run.store.rows("videos")[0]["status"], "failed");
    assert!(run.store.rows("video_summary").is_empty());
}

#[test]
fn memory_does_not_grow_with_the_video() {
    let settings = FlowSettings {
        every: 1,
        ..FlowSettings::default()
    };
    let cars = (0..40u64).map(|i| {
        let boxes = if i % 2 == 0 { LEFT } else { RIGHT };
        let text = format!("{:07}", (i + 1) * 2_654_435_761 % 10_000_000);
        Car::new(
            Box::leak(text.into_boxed_str()),
            i * 100,
            i * 100 + 140,
            boxes,
        )
    });
    let world = World {
        cars: cars.collect(),
        frames: 4000,
        ..World::default()
    };
    let run = Run::new(&world, &settings).finish(&mut Dice(9));
    let sizes: Vec<usize> = run.checkpoints.iter().map(|(_, bytes)| *bytes).collect();
    assert!(
        sizes.len() >= 12,
        "a checkpoint at least every 250 frames: {sizes:?}"
    );
    let (early, late) = (
        sizes[1..6].iter().max().unwrap(),
        sizes[6..].iter().max().unwrap(),
    );
    assert!(*late <= early * 3 / 2, "{sizes:?}");
    assert_eq!(run.store.plates().len(), 40);
}

#[test]
fn a_checkpoint_of_another_file_or_a_damaged_one_is_refused() {
    let world = busy_road();
    let run = Run::new(
        &world,
        &FlowSettings {
            every: 1,
            ..FlowSettings::default()
        },
    )
    .finish(&mut Dice(1));
    let (_, state) = run.checkpoint.unwrap();
    let settings = Arc::new(FlowSettings::default());
    let mut other = facts();
    other.content_sha256 = "another".into();
    let e = Flow::resume(other, settings.clone(), &state).unwrap_err();
    assert!(e.to_string().contains("content"), "{e}");
    let mut damaged = state;
    damaged["settled"]["seq"] = "many".into();
    assert!(Flow::resume(facts(), settings, &damaged).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_order_of_results_changes_no_row(seed: u64, every in 1u32..5, lag in 1u32..6) {
        let settings = FlowSettings { every, lag, ..FlowSettings::default() };
        let world = World { cuts: vec![130], lost: vec![64], ..busy_road() };
        let one = Run::new(&world, &settings).finish(&mut Dice(0));
        let other = Run::new(&world, &settings).finish(&mut Dice(seed));
        prop_assert_eq!(one.store, other.store);
        prop_assert_eq!(one.end, other.end);
    }

    #[test]
    fn a_run_that_is_killed_and_goes_on_leaves_the_same_rows(seed: u64, kills in prop::collection::vec(1usize..400, 1..4)) {
        let settings = FlowSettings { every: 2, ..FlowSettings::default() };
        let world = World { cuts: vec![130], ..busy_road() };
        let whole = Run::new(&world, &settings).finish(&mut Dice(0));
        let run = Run::killed(&world, &settings, kills, &mut Dice(seed), |_| ());
        prop_assert_eq!(whole.store, run.store);
        prop_assert_eq!(whole.end, run.end);
    }

    #[test]
    fn a_run_that_is_stopped_goes_on_where_it_was(seed: u64, steps in 1usize..900) {
        let settings = FlowSettings { every: 2, ..FlowSettings::default() };
        let world = busy_road();
        let whole = Run::new(&world, &settings).finish(&mut Dice(0));
        let mut dice = Dice(seed);
        let mut run = Run::new(&world, &settings);
        for _ in 0..steps {
            if run.end.is_none() {
                run.step(&mut dice);
            }
        }
        if run.end.is_none() {
            run.stop(SourceStatus::Stopped);
            let stopped = run.finish(&mut dice);
            prop_assert!(stopped.store.rows("video_summary").is_empty() || stopped.end.as_ref().unwrap().status == VideoStatus::Complete);
            run = match &stopped.checkpoint {
                Some((_, state)) => Run::resume(&world, &settings, state, stopped.store),
                None => Run::new(&world, &settings),
            };
            run = run.finish(&mut dice);
        }
        prop_assert_eq!(whole.store, run.store);
        prop_assert_eq!(whole.end, run.end);
    }
}
