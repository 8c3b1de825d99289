//! The clips of the material against what is known to be in them.

use std::{collections::BTreeMap, fs, path::Path};

use framerill_plates::store::Record;
use serde_json::Value;

use crate::scene::{Scene, everything};

/// Cars in all clips, and rows that may be wrong or extra.
const CARS: usize = 21;
const MOST_SPOILED: usize = 1;

/// The plates of a clip's cars; none where nothing can be read.
fn cars(material: &Path, clip: &str) -> Vec<String> {
    let csv = material.join("video").join(format!("{clip}.csv"));
    let csv = fs::read_to_string(csv).unwrap_or_default();
    let at = |line: &str, at: usize| line.split(',').nth(at).map(|it| it.trim().to_owned());
    let mut lines = csv.lines();
    let heads = lines.next().unwrap_or_default();
    let Some(column) = heads.split(',').position(|it| it.trim() == "text") else {
        return Vec::new();
    };
    lines
        .filter_map(|it| at(it, column))
        .filter(|it| !it.is_empty())
        .collect()
}

const CLIPS: [&str; 6] = [
    "approach_a",
    "approach_b",
    "highway_dashcam",
    "pair",
    "parking_overhead",
    "toll_vn",
];

/// Plates of each clip's rows.
fn plates(rows: &[Record]) -> BTreeMap<String, Vec<String>> {
    let mut plates: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let text = |row: &Record, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    for row in rows {
        let of_clip = plates.entry(text(row, "video_id")).or_default();
        of_clip.push(text(row, "final_plate"));
    }
    plates
}

fn every_car_has_one_row_of_its_own(mode: &str) {
    let Some(material) = everything() else { return };
    let scene = Scene::new();
    for clip in CLIPS {
        scene.clip(&material, &format!("{clip}.mp4"), &format!("{clip}.mp4"));
    }
    let done = scene.run(&material, &["--mode", mode]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let found = plates(&scene.rows("vehicles"));
    let (mut exact, mut of, mut spoiled) = (0, 0, 0);
    for clip in CLIPS {
        let mut cars = cars(&material, clip);
        of += cars.len();
        for plate in found.get(clip).into_iter().flatten() {
            match cars.iter().position(|it| it == plate) {
                Some(at) => {
                    cars.swap_remove(at);
                    exact += 1;
                }
                None => spoiled += 1,
            }
        }
        if clip == "highway_dashcam" || clip == "parking_overhead" {
            assert_eq!(found.get(clip), None, "nothing can be read there");
        }
    }
    assert_eq!((exact, of), (CARS, CARS), "{found:?}");
    assert!(spoiled <= MOST_SPOILED, "{found:?}");
}

#[test]
fn every_car_of_the_clips_has_one_row_of_its_own_by_its_vehicle() {
    every_car_has_one_row_of_its_own("cascade");
}

#[test]
fn every_car_of_the_clips_has_one_row_of_its_own_in_the_whole_frame() {
    every_car_has_one_row_of_its_own("frame");
}

#[test]
fn one_to_six_workers_make_the_same_records_of_the_clips() {
    let Some(material) = everything() else { return };
    let mut first: Option<Vec<Vec<Record>>> = None;
    for workers in 1..=6_u32 {
        let scene = Scene::new();
        for clip in ["pair", "highway_dashcam"] {
            scene.clip(&material, &format!("{clip}.mp4"), &format!("{clip}.mp4"));
        }
        let (gpu, cpu) = (workers.to_string(), (7 - workers).to_string());
        let more = ["--num-gpu-workers", &gpu, "--num-cpu-workers", &cpu];
        let done = scene.run(&material, &more);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let tables = ["vehicles", "tracks", "track_motion", "video_summary"];
        let rows: Vec<Vec<Record>> = tables.iter().map(|it| scene.rows(it)).collect();
        let is_read = |it: &Record| it["final_plate"] != Value::Null;
        assert!(rows[0].iter().any(is_read), "{rows:?}");
        match &first {
            None => first = Some(rows),
            Some(first) => assert_eq!(&rows, first, "{workers} workers"),
        }
    }
}
