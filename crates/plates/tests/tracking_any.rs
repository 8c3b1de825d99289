//! The tracker over frames of any kind.

#![allow(clippy::unwrap_used, reason = "a test's helper may fail its test")]

use std::collections::{BTreeMap, BTreeSet};

use framerill_plates::{
    bbox::BBox,
    detection::{Reading, Thumbnail, VehicleClass},
    task::{Output, Payload},
    track::{Item, Settings, TrackFrame, TrackStep, Tracker, run},
};
use proptest::prelude::*;
use serde_json::Value;

const TEXTS: [&str; 5] = ["AB123CD", "A8123CD", "XY987ZW", "", "34A36837"];

fn coordinate() -> impl Strategy<Value = f32> {
    prop_oneof![
        20 => -100.0f32..2000.0,
        1 => prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(-1e30f32), Just(1e30f32), Just(0.0)],
    ]
}

fn bbox() -> impl Strategy<Value = BBox> {
    let near = (0.0f32..1200.0, 0.0f32..700.0, 5.0f32..300.0, 5.0f32..200.0);
    prop_oneof![
        8 => near.prop_map(|(x, y, w, h)| BBox::from([x, y, x + w, y + h])),
        1 => [coordinate(), coordinate(), coordinate(), coordinate()].prop_map(BBox::from),
    ]
}

fn confidence() -> impl Strategy<Value = f32> {
    prop_oneof![20 => 0.0f32..1.0, 1 => prop_oneof![Just(f32::NAN), Just(7.0), Just(-1.0)]]
}

fn item() -> impl Strategy<Value = Item> {
    let reading = (0..TEXTS.len(), confidence()).prop_map(|(i, conf)| Reading {
        text: TEXTS[i].to_owned(),
        conf,
        ..Reading::default()
    });
    (
        bbox(),
        confidence(),
        any::<bool>(),
        prop::option::of(bbox()),
        prop::option::of(reading),
    )
        .prop_map(|(car_bbox, conf, is_vehicle, plate_bbox, reading)| Item {
            car_bbox,
            conf,
            class: is_vehicle.then_some(VehicleClass::Car),
            plate_bbox,
            plate_conf: 0.5,
            reading,
        })
}

fn thumbnail() -> impl Strategy<Value = Thumbnail> {
    prop_oneof![
        Just(Thumbnail::default()),
        Just(Thumbnail(vec![16; 144])),
        Just(Thumbnail((0..144).collect())),
        Just(Thumbnail((0..144_u8).map(|i| i.wrapping_mul(73)).collect())),
    ]
}

/// Frames in order, some far apart, with times that may be missing, equal or no numbers.
fn frames() -> impl Strategy<Value = Vec<TrackFrame>> {
    let time = prop_oneof![8 => Just(None), 1 => Just(Some(f64::NAN)), 1 => Just(Some(-5.0))];
    let one = (
        1u64..8,
        any::<bool>(),
        time,
        prop_oneof![Just(25.0), Just(0.0), Just(f64::NAN)],
        thumbnail(),
        prop::collection::vec(item(), 0..6),
    );
    prop::collection::vec(one, 1..14).prop_map(|all| {
        let mut frame_idx = 0;
        let mut frames = Vec::new();
        for (gap, is_usual, time, fps, thumbnail, items) in all {
            #[expect(clippy::cast_precision_loss, reason = "few frames")]
            let usual = Some(frame_idx as f64 * 40.0);
            frames.push(TrackFrame {
                frame_idx,
                ts_ms: if is_usual { usual } else { time },
                fps,
                size: [1280, 720],
                thumbnail,
                items,
            });
            frame_idx += gap;
        }
        frames
    })
}

fn all_steps(frames: &[TrackFrame]) -> (Vec<TrackStep>, Vec<u32>) {
    let mut tracker = Tracker::new(Settings::default());
    let steps = frames.iter().map(|it| tracker.step(it)).collect();
    (steps, tracker.finish())
}

proptest! {
    #[test]
    fn tasks_may_hold_any_number_of_frames(frames in frames(), lengths in prop::collection::vec(1usize..4, 14)) {
        let mut state = Value::Null;
        let mut steps = Vec::new();
        let mut rest = frames.as_slice();
        for len in lengths {
            let (now, later) = rest.split_at(len.min(rest.len()));
            rest = later;
            // As it travels: as text.
            let payload = Payload::VehicleTrack {
                tracker: serde_json::from_str(&state.to_string()).unwrap(),
                frames: now.to_vec(),
                is_last: later.is_empty(),
            };
            let Output::VehicleTrack { tracker, steps: some } = run(&payload, &Settings::default()).unwrap() else {
                panic!("another stage's output");
            };
            prop_assert_eq!(some.len(), now.len());
            state = tracker;
            steps.extend(some);
            if rest.is_empty() {
                break;
            }
        }
        let (mut at_once, closed) = all_steps(&frames);
        at_once.last_mut().unwrap().closed.extend(closed);
        prop_assert_eq!(steps, at_once);
    }

    #[test]
    fn the_order_of_a_frames_items_does_not_matter(frames in frames(), by in 0usize..6) {
        let mut frames = frames;
        for frame in &mut frames {
            // Each with a confidence of its own.
            for (conf, it) in [0.91, 0.82, 0.73, 0.64, 0.55, 0.46].into_iter().zip(&mut frame.items) {
                it.conf = conf;
            }
        }
        let mut turned = frames.clone();
        for frame in &mut turned {
            let len = frame.items.len();
            frame.items.rotate_left(if len > 0 { by % len } else { 0 });
        }
        let ((steps, closed), (others, closed_too)) = (all_steps(&frames), all_steps(&turned));
        prop_assert_eq!(closed, closed_too);
        for (step, mut other) in steps.into_iter().zip(others) {
            let len = other.tracks.len();
            other.tracks.rotate_right(if len > 0 { by % len } else { 0 });
            prop_assert_eq!(step.tracks, other.tracks);
            prop_assert_eq!(step.rows, other.rows);
            prop_assert_eq!(step.closed, other.closed);
        }
    }

    #[test]
    fn ids_are_dense_rows_are_numbers_and_what_is_closed_stays_closed(frames in frames()) {
        let (mut steps, closed) = all_steps(&frames);
        steps.push(TrackStep { closed, ..TrackStep::default() });
        let mut ages: BTreeMap<u32, u32> = BTreeMap::new();
        let mut over = BTreeSet::new();
        for step in &steps {
            for row in &step.rows {
                prop_assert!(!over.contains(&row.track_id));
                let age = ages.entry(row.track_id).or_default();
                *age += 1;
                prop_assert_eq!(row.age_frames, *age);
                prop_assert_eq!(row.is_new, *age == 1);
                for it in [row.vx, row.vy, row.speed_px_s, row.heading_deg, row.scale_rate, row.scale_ratio] {
                    prop_assert!(it.is_finite());
                }
                prop_assert!(row.bbox_area > 0.0);
            }
            let now: Vec<u32> = step.tracks.iter().copied().flatten().collect();
            prop_assert_eq!(now.iter().collect::<BTreeSet<_>>().len(), now.len(), "a track twice in a frame");
            for it in &step.closed {
                prop_assert!(over.insert(*it), "closed twice");
            }
            prop_assert!(now.iter().all(|it| ages.contains_key(it)));
        }
        prop_assert_eq!(&over, &ages.keys().copied().collect::<BTreeSet<_>>());
        let ids: Vec<u32> = ages.keys().copied().collect();
        prop_assert_eq!(ids, (1..).take(over.len()).collect::<Vec<u32>>());
        prop_assert!(ages.values().all(|it| *it >= 2));
    }

    #[test]
    fn any_state_is_refused_or_survived(
        frames in frames(),
        path in prop::sample::select(vec!["/version", "/open", "/open/0/car", "/open/0/last", "/next_id", "/scenery"]),
        bad in prop::sample::select(vec![
            Value::Null, Value::from(-1), Value::from("x"), serde_json::json!([1e38, 1e38, 1e38, 1e38]), serde_json::json!([]),
        ]),
    ) {
        let mut tracker = Tracker::new(Settings::default());
        for it in &frames {
            tracker.step(it);
        }
        let mut state = tracker.state();
        if let Some(it) = state.pointer_mut(path) {
            *it = bad;
        }
        match Tracker::restore(Settings::default(), &state) {
            Ok(mut it) => {
                it.step(&frames[0]);
            }
            Err(e) => prop_assert!(e.to_string().contains("state of the tracker"), "{}", e),
        }
    }
}

#[test]
fn a_crowd_does_not_make_the_state_grow_without_bound() {
    let mut tracker = Tracker::new(Settings::default());
    let mut largest = 0;
    for frame_idx in 0..120_u16 {
        let items = (0..400_u16).map(|i| {
            let at = f32::from(i.wrapping_mul(frame_idx.wrapping_add(3)) % 2000);
            Item {
                car_bbox: BBox::from([at, at, at + 9.0, at + 9.0]),
                conf: 0.9,
                class: Some(VehicleClass::Car),
                plate_bbox: None,
                plate_conf: 0.0,
                reading: Some(Reading {
                    text: format!("A{i:04}"),
                    conf: 0.9,
                    ..Reading::default()
                }),
            }
        });
        tracker.step(&TrackFrame {
            frame_idx: u64::from(frame_idx),
            ts_ms: Some(f64::from(frame_idx) * 40.0),
            fps: 25.0,
            size: [1280, 720],
            thumbnail: Thumbnail::default(),
            items: items.collect(),
        });
        assert!(tracker.open() <= Settings::default().max_open);
        largest = largest.max(tracker.state().to_string().len());
    }
    assert!(largest < 512 * 1024, "{largest} bytes");
}

#[test]
fn a_state_that_no_tracker_left_is_told_as_such() {
    let payload = Payload::VehicleTrack {
        tracker: Value::from("rubbish"),
        frames: Vec::new(),
        is_last: false,
    };
    let error = run(&payload, &Settings::default()).unwrap_err().to_string();
    assert!(error.contains("state of the tracker"), "{error}");
    assert!(run(&Payload::VehicleDetect, &Settings::default()).is_err());
}

#[test]
fn an_empty_last_task_still_closes_every_track() {
    let item = Item {
        car_bbox: BBox::from([10.0, 10.0, 90.0, 90.0]),
        conf: 0.9,
        class: Some(VehicleClass::Car),
        plate_bbox: None,
        plate_conf: 0.0,
        reading: None,
    };
    let frame = |frame_idx| TrackFrame {
        frame_idx,
        ts_ms: None,
        fps: 25.0,
        size: [100, 100],
        thumbnail: Thumbnail::default(),
        items: vec![item.clone()],
    };
    let task = |tracker, frames, is_last| {
        let payload = Payload::VehicleTrack {
            tracker,
            frames,
            is_last,
        };
        match run(&payload, &Settings::default()).unwrap() {
            Output::VehicleTrack { tracker, steps } => (tracker, steps),
            _ => panic!("another stage's output"),
        }
    };
    let (state, steps) = task(Value::Null, vec![frame(0), frame(4)], false);
    assert_eq!(steps[1].tracks, [Some(1)]);
    assert_eq!(steps[1].earlier[0].frame_idx, 0);
    assert_eq!(steps[1].rows.len(), 2);
    let (_, steps) = task(state, Vec::new(), true);
    assert_eq!(steps[0].closed, [1]);
}
