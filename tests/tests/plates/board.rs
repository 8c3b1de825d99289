//! How a run stands, over HTTP.

use std::{collections::BTreeSet, fs};

use framerill_tests::{
    ffmpeg_is_here,
    http::{get, request},
    repository, skip, wait_for,
};
use rustix::process::Signal;

use crate::{
    films::blue,
    scene::{Running, SOON, Scene, ended, has_onnxruntime},
};

/// A run of one video with the tiny models that goes on until it is told to end.
fn running(scene: &Scene) -> Option<Running> {
    if !has_onnxruntime() || !ffmpeg_is_here() {
        skip("no ONNX Runtime (ORT_DYLIB_PATH names it) or no ffmpeg");
        return None;
    }
    for at in 0..6 {
        // Each has a content of its own.
        let path = scene.path(&format!("in/{at}.mp4"));
        blue(&path);
        let mut bytes = fs::read(&path).expect("it is there");
        bytes.extend([0, 0, 0, 9, b'f', b'r', b'e', b'e', at]);
        fs::write(&path, bytes).expect("room");
    }
    let models = repository().join("crates/plates/tests/models");
    let models = models.to_str().expect("text");
    Some(scene.start(&[
        "run",
        "in",
        "--work-dir",
        "work",
        "--models",
        models,
        "--every",
        "1",
        "--num-gpu-workers",
        "1",
        "--num-cpu-workers",
        "1",
        "--http",
        "127.0.0.1:0",
        "--json",
    ]))
}

fn address(running: &Running) -> String {
    let told = || {
        let said = running.said();
        let (_, rest) = said.split_once("state is at http://")?;
        let (address, _) = rest.split_once("/status")?;
        Some(address.to_owned())
    };
    wait_for(SOON, told).unwrap_or_else(|| panic!("{}", running.said()))
}

#[test]
fn a_run_says_over_http_how_it_stands_and_ends_with_its_port() {
    let scene = Scene::new();
    let Some(running) = running(&scene) else {
        return;
    };
    let address = address(&running);
    let health = request(&address, "GET", "/health", &[], b"").json();
    assert_eq!(health["status"], "ok", "{health}");
    let status = request(&address, "GET", "/status", &[], b"").json();
    assert!(
        status["workers"].is_array() && status["videos_total"].is_u64(),
        "{status}"
    );
    let page = request(&address, "GET", "/metrics", &[], b"").text();
    for name in ["frames_total", "dead_letters_total", "readers_paused"] {
        let name = format!("framerill_plates_{name} ");
        assert!(page.lines().any(|it| it.starts_with(&name)), "{page}");
    }
    assert_eq!(request(&address, "GET", "/", &[], b"").status, 404);
    let foreign = [("Host", "evil.example")];
    assert_eq!(
        request(&address, "GET", "/status", &foreign, b"").status,
        403
    );
    running.signal(Signal::INT);
    let ended = ended(running);
    assert!(matches!(ended.code, Some(130 | 0)), "{}", ended.stderr);
    assert!(get(&address, "/health", std::time::Duration::from_secs(1)).is_err());
}

#[test]
fn every_metric_of_a_run_has_its_panel_and_its_row_and_no_panel_shows_another() {
    let scene = Scene::new();
    let Some(running) = running(&scene) else {
        return;
    };
    let address = address(&running);
    let page = request(&address, "GET", "/metrics", &[], b"").text();
    running.signal(Signal::INT);
    ended(running);
    let types = page.lines().filter_map(|it| it.strip_prefix("# TYPE "));
    let told: BTreeSet<_> = types.filter_map(|it| it.split(' ').next()).collect();
    assert!(told.len() > 15, "{told:?}");
    let names = |file: &str| {
        let text = fs::read_to_string(repository().join(file)).expect("it is committed");
        let is_word = |it: char| it.is_alphanumeric() || it == '_';
        let words = text.split(|it| !is_word(it));
        let ours = words.filter(|it| it.starts_with("framerill_plates_"));
        ours.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    for file in [
        "deploy/grafana/framerill.json",
        "docs/concepts/runtime-overview.md",
    ] {
        let named = names(file);
        let named: BTreeSet<_> = named.iter().map(String::as_str).collect();
        assert_eq!(named, told, "{file}");
    }
}

#[test]
fn a_port_that_is_taken_is_told_before_anything_is_read() {
    let scene = Scene::new();
    let Some(running) = running(&scene) else {
        return;
    };
    let address = address(&running);
    let models = repository().join("crates/plates/tests/models");
    let models = models.to_str().expect("text");
    let second = scene.plates(&[
        "run",
        "in",
        "--work-dir",
        "other",
        "--models",
        models,
        "--http",
        &address,
    ]);
    running.signal(Signal::INT);
    ended(running);
    assert_eq!(second.code, Some(3), "{}", second.stderr);
    assert!(second.stderr.contains("--http"), "{}", second.stderr);
}
