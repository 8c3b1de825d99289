//! What is said before anything is read.

use std::{
    fs,
    net::TcpListener,
    os::unix::net::UnixListener,
    time::{Duration, Instant},
};

use framerill_tests::{material, process, repository, wait_until};
use rustix::process::Signal;

use crate::scene::{Scene, ended};

#[test]
#[expect(clippy::disallowed_methods, reason = "measures")]
fn an_empty_folder_is_a_warning_and_a_missing_one_an_error_that_names_it() {
    let scene = Scene::new();
    let began = Instant::now();
    let empty = scene.plates(&["run", "in", "--json"]);
    assert_eq!(empty.code, Some(0), "{}", empty.stderr);
    assert!(empty.stderr.contains("no video"), "{}", empty.stderr);
    assert_eq!(empty.json()["status"], "done");
    assert!(began.elapsed() < Duration::from_secs(2));
    let missing = scene.plates(&["no/such"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("no/such"), "{}", missing.stderr);
    let default = scene.plates(&[]);
    assert_eq!(default.code, Some(2));
    assert!(default.stderr.contains("`inputs`"), "{}", default.stderr);
}

#[test]
fn a_bad_value_is_one_line_that_names_its_variable() {
    let scene = Scene::new();
    for (name, value) in [
        ("NUM_GPU_WORKERS", "two"),
        ("MAX_CPU_BACKLOG", "-1"),
        ("QUEUE_HARD_LIMIT", "0"),
        ("QUEUE_SOFT_LIMIT", "200"),
    ] {
        let output = scene
            .command(&["run", "in"])
            .env(name, value)
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains(name) && said.trim().lines().count() == 1,
            "{said}"
        );
    }
}

#[test]
fn models_that_are_missing_or_wrong_are_named_before_anything_starts() {
    let scene = Scene::new();
    fs::write(scene.path("in/a.mp4"), "x").expect("a file");
    let none = scene.plates(&["run", "in", "--models", "nowhere"]);
    assert_eq!(none.code, Some(3), "{}", none.stderr);
    let line = none.stderr.lines().last().unwrap_or_default();
    assert!(
        line.contains("models pull") && line.contains("licence"),
        "{line}"
    );
    let Some(material) = material() else { return };
    fs::create_dir(scene.path("models")).expect("a folder");
    for it in fs::read_dir(material.join("models")).expect("models") {
        let it = it.expect("a file");
        fs::copy(it.path(), scene.path("models").join(it.file_name())).expect("a copy");
    }
    let wrong = scene.path("models/yolox_nano.onnx");
    fs::remove_file(&wrong).expect("it is there");
    fs::write(&wrong, "this is no model").expect("a file");
    let corrupt = scene.plates(&["run", "in", "--models", "models"]);
    assert_eq!(corrupt.code, Some(3), "{}", corrupt.stderr);
    assert!(
        corrupt.stderr.contains("yolox_nano.onnx"),
        "{}",
        corrupt.stderr
    );
}

#[test]
fn a_pull_of_what_is_there_says_that_there_is_nothing_to_get() {
    let scene = Scene::new();
    let models = repository().join("crates/plates/tests/models");
    let models = models.to_str().expect("text");
    let pulled = scene.plates(&["models", "pull", "--models", models]);
    assert_eq!(pulled.code, Some(0), "{}", pulled.stderr);
    let said = &pulled.stderr;
    assert!(
        said.contains("nothing to get") && said.contains(models),
        "{said}"
    );
    assert_eq!(pulled.stdout, "");
}

#[test]
fn a_work_directory_that_cannot_be_written_is_named() {
    let scene = Scene::new();
    fs::write(scene.path("file"), "").expect("a file");
    let ended = scene.plates(&["run", "in", "--work-dir", "file/x"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("file/x"), "{}", ended.stderr);
}

#[test]
fn a_database_that_is_no_file_is_refused_at_once() {
    let scene = Scene::new();
    fs::write(scene.path("in/a.mp4"), "x").expect("a file");
    let socket = UnixListener::bind(scene.path("socket")).expect("a socket");
    for (name, what) in [
        ("/dev/null", "a device"),
        ("in", "a folder"),
        ("socket", "a socket"),
    ] {
        for command in [&["run", "in"][..], &["search", "AB12"], &["serve"]] {
            let args = [command, &["--db", name]].concat();
            let refused = scene.plates(&args);
            assert_eq!(refused.code, Some(2), "{}", refused.stderr);
            let said = &refused.stderr;
            assert!(said.contains(name) && said.contains(what), "{said}");
        }
    }
    drop(socket);
}

#[test]
fn a_model_that_no_model_is_so_large_as_is_named_and_not_read() {
    let scene = Scene::new();
    fs::write(scene.path("in/a.mp4"), "x").expect("a file");
    fs::create_dir(scene.path("models")).expect("a folder");
    let registry = fs::read_to_string(repository().join("crates/plates/models.toml"));
    let registry = registry.expect("the registry");
    let files = registry
        .lines()
        .filter_map(|it| it.strip_prefix("file = "))
        .map(|it| it.trim_matches('"'));
    for file in files {
        let file = fs::File::create(scene.path("models").join(file)).expect("a file");
        // All of it is a hole.
        file.set_len(20 << 30).expect("a length");
    }
    let refused = scene.plates(&["run", "in", "--models", "models"]);
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    let line = refused.stderr.lines().last().unwrap_or_default();
    assert!(line.contains(".onnx") && line.contains("4 GiB"), "{line}");
}

#[test]
fn an_interrupt_ends_a_command_that_waits_for_the_queue_at_once_and_in_order() {
    let scene = Scene::new();
    fs::write(scene.path("in/a.mp4"), "x").expect("a file");
    // It takes connections and says nothing.
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let queue = format!("nats://{}", server.local_addr().expect("an address"));
    let models = repository().join("crates/plates/tests/models");
    let models = models.to_str().expect("text");
    for (command, code, signal) in [
        (&["run", "in"][..], 130, Signal::INT),
        (&["work"], 143, Signal::TERM),
    ] {
        let more = ["--queue", &queue, "--db", "x.db", "--models", models];
        let running = scene.start(&[command, &more, &["--json"]].concat());
        let (held, _) = server.accept().expect("it comes");
        running.signal(signal);
        // The server is waited for longer than that.
        let is_over = || !process::is_running(running.pid());
        assert!(wait_until(Duration::from_secs(4), is_over));
        let ended = ended(running);
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert_eq!(ended.json()["status"], "interrupted");
        drop(held);
    }
}
