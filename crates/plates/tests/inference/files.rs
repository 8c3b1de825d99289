//! Files of models: missing, corrupt, of another shape, pulled.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::Path,
    process::Command,
    thread,
};

use framerill_plates::{
    detect::VehicleSettings,
    models::{Check, Choice, Models, PullError, Role, sha256_of},
    onnx::{Provider, Runtime},
};

use crate::surroundings::{choice, root, tiny, tiny_dir};

fn copied(change: impl FnOnce(&Path)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for it in fs::read_dir(tiny_dir()).unwrap() {
        let path = it.unwrap().path();
        fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    change(dir.path());
    dir
}

fn models(dir: &tempfile::TempDir) -> Models {
    Models::open(dir.path(), choice()).unwrap()
}

fn edited(dir: &Path, from: &str, to: &str) {
    let path = dir.join("models.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn the_tiny_models_are_those_that_their_script_makes() {
    let output = Command::new("python3")
        .arg(root().join("scripts/tiny_models.py"))
        .arg("check")
        .arg(tiny_dir())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
}

#[test]
fn missing_models_are_told_at_once_with_their_licences_and_the_command_that_gets_them() {
    let dir = copied(|it| {
        fs::remove_file(it.join("tiny_plate.onnx")).unwrap();
        fs::remove_file(it.join("tiny_ocr.onnx")).unwrap();
    });
    let models = models(&dir);
    let told = models.verify().unwrap_err().to_string();
    for words in [
        "the model `tiny_plate` for `plate` (licence: MIT OR Apache-2.0), ",
        "the model `tiny_ocr` for `ocr` (licence: MIT OR Apache-2.0): missing in ",
        "`framerill plates models pull` gets what is missing",
    ] {
        assert!(told.contains(words), "{told}");
    }
    let checks: Vec<_> = models.list().into_iter().map(|it| it.check).collect();
    assert_eq!(checks, [Check::Good, Check::Missing, Check::Missing]);
}

#[test]
fn another_file_of_the_same_name_is_told_with_both_hashes() {
    let dir = copied(|it| fs::write(it.join("tiny_plate.onnx"), "no model").unwrap());
    let told = models(&dir).verify().unwrap_err().to_string();
    let found = sha256_of(&dir.path().join("tiny_plate.onnx")).unwrap();
    assert!(
        told.contains("tiny_plate.onnx") && told.contains(&found),
        "{told}"
    );
}

#[test]
fn a_file_that_no_model_is_so_large_as_is_named_and_not_read() {
    for has_hash in [true, false] {
        let dir = copied(|it| {
            let path = it.join("tiny_plate.onnx");
            let hash = sha256_of(&path).unwrap();
            if !has_hash {
                edited(it, &format!("sha256 = \"{hash}\"\n"), "");
            }
            let file = fs::File::create(path).unwrap();
            // All of it is a hole.
            file.set_len(20 << 30).unwrap();
        });
        let told = models(&dir).verify().unwrap_err().to_string();
        assert!(
            told.contains("tiny_plate.onnx") && told.contains("more than 4 GiB"),
            "{told}"
        );
    }
}

#[test]
fn a_corrupt_model_without_a_hash_is_named_and_one_of_another_shape_is_compared() {
    if tiny().is_none() {
        return;
    }
    let told = |change: &dyn Fn(&Path)| {
        let dir = copied(|dir| {
            let hash = sha256_of(&dir.join("tiny_vehicle.onnx")).unwrap();
            edited(dir, &format!("sha256 = \"{hash}\"\n"), "");
            change(dir);
        });
        let error = models(&dir).vehicle_detector(VehicleSettings::default());
        error.unwrap_err().to_string()
    };
    let corrupt = told(&|dir| fs::write(dir.join("tiny_vehicle.onnx"), [0xFF; 4096]).unwrap());
    assert!(
        corrupt.contains("tiny_vehicle.onnx is no model"),
        "{corrupt}"
    );
    let other = told(&|dir| edited(dir, "width = 416", "width = 640"));
    assert!(
        other.contains("input f32 [1, 3, 416, 416]")
            && other.contains("says f32 [-1, 3, 416, 640]"),
        "{other}"
    );
    let other = told(&|dir| edited(dir, "layout = \"yolox\"", "layout = \"ultralytics-v8\""));
    assert!(
        other.contains("the output f32 [1, 3549, 85]") && other.contains("`ultralytics-v8`, 5 to"),
        "{other}"
    );
}

#[test]
fn without_a_device_auto_takes_the_processor_and_a_device_that_was_named_is_missed() {
    let Some(models) = tiny() else { return };
    let with = |provider| {
        let choice = Choice {
            provider,
            ..Choice::default()
        };
        let models = Models::open(models.dir(), choice).unwrap();
        models.vehicle_detector(VehicleSettings::default())
    };
    with(Provider::Auto).unwrap();
    // On a machine with a device, and a library for it, there is nothing to miss.
    if let Err(error) = with(Provider::Cuda) {
        let told = error.to_string();
        assert!(
            told.contains("tiny_vehicle.onnx cannot run on Cuda"),
            "{told}"
        );
    }
}

#[test]
fn a_library_that_is_not_there_is_named() {
    let told = Runtime::open(Some(Path::new("/nowhere/libonnxruntime.so"))).unwrap_err();
    let told = told.to_string();
    assert!(
        told.contains("/nowhere/libonnxruntime.so") && told.contains("pip install"),
        "{told}"
    );
}

/// A registry whose vehicles come from `urls`, and whose file is not there.
fn without_vehicles(urls: &[String]) -> tempfile::TempDir {
    copied(|dir| {
        fs::remove_file(dir.join("tiny_vehicle.onnx")).unwrap();
        let to = format!("file = \"tiny_vehicle.onnx\"\nurls = {urls:?}");
        edited(dir, "file = \"tiny_vehicle.onnx\"", &to);
    })
}

fn file_url(name: &str) -> String {
    format!("file://{}", tiny_dir().join(name).display())
}

#[test]
fn a_model_is_pulled_from_the_first_address_that_has_the_right_one() {
    let urls = [
        "file:///nowhere/x.onnx".into(),
        file_url("tiny_ocr.onnx"),
        file_url("tiny_vehicle.onnx"),
    ];
    let dir = without_vehicles(&urls);
    let models = models(&dir);
    let mut last = None;
    let entry = models.entry(Role::Vehicle).unwrap();
    let path = models.pull(entry, &mut |it| last = Some(it)).unwrap();
    let bytes = fs::metadata(&path).unwrap().len();
    let last = last.unwrap();
    assert_eq!((last.bytes, last.total), (bytes, Some(bytes)));
    models.verify().unwrap();
}

/// Answers one request each with these heads and bodies; the address.
fn server(answers: Vec<(&'static str, Vec<u8>)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (head, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let asked = BufReader::new(stream.try_clone().unwrap());
            let mut lines = asked.lines().map_while(Result::ok);
            lines.find(String::is_empty).unwrap();
            write!(stream, "HTTP/1.1 {head}\r\nconnection: close\r\n\r\n").unwrap();
            stream.write_all(&body).unwrap();
        }
    });
    format!("http://{address}/tiny.onnx")
}

#[test]
fn a_server_without_the_model_and_one_that_stops_half_way_are_passed_by() {
    let model = fs::read(tiny_dir().join("tiny_vehicle.onnx")).unwrap();
    let whole = format!("200 OK\r\ncontent-length: {}", model.len());
    let whole: &'static str = whole.leak();
    let url = server(vec![
        ("404 Not Found", Vec::new()),
        (whole, model[..1000].to_vec()),
        (whole, model.clone()),
    ]);
    let dir = without_vehicles(&[url.clone(), url.clone(), url]);
    let models = models(&dir);
    let path = models
        .pull(models.entry(Role::Vehicle).unwrap(), &mut |_| ())
        .unwrap();
    assert_eq!(fs::read(path).unwrap(), model);
}

#[test]
fn a_wrong_file_is_refused_and_nothing_of_it_stays() {
    let dir = without_vehicles(&[file_url("tiny_ocr.onnx")]);
    let models = models(&dir);
    let entry = models.entry(Role::Vehicle).unwrap();
    let error = models.pull(entry, &mut |_| ()).unwrap_err();
    assert!(matches!(error, PullError::Failed { .. }));
    assert!(error.to_string().contains("its sha256 is"), "{error}");
    let mut names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["models.toml", "tiny_ocr.onnx", "tiny_plate.onnx"]);
}

#[test]
fn a_model_without_an_address_says_where_its_file_belongs() {
    let dir = without_vehicles(&[]);
    let models = models(&dir);
    let error = models
        .pull(models.entry(Role::Vehicle).unwrap(), &mut |_| ())
        .unwrap_err();
    assert!(error.to_string().contains("tiny_vehicle.onnx"), "{error}");
}
