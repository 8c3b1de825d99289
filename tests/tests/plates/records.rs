//! What records say beside the plate, what is left of a run, and what is taken out again.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::scene::{Scene, ended, everything};

/// A place every second: north by 0.001 degrees each.
fn subtitles() -> String {
    let each = (0..10).map(|it| {
        format!(
            "{}\n00:00:{it:02},000 --> 00:00:{:02},000\n[latitude: 48.{it:03}] [longitude: 11.5]\n\n",
            it + 1,
            it + 1
        )
    });
    each.collect()
}

fn exported(scene: &Scene, table: &str) -> Vec<Value> {
    let out = scene.plates(&["export", "--work-dir", "work", "--table", table]);
    let lines = out.stdout.lines();
    lines
        .map(|it| serde_json::from_str(it).expect("JSON"))
        .collect()
}

/// Files of SQLite's that stand beside its databases while they are open.
fn journals(scene: &Scene) -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["work", "work/outbox"] {
        let entries = fs::read_dir(scene.path(folder)).expect("a folder");
        let names = entries.map(|it| it.expect("a file").file_name());
        let names = names.map(|it| it.to_string_lossy().into_owned());
        found.extend(names.filter(|it| it.ends_with("-wal") || it.ends_with("-shm")));
    }
    found
}

#[test]
fn a_record_says_when_and_where_and_the_summary_what_stages_took() {
    let Some(material) = everything() else { return };
    let scene = Scene::new();
    scene.clip(&material, "edge/short30.mp4", "20251116_115002_F.mp4");
    fs::write(scene.path("in/20251116_115002_F.srt"), subtitles()).expect("a file");
    let ended = scene.run(&material, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let vehicles = exported(&scene, "vehicles");
    assert_eq!(vehicles.len(), 1, "{vehicles:?}");
    for row in vehicles
        .iter()
        .chain(&exported(&scene, "tracks"))
        .chain(&exported(&scene, "track_motion"))
    {
        let ms = row["video_ts_ms"].as_f64().expect("a time");
        let (lat, lon) = (row["lat"].as_f64(), row["lon"].as_f64());
        assert!(
            (lat.expect("a place") - 48.0 - ms / 1e6).abs() < 1e-6,
            "{row}"
        );
        assert_eq!(lon, Some(11.5));
    }
    let ts = vehicles[0]["ts"].as_str().expect("a time");
    assert!(ts.starts_with("2025-11-16T11:50:0"), "{ts}");
    let video = &exported(&scene, "videos")[0];
    assert_eq!(video["recorded_by"], "name");
    assert_eq!(video["recorded_at"], "2025-11-16T11:50:02.000000Z");
    let [started, finished] = ["started", "finished"].map(|it| video[it].as_str().expect("a time"));
    assert!(started < finished, "{video}");
    assert_eq!(video["counts"]["plates"], 1);
    let took = exported(&scene, "video_summary")[0]["stage_seconds"].clone();
    for stage in [
        "vehicle_yolo",
        "plate_yolo",
        "ocr",
        "vehicle_track",
        "final_write",
    ] {
        assert!(took[stage].as_f64() > Some(0.0), "{stage}: {took}");
    }
    assert_eq!(journals(&scene), Vec::<String>::new());
}

#[test]
fn an_interrupted_run_leaves_no_journal() {
    let Some(material) = everything() else { return };
    let scene = Scene::new();
    scene.clip(&material, "approach_a.mp4", "a.mp4");
    let running = scene.begin(&material, &[]);
    running.says(" reads ");
    assert!(scene.path("work/plates.db-wal").exists());
    running.signal(Signal::INT);
    let ended = ended(running);
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert_eq!(journals(&scene), Vec::<String>::new());
}

#[test]
fn an_erased_plate_stays_out_when_its_video_is_read_again_even_by_force() {
    let Some(material) = everything() else { return };
    let scene = Scene::new();
    scene.clip(&material, "edge/short30.mp4", "a.mp4");
    assert_eq!(scene.run(&material, &[]).code, Some(0));
    let plate = exported(&scene, "vehicles")[0]["final_plate"].clone();
    let plate = plate.as_str().expect("a plate");
    let erase = |more: &[&str]| {
        let mut args = vec!["erase", plate, "--work-dir", "work", "--json"];
        args.extend(more);
        scene.plates(&args).json()
    };
    assert_eq!(erase(&[])["vehicles"], 1);
    let forced = scene.run(&material, &["--force"]);
    assert_eq!(forced.code, Some(0), "{}", forced.stderr);
    assert_eq!(exported(&scene, "vehicles"), Vec::<Value>::new());
    assert_eq!(erase(&["--undo"]), json!({"was_out": true}));
    assert_eq!(scene.run(&material, &["--force"]).code, Some(0));
    assert_eq!(exported(&scene, "vehicles").len(), 1);
}

#[test]
fn plates_are_hashed_listed_and_retained_as_the_command_line_says() {
    let Some(material) = everything() else { return };
    let scene = Scene::new();
    scene.clip(&material, "edge/short30.mp4", "20200101_120000.mp4");
    fs::write(scene.path("key"), "0123456789abcdef0123456789abcdef\n").expect("a file");
    fs::write(scene.path("in/framerill.toml"), "").expect("a file");
    let config = "[plates]\nplate_key = \"key\"\nqueue_recover_ratio = 0.5\nstarvation_time = 1\n";
    fs::write(scene.path("framerill.toml"), config).expect("a file");
    let hashed = scene.run(&material, &[]);
    assert_eq!(hashed.code, Some(0), "{}", hashed.stderr);
    let row = &exported(&scene, "vehicles")[0];
    let plate = row["final_plate"].as_str().expect("a hash");
    assert!(plate.starts_with("hmac-sha256:"), "{plate}");
    assert!(row["crop"].is_null() && row["readings"].is_null(), "{row}");
    assert!(
        hashed.stderr.contains("\"queue_recover_ratio\":0.5"),
        "{}",
        hashed.stderr
    );

    let retain = |more: &[&str]| {
        let mut args = vec![
            "retain",
            "--older-than",
            "30d",
            "--work-dir",
            "work",
            "--json",
        ];
        args.extend(more);
        scene.plates(&args).json()
    };
    assert_eq!(retain(&["--dry-run"])["vehicles"], 1);
    assert_eq!(exported(&scene, "vehicles").len(), 1);
    let done = retain(&[]);
    assert_eq!(
        (&done["vehicles"], &done["dry_run"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(exported(&scene, "vehicles"), Vec::<Value>::new());

    let none = scene.run(&material, &["--plate-key", "no-such-key"]);
    assert_eq!(none.code, Some(3), "{}", none.stderr);
    assert!(none.stderr.contains("no-such-key"), "{}", none.stderr);
}
