//! `framerill plates image`, as its callers meet it.

use std::{fs, path::Path};

use framerill_tests::{ffmpeg_is_here, material, process, repository, skip};
use serde_json::Value;

use crate::{
    drawn::{self, YELLOW},
    films::{blue, picture},
    scene::{Scene, ended, everything, has_onnxruntime},
};

/// The tiny models, if ONNX Runtime and ffmpeg are there.
fn tiny() -> Option<String> {
    if !has_onnxruntime() || !ffmpeg_is_here() {
        skip("no ONNX Runtime (ORT_DYLIB_PATH names it) or no ffmpeg");
        return None;
    }
    let models = repository().join("crates/plates/tests/models");
    Some(models.to_str().expect("text").to_owned())
}

/// A picture with one plate.
fn plate(path: &Path, text: &str) {
    let scene = drawn::Scene::new(640, 360).plate([150.0, 180.0, 270.0, 212.0], YELLOW, text);
    picture(path, (640, 360), scene.picture().rgb());
}

fn lines(stdout: &str) -> Vec<Value> {
    let lines = stdout.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("an object a line")
}

#[test]
fn pictures_become_one_object_each_in_their_order_with_boxes_in_their_own_pixels() {
    let Some(models) = tiny() else { return };
    let scene = Scene::new();
    plate(&scene.path("in/b ü.png"), "34A36837");
    plate(&scene.path("in/a.PNG"), "B7XYZ0");
    let empty = drawn::Scene::new(320, 200);
    picture(
        &scene.path("in/none.bmp"),
        (320, 200),
        empty.picture().rgb(),
    );
    fs::write(scene.path("in/notes.txt"), "no picture").expect("room");
    let ended = scene.plates(&["image", "in/none.bmp", "in", "--models", &models, "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let all = lines(&ended.stdout);
    let files: Vec<_> = all
        .iter()
        .map(|it| it["file"].as_str().expect("a name"))
        .collect();
    assert_eq!(files, ["in/none.bmp", "in/a.PNG", "in/b ü.png"]);
    assert_eq!(
        (&all[0]["width"], &all[0]["height"]),
        (&320.into(), &200.into())
    );
    assert_eq!(all[0]["plates"], Value::Array(Vec::new()));
    for (it, text) in all[1..].iter().zip(["B7XYZ0", "34A36837"]) {
        let plates = it["plates"].as_array().expect("plates");
        assert_eq!(plates.len(), 1, "{it}");
        let plate = &plates[0];
        assert_eq!(plate["text"], text);
        assert!(
            plate["confidence"].as_f64().is_some_and(|it| it > 0.9),
            "{plate}"
        );
        let characters = plate["characters"].as_array().expect("numbers");
        assert_eq!(characters.len(), text.len());
        let sides = plate["bbox"].as_array().expect("sides").iter();
        for (side, expected) in sides.zip([150.0, 180.0, 270.0, 212.0]) {
            let side = side.as_f64().expect("a number");
            assert!((side - expected).abs() <= 3.0, "{plate}");
        }
    }
    let lines = scene.plates(&["image", "in/*.png", "in/none.bmp", "--models", &models]);
    assert_eq!(lines.code, Some(0), "{}", lines.stderr);
    let said: Vec<_> = lines.stdout.lines().collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("in/b ü.png: 34A36837 "), "{said:?}");
    assert_eq!(said[1], "in/none.bmp: no plate");
}

#[test]
fn a_file_that_is_no_picture_fails_alone() {
    let Some(models) = tiny() else { return };
    let scene = Scene::new();
    fs::write(scene.path("in/a.jpg"), [0x5a; 9000]).expect("room");
    fs::write(scene.path("in/b.jpg"), "").expect("room");
    // Half of a picture: what a decoder makes of the rest is no picture.
    plate(&scene.path("whole.jpg"), "AB12");
    let whole = fs::read(scene.path("whole.jpg")).expect("it was made");
    fs::write(scene.path("in/b2.jpg"), &whole[..whole.len() * 2 / 3]).expect("room");
    plate(&scene.path("in/c.png"), "AB12");
    let ended = scene.plates(&["image", "in", "--models", &models, "--json"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let all = lines(&ended.stdout);
    assert_eq!(all.len(), 4);
    assert_eq!(all[2]["error"]["code"], "source_truncated", "{}", all[2]);
    for it in &all[..3] {
        assert!(
            it["error"]["code"].is_string() && it["plates"].is_null(),
            "{it}"
        );
    }
    assert_eq!(all[3]["plates"][0]["text"], "AB12");
    let lines = scene.plates(&["image", "in/a.jpg", "--models", &models]);
    assert_eq!(lines.code, Some(1));
    assert!(lines.stderr.contains("in/a.jpg"), "{}", lines.stderr);
}

#[test]
fn a_decoder_that_dies_costs_only_the_picture_that_it_was_at() {
    let Some(models) = tiny() else { return };
    let scene = Scene::new();
    // Each takes long enough that the decoder is at one of them when it is found.
    let large = drawn::Scene::new(3840, 2160);
    picture(&scene.path("in/0.png"), (3840, 2160), large.picture().rgb());
    for it in 1..8 {
        fs::copy(scene.path("in/0.png"), scene.path(&format!("in/{it}.png"))).expect("room");
    }
    plate(&scene.path("in/last.png"), "AB12");
    let running = scene.start(&["image", "in", "--models", &models, "--json"]);
    let decoder = running.child_called("framerill-media");
    process::kill_9(decoder).expect("it runs");
    let ended = ended(running);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let all = lines(&ended.stdout);
    assert_eq!(all.len(), 9);
    let failed: Vec<_> = all.iter().filter(|it| !it["error"].is_null()).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0]["error"]["code"], "media_lost");
    assert_eq!(all[8]["plates"][0]["text"], "AB12");
}

#[test]
fn what_is_missing_is_told_before_any_picture_is_read() {
    let Some(models) = tiny() else { return };
    let scene = Scene::new();
    plate(&scene.path("in/a.png"), "AB12");
    let ended = scene.plates(&["image", "in", "--models", "none"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("models pull"), "{}", ended.stderr);
    let ended = scene.plates(&["image", "no/such.jpg", "--models", &models]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("no/such.jpg"), "{}", ended.stderr);
    assert_eq!(scene.plates(&["image"]).code, Some(2));
    let copy = scene.path("wrong");
    fs::create_dir(&copy).expect("a folder");
    for it in fs::read_dir(&models).expect("models") {
        let it = it.expect("a file");
        fs::copy(it.path(), copy.join(it.file_name())).expect("room");
    }
    fs::write(copy.join("tiny_ocr.onnx"), "no model").expect("room");
    let ended = scene.plates(&["image", "in", "--models", "wrong"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("tiny_ocr.onnx"), "{}", ended.stderr);
}

#[test]
fn a_video_is_a_picture_of_its_first_frame() {
    let Some(models) = tiny() else { return };
    let scene = Scene::new();
    blue(&scene.path("in/a.mp4"));
    let ended = scene.plates(&["image", "in/a.mp4", "--models", &models, "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(lines(&ended.stdout)[0]["width"], 320);
}

#[test]
fn plates_of_the_material_are_read_as_the_library_reads_them() {
    let (Some(_), Some(material)) = (everything(), material()) else {
        return;
    };
    let scene = Scene::new();
    let models = material.join("models");
    let picture = material.join("images/extra/fastalpr_test_image.png");
    let [models, picture] = [&models, &picture].map(|it| it.to_str().expect("text"));
    let ended = scene.plates(&["image", picture, "--models", models, "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let texts = lines(&ended.stdout)[0]["plates"].to_string();
    assert!(texts.contains("5AU5341"), "{texts}");
}
