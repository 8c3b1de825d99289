//! `framerill plates bench` on material that the test draws.

use std::fs;

use framerill_tests::{repository, skip};
use serde_json::Value;

use crate::scene::{Scene, has_onnxruntime};

/// Where the plate is in the first frame that `scripts/tiny_models.py` draws, in 640 × 360: x, y, width, height.
const PLATE: [f64; 4] = [208.0, 272.2, 96.0, 24.0];

fn value(report: &Value, what: &str) -> f64 {
    let rows = report["rows"].as_array().expect("rows");
    let row = rows.iter().find(|it| it["what"] == what);
    row.and_then(|it| it["value"].as_f64())
        .unwrap_or_else(|| panic!("no `{what}` in {report}"))
}

#[test]
fn what_is_drawn_is_read_right_and_every_figure_is_there() {
    if !has_onnxruntime() {
        skip("no ONNX Runtime; ORT_DYLIB_PATH names it");
        return;
    }
    let scene = Scene::new();
    let folder = "material/images/openalpr_drawn";
    for text in ["AB12CD", "K9XYZ"] {
        scene.draw(text, 1, &format!("{folder}/{text}.png"));
        let [x, y, w, h] = PLATE;
        let line = format!("{text}.png\t{x}\t{y}\t{w}\t{h}\t{text}\n");
        fs::write(scene.path(&format!("{folder}/{text}.txt")), line).expect("a file");
    }
    fs::write(scene.path(&format!("{folder}/noise.png")), [0x5a; 900]).expect("a file");
    let lost = "noise.png\t1\t1\t50\t20\tXX1\n";
    fs::write(scene.path(&format!("{folder}/noise.txt")), lost).expect("a file");
    scene.draw("AB12CD", 40, "material/video/one.mp4");
    let cars = "car,text,first_frame,last_frame\n0,AB12CD,0,39\n";
    fs::write(scene.path("material/video/one.csv"), cars).expect("a file");

    let models = repository().join("crates/plates/tests/models");
    let done = scene.plates(&[
        "bench",
        "--json",
        "--no-peer",
        "--material",
        "material",
        "--models",
        models.to_str().expect("text"),
    ]);
    let report = done.json();
    for what in ["stills, plates exact", "stills, located"] {
        let percent = value(&report, what);
        assert!((percent - 200.0 / 3.0).abs() < 0.1, "{what}: {report}");
    }
    assert!(value(&report, "stills, inferences an image") > 1.0);
    assert!(value(&report, "stills, bare inferences' CPU in that of the stage") > 0.0);
    for what in [
        "clips, cascade: cars exact",
        "clips, cascade, two workers: cars exact",
        "clips, frame: cars exact",
    ] {
        assert!(
            (value(&report, what) - 1.0).abs() < 1e-9,
            "{what}: {report}"
        );
    }
    assert!(value(&report, "clips, cascade: rows that are wrong or extra") < 1e-9);
    assert!(
        value(
            &report,
            "clips, cascade, two workers: memory of all processes"
        ) > 10.0
    );
    assert_eq!(done.code, Some(1), "a third of the stills is noise");
}

#[test]
fn without_material_it_is_said_what_is_needed() {
    let scene = Scene::new();
    let done = scene.plates(&["bench", "--material", "none"]);
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    assert!(done.stderr.contains("--material DIR"), "{}", done.stderr);
    fs::create_dir_all(scene.path("material")).expect("a folder");
    let done = scene.plates(&["bench", "--material", "material"]);
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    assert!(done.stderr.contains("models"), "{}", done.stderr);
}
