//! The tracker on the true boxes of the clips of the material: one track a car, none over two cars.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test's helper may fail its test; what is skipped is said"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use framerill_plates::{
    bbox::BBox,
    detection::{Reading, Thumbnail},
    track::{Item, Settings, TrackFrame, Tracker},
};
use serde_json::Value;

/// A car of a clip: which of the frame's cars, and its text.
type Car = (u64, String);

fn material(name: &str) -> Option<String> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/material");
    let root = std::env::var_os("FRAMERILL_MATERIAL").map_or(PathBuf::from(beside), PathBuf::from);
    std::fs::read_to_string(root.join("video").join(name)).ok()
}

fn of_plate(plate: &Value, with_text: bool) -> (Car, Item) {
    let [x, y, w, h] = [0, 1, 2, 3].map(|i| {
        #[expect(clippy::cast_possible_truncation, reason = "pixels")]
        let it = plate["bbox"][i].as_f64().unwrap() as f32;
        it
    });
    let text = plate["text"].as_str().unwrap().to_owned();
    let item = Item {
        car_bbox: BBox::from([x - w, y - 3.0 * w, x + 2.0 * w, y + w]),
        conf: 0.8,
        class: None,
        plate_bbox: Some(BBox::from([x, y, x + w, y + h])),
        plate_conf: 0.8,
        reading: with_text.then(|| Reading {
            text: text.clone(),
            conf: 0.9,
            ..Reading::default()
        }),
    };
    ((plate["car"].as_u64().unwrap(), text), item)
}

/// Nothing to see without a car, and a picture of its own for each scene.
fn thumbnail(scene: usize, is_blank: bool) -> Thumbnail {
    let area = |i: usize| (i + 1) * (i + 7) * (scene + 3) * 17 % 251;
    let all = (0..144).map(|i| if is_blank { 16 } else { area(i) });
    Thumbnail(all.map(|it| u8::try_from(it).unwrap()).collect())
}

/// Tracks of each car, over every `every`-th frame from `from`.
fn tracks(
    clip: &str,
    every: usize,
    from: usize,
    with_text: bool,
    with_picture: bool,
) -> BTreeMap<Car, BTreeSet<u32>> {
    let mut tracker = Tracker::new(Settings::default());
    let mut cars_of: BTreeMap<u64, Vec<Car>> = BTreeMap::new();
    let mut found: BTreeMap<Car, BTreeSet<u32>> = BTreeMap::new();
    let (mut scene, mut was_blank) = (0, false);
    for (i, line) in clip.lines().enumerate() {
        let line: Value = serde_json::from_str(line).unwrap();
        let is_blank = line["plates"].as_array().unwrap().is_empty();
        scene += usize::from(was_blank && !is_blank);
        was_blank = is_blank;
        if i % every != from {
            continue;
        }
        let frame_idx = line["frame"].as_u64().unwrap();
        let plates = line["plates"].as_array().unwrap().iter();
        let (cars, items): (Vec<Car>, Vec<Item>) = plates.map(|it| of_plate(it, with_text)).unzip();
        #[expect(clippy::cast_precision_loss, reason = "few frames")]
        let ts_ms = Some(frame_idx as f64 * 40.0);
        let step = tracker.step(&TrackFrame {
            frame_idx,
            ts_ms,
            fps: 25.0,
            size: [1280, 720],
            thumbnail: if with_picture {
                thumbnail(scene, is_blank)
            } else {
                Thumbnail::default()
            },
            items,
        });
        for car in &cars {
            found.entry(car.clone()).or_default();
        }
        for (car, track) in cars.iter().zip(&step.tracks) {
            found.get_mut(car).unwrap().extend(*track);
        }
        cars_of.insert(frame_idx, cars);
        for it in step.earlier {
            let car = &cars_of[&it.frame_idx][it.item];
            found.get_mut(car).unwrap().insert(it.track_id);
        }
    }
    found
}

fn assert_one_track_a_car(name: &str, with_text: bool, with_picture: bool) {
    let Some(clip) = material(name) else {
        eprintln!("skipped: no {name} in FRAMERILL_MATERIAL or ../shared/material");
        return;
    };
    for every in 1..=6 {
        for from in 0..every {
            let found = tracks(&clip, every, from, with_text, with_picture);
            let mut seen = BTreeSet::new();
            for (car, tracks) in &found {
                let at = format!("{name}, every {every} from {from}: {car:?}");
                assert_eq!(tracks.len(), 1, "{at}");
                assert!(seen.extend_one_new(tracks), "{at}: two cars in one track");
            }
            assert_eq!(found.len(), 6, "{name}");
        }
    }
}

/// Adds what must not be there yet.
trait ExtendNew {
    fn extend_one_new(&mut self, all: &BTreeSet<u32>) -> bool;
}

impl ExtendNew for BTreeSet<u32> {
    fn extend_one_new(&mut self, all: &BTreeSet<u32>) -> bool {
        all.iter().all(|it| self.insert(*it))
    }
}

#[test]
fn pictures_alone_keep_the_cars_of_a_cut_apart() {
    for name in ["approach_a.jsonl", "approach_b.jsonl", "pair.jsonl"] {
        assert_one_track_a_car(name, false, true);
    }
}

#[test]
fn readings_alone_keep_the_cars_of_a_cut_apart() {
    for name in ["approach_a.jsonl", "approach_b.jsonl", "pair.jsonl"] {
        assert_one_track_a_car(name, true, false);
    }
}
