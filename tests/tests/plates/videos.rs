//! Videos in, records out.

use std::{collections::BTreeSet, fs};

use framerill_plates::run::ODD;
use framerill_tests::process;
use serde_json::Value;

use crate::scene::{Scene, everything};

fn plates(scene: &Scene) -> BTreeSet<String> {
    let rows = scene.rows("vehicles");
    let plates = rows.iter().filter_map(|it| it["final_plate"].as_str());
    plates.map(str::to_owned).collect()
}

#[test]
fn a_video_becomes_rows_and_once_more_it_is_skipped() {
    let Some(material) = everything() else { return };
    let scene = Scene::new();
    scene.clip(&material, "edge/short30.mp4", "a:b ünï.MP4");
    let first = scene.run(&material, &[]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let video = &first.json()["videos"][0];
    assert_eq!(video["status"], "complete", "{}", first.stderr);
    assert_eq!(video["video_id"], "a:b ünï");
    let (rows, videos) = (scene.rows("vehicles"), scene.rows("videos"));
    assert_eq!((videos.len(), scene.rows("video_summary").len()), (1, 1));
    assert_eq!(plates(&scene).len(), 1, "{rows:?}");

    let again = scene.run(&material, &[]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_eq!(again.json()["videos"][0]["status"], "skipped");
    assert_eq!(scene.rows("vehicles"), rows);
    let forced = scene.run(&material, &["--force"]);
    assert_eq!(forced.json()["videos"][0]["status"], "complete");
    assert_eq!(scene.rows("vehicles"), rows);
    let left: Vec<_> = fs::read_dir(scene.path("work/checkpoints"))
        .expect("it is there")
        .collect();
    assert!(left.is_empty() && !scene.path("work/run.lock").exists());
    assert!(
        process::descendants(std::process::id())
            .iter()
            .all(|it| !it.is_called("framerill"))
    );

    let plate = plates(&scene).into_iter().next().unwrap_or_default();
    let found = scene.plates(&["search", &plate, "--work-dir", "work", "--json"]);
    assert_eq!(
        found.json()[0]["record"]["final_plate"],
        Value::from(plate.clone())
    );
    let erased = scene.plates(&["erase", &plate, "--work-dir", "work", "--json"]);
    assert_eq!(erased.json()["vehicles"], 1, "{}", erased.stderr);
    assert!(plates(&scene).is_empty());
}

#[test]
fn what_is_no_video_fails_alone_and_what_is_broken_is_read_as_far_as_it_goes() {
    let Some(material) = everything() else { return };
    let scene = Scene::new();
    let edge = fs::read_dir(material.join("video/edge")).expect("clips");
    for it in edge {
        let name = it.expect("a file").file_name().into_string().expect("text");
        let wanted = [
            "zero",
            "garbage",
            "audio_only",
            "no_moov",
            "truncated",
            "one_frame",
        ];
        if wanted.iter().any(|it| name.starts_with(it)) {
            scene.clip(&material, &format!("edge/{name}"), &name);
        }
    }
    let ended = scene.run(&material, &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let json = ended.json();
    let videos = json["videos"].as_array().expect("videos");
    assert_eq!(videos.len(), 6, "{json}");
    for it in videos {
        let expected = match it["video_id"].as_str().unwrap_or_default() {
            name if name.starts_with("truncated") => "partial",
            name if name.starts_with("one_frame") => "complete",
            _ => "failed",
        };
        assert_eq!(it["status"], expected, "{it}");
        assert!(expected == "complete" || it["reason"].is_string(), "{it}");
    }
    assert!(!ended.stderr.contains(ODD), "{}", ended.stderr);
}

#[test]
fn one_process_and_several_make_the_same_rows() {
    let Some(material) = everything() else { return };
    let many = [
        "--num-gpu-workers",
        "2",
        "--num-cpu-workers",
        "2",
        "--every",
        "4",
    ];
    let mut all = Vec::new();
    for more in [["--single-process", "--every", "4"].as_slice(), &many] {
        let scene = Scene::new();
        scene.clip(&material, "pair.mp4", "pair.mp4");
        let ended = scene.run(&material, more);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        all.push((scene.rows("vehicles"), scene.rows("tracks")));
    }
    assert!(!all[0].0.is_empty());
    assert_eq!(all[0], all[1]);
}
