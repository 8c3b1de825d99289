//! What happens to vehicles, told while a run is on.

use std::{collections::BTreeMap, fs};

use framerill_plates::store::Record;
use framerill_tests::{process, wait_until};
use serde_json::Value;

use crate::scene::{SOON, Scene, ended, everything};

const FILE: &str = "events.jsonl";

/// All lines that are whole; a crash may cut one short.
fn events(scene: &Scene) -> Vec<Value> {
    let text = fs::read_to_string(scene.path(FILE)).unwrap_or_default();
    let lines = text.lines();
    lines
        .filter_map(|it| serde_json::from_str(it).ok())
        .collect()
}

/// Each once, by its id, without the name of the run that found it.
fn once(events: &[Value]) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for it in events {
        let mut it = it.clone();
        if let Some(record) = it["record"].as_object_mut() {
            for name in ["run_id", "ts", "video_path"] {
                record.remove(name);
            }
        }
        let id = it["id"].as_str().expect("an id").to_owned();
        if let Some(before) = all.insert(id, it.clone()) {
            assert_eq!(before, it, "what comes twice is the same");
        }
    }
    all
}

/// What of a row must be as it was told.
fn told(row: &Record) -> Vec<Value> {
    let names = [
        "track_id",
        "global_id",
        "final_plate",
        "raw_plate",
        "plate_confidence",
        "samples",
        "frame_idx",
        "first_frame_idx",
        "last_frame_idx",
        "car_bbox",
        "plate_bbox",
        "readings",
    ];
    names
        .iter()
        .map(|it| row.get(*it).cloned().unwrap_or_default())
        .collect()
}

/// Each track: one `new`, then updates, then one `end`; with the records that were stored.
fn judge(scene: &Scene, events: &[Value]) {
    let mut tracks: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
    for it in events {
        let id = it["track_id"].as_u64().expect("a number");
        tracks.entry(id).or_default().push(it);
    }
    for (id, events) in &tracks {
        let words: Vec<_> = events
            .iter()
            .map(|it| it["event"].as_str().unwrap_or_default())
            .collect();
        let [first, between @ .., last] = words.as_slice() else {
            panic!("{id}: {words:?}");
        };
        assert_eq!((*first, *last), ("new", "end"), "{id}");
        assert!(
            between.iter().all(|it| *it == "update"),
            "{id}: {between:?}"
        );
    }
    let mut rows: Vec<_> = scene
        .rows("tracks")
        .iter()
        .filter_map(|it| it["track_id"].as_u64())
        .collect();
    rows.sort_unstable();
    assert_eq!(tracks.keys().copied().collect::<Vec<_>>(), rows);
    let records = events.iter().filter_map(|it| it["record"].as_object());
    let mut records: Vec<_> = records.map(told).collect();
    let rows = scene.rows("vehicles");
    let mut stored: Vec<_> = rows.iter().map(told).collect();
    for all in [&mut records, &mut stored] {
        all.sort_by_key(|it| it[0].as_u64());
    }
    assert!(!stored.is_empty());
    assert_eq!(records, stored);
}

#[test]
fn events_of_a_clip_are_its_rows_and_after_a_kill_none_is_missing() {
    let Some(material) = everything() else { return };
    let more = ["--events", FILE, "--every", "2"];
    let calm = Scene::new();
    calm.clip(&material, "pair.mp4", "pair.mp4");
    let run = calm.run(&material, &more);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let all = events(&calm);
    judge(&calm, &all);
    assert_eq!(run.json()["events"]["written"], all.len());
    assert_eq!(run.json()["events"]["lost"], 0);
    assert!(all.iter().all(|it| it["record"].get("crop").is_none()));

    let scene = Scene::new();
    scene.clip(&material, "pair.mp4", "pair.mp4");
    let mut killed = scene.begin(&material, &more);
    let begun = wait_until(SOON, || !events(&scene).is_empty());
    assert!(begun, "{}", killed.said());
    process::kill_9(killed.pid()).expect("it runs");
    killed.child.wait().expect("it is ours");
    // As if the kill had cut a line short.
    let mut text = fs::read_to_string(scene.path(FILE)).expect("it is there");
    text.push_str("{\"id\": \"cut");
    fs::write(scene.path(FILE), text).expect("ours");
    let run = scene.run(&material, &more);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let both = once(&events(&scene));
    assert_eq!(both, once(&all));
}

#[test]
fn events_that_nobody_takes_stop_no_run_and_are_told_once() {
    let Some(material) = everything() else { return };
    for to in ["/dev/full", "no/such/folder/events.jsonl"] {
        let scene = Scene::new();
        scene.clip(&material, "edge/short30.mp4", "a.mp4");
        let run = scene.run(&material, &["--events", to]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert_eq!(scene.rows("vehicles").len(), 1);
        let events = &run.json()["events"];
        assert_eq!(events["written"], 0);
        assert!(events["lost"].as_u64() >= Some(2), "{events}");
        let warnings = run.stderr.matches("events do not reach").count();
        assert_eq!(warnings, 1, "{}", run.stderr);
    }
}

#[test]
fn stdout_is_for_events_or_for_the_answer() {
    let scene = Scene::new();
    let both = scene.plates(&["run", "in", "--events", "-", "--json"]);
    assert_eq!(both.code, Some(2), "{}", both.stderr);
    assert!(both.stderr.contains("--events -"), "{}", both.stderr);
    let shared = [
        "run",
        "in",
        "--events",
        "e",
        "--queue",
        "nats://127.0.0.1:1",
    ];
    let shared = scene.plates(&shared);
    assert_eq!(shared.code, Some(2), "{}", shared.stderr);

    let Some(material) = everything() else { return };
    scene.clip(&material, "edge/short30.mp4", "a.mp4");
    let models = material.join("models");
    let models = models.to_str().expect("text");
    let args = ["run", "in", "--work-dir", "work", "--models", models];
    let more = ["--events", "-", "--single-process"];
    let run = ended(scene.start(&[args.as_slice(), &more].concat()));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let lines = run.stdout.lines();
    let all: Result<Vec<Value>, _> = lines.map(serde_json::from_str).collect();
    judge(&scene, &all.expect("nothing but events"));
}
