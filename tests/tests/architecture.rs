//! Which way things point, as ARCHITECTURE.md draws it: between crates, and into libraries of the system.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use framerill_tests::{bin, repository};
use serde_json::Value;

/// What a crate may use of this workspace. A new crate gets its row here and its arrow in ARCHITECTURE.md.
const ARROWS: [(&str, &[&str]); 9] = [
    ("framerill-media", &[]),
    ("framerill-sim", &[]),
    ("framerill-trickle", &[]),
    ("framerill-frames", &["framerill-media"]),
    ("framerill-worker", &["framerill-frames", "framerill-media"]),
    // It knows nothing of pictures.
    ("framerill-supervisor", &["framerill-worker"]),
    (
        "framerill-plates",
        &["framerill-frames", "framerill-media", "framerill-worker"],
    ),
    (
        "framerill-av",
        &["framerill-frames", "framerill-media", "framerill-worker"],
    ),
    (
        "framerill-server",
        &[
            "framerill-frames",
            "framerill-media",
            "framerill-plates",
            "framerill-supervisor",
            "framerill-trickle",
            "framerill-worker",
        ],
    ),
];
/// Tests from outside; they may use anything but the server, and nothing may use them.
const TESTS: &str = "framerill-tests";
const SIM: &str = "framerill-sim";
const SERVER: &str = "framerill-server";

/// What only the media process and workers link.
const HEAVY: [&str; 9] = [
    "libavcodec",
    "libavdevice",
    "libavfilter",
    "libavformat",
    "libavutil",
    "libswresample",
    "libswscale",
    "libonnxruntime",
    "libpython",
];

/// One crate's use of another crate of the workspace.
struct Use {
    from: String,
    to: String,
    /// For tests only.
    dev: bool,
}

fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(repository())
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn crates(metadata: &Value) -> BTreeSet<String> {
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| text(package, "name").to_owned())
        .collect()
}

fn uses(metadata: &Value) -> Vec<Use> {
    let all = crates(metadata);
    let mut uses = Vec::new();
    for package in metadata["packages"].as_array().expect("packages") {
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let to = text(dependency, "name").to_owned();
            if all.contains(&to) {
                uses.push(Use {
                    from: text(package, "name").to_owned(),
                    to,
                    dev: text(dependency, "kind") == "dev",
                });
            }
        }
    }
    uses
}

#[test]
fn crates_use_each_other_only_as_drawn() {
    let metadata = metadata();
    let arrows: BTreeMap<_, _> = ARROWS.into_iter().collect();
    for name in crates(&metadata) {
        assert!(
            name == TESTS || arrows.contains_key(name.as_str()),
            "`{name}` has no arrows: draw them in ARCHITECTURE.md, then add its row to ARROWS"
        );
    }
    let uses = uses(&metadata);
    assert!(!uses.is_empty(), "cargo told no dependencies");
    for Use { from, to, dev } in &uses {
        let drawn = arrows
            .get(from.as_str())
            .is_some_and(|to_all| to_all.contains(&to.as_str()));
        let for_tests = *dev && to == SIM || from == TESTS && to != SERVER;
        assert!(
            drawn || for_tests,
            "`{from}` must not use `{to}`; see ARCHITECTURE.md"
        );
    }
}

#[test]
fn nothing_points_at_the_server_or_the_tests_and_only_tests_use_the_simulator() {
    for Use { from, to, dev } in uses(&metadata()) {
        assert!(to != SERVER && to != TESTS, "`{from}` uses `{to}`");
        assert!(to != SIM || dev, "`{from}` ships the simulator");
    }
}

/// Libraries that the loader brings in before a program's first line.
fn needed_libraries(program: &str) -> Vec<String> {
    let output = Command::new("readelf")
        .env("LC_ALL", "C")
        .args(["--dynamic", "--wide"])
        .arg(bin(program))
        .output()
        .expect("readelf comes with gcc");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0.to_owned()))
        .collect()
}

fn is_heavy(library: &str) -> bool {
    HEAVY.iter().any(|heavy| library.starts_with(heavy))
}

#[test]
fn the_control_plane_links_no_codec_no_model_runtime_and_no_python() {
    let needed = needed_libraries("framerill");
    assert!(
        needed.iter().any(|library| library.starts_with("libc.")),
        "{needed:?}"
    );
    let heavy: Vec<_> = needed.iter().filter(|library| is_heavy(library)).collect();
    assert!(heavy.is_empty(), "framerill links {heavy:?}");
}

#[test]
fn the_media_process_links_the_codecs_so_that_the_test_above_can_fail() {
    let needed = needed_libraries("framerill-media");
    assert!(
        needed
            .iter()
            .any(|library| library.starts_with("libavcodec")),
        "{needed:?}"
    );
}

#[test]
fn the_program_says_its_version() {
    let output = Command::new(bin("framerill"))
        .arg("--version")
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        said.trim(),
        concat!("framerill ", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(output.status.code(), Some(0));
}
