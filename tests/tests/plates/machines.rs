//! The same work on many machines: real NATS and PostgreSQL servers on loopback, workers with folders of their own.

#[path = "machines/fleet.rs"]
mod fleet;
#[path = "machines/logins.rs"]
mod logins;
#[path = "machines/nats.rs"]
mod nats;

use std::{fs, os::unix::fs::symlink};

use framerill_plates::{
    flow::Mode,
    machines::{
        Asked, Item, MOST_BYTES, Source, VERSION,
        nats::{FetchError, Options, Queue, QueueError, Submitted},
    },
};
use framerill_tests::{process, wait_until};
use rustix::process::Signal;
use serde_json::json;

use crate::{
    postgres,
    scene::{SOON, ended},
};
use fleet::Fleet;

/// Tables whose rows are the same whoever read the videos.
const TABLES: [&str; 4] = ["vehicles", "tracks", "track_motion", "video_summary"];

#[test]
fn two_workers_of_which_one_is_killed_make_the_records_of_a_single_run() {
    let Some(fleet) = Fleet::start() else { return };
    let Some(server) = postgres::Server::start() else {
        return framerill_tests::skip("no PostgreSQL");
    };
    let clips = [
        ("a", "AB123CD", 400),
        ("b", "XY987ZW", 300),
        ("c", "QR456ST", 200),
    ];
    for (name, plate, frames) in clips {
        fleet.clip(name, plate, frames);
    }
    let expected = fleet.single_run();
    let url = server.url();
    // Each has the share at a place of its own.
    let [first, second] = ["one", "two"].map(|it| {
        symlink(fleet.scene.path("in"), fleet.scene.path(it)).expect("a link");
        fleet.work(it, &url, &["--share", it, "--idle-exit", "20"])
    });
    let submitter = fleet.submit(&url, &["--share", "in"]);
    first.says(" reads ");
    let children = process::descendants(first.pid());
    process::kill_9(first.pid()).expect("it runs");
    let submitted = ended(submitter);
    assert_eq!(submitted.code, Some(0), "{}", submitted.stderr);
    let is_gone = || children.iter().all(|it| !process::is_running(it.pid));
    assert!(wait_until(SOON, is_gone), "{children:?}");
    let report = submitted.json();
    let videos = report["videos"].as_array().expect("a list");
    assert_eq!(videos.len(), 3, "{report}");
    let is_second = |it: &serde_json::Value| it["deliveries"] == json!(2);
    assert!(videos.iter().any(is_second), "{report}");
    let last = ended(second);
    assert_eq!(last.code, Some(0), "{}", last.stderr);
    for table in TABLES {
        let rows = fleet.rows(&url, table);
        assert!(!rows.is_empty(), "{table}");
        assert_eq!(rows, expected[table], "{table}");
    }
}

#[test]
fn an_uploaded_video_is_read_without_a_share_and_leaves_nothing() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.clip("a", "AB123CD", 120);
    let expected = fleet.single_run();
    let database = fleet.file("shared.db");
    let worker = fleet.work("one", &database, &["--idle-exit", "15"]);
    let submitted = ended(fleet.submit(&database, &["--upload"]));
    assert_eq!(submitted.code, Some(0), "{}", submitted.stderr);
    assert_eq!(submitted.json()["videos"][0]["status"], "complete");
    assert_eq!(ended(worker).code, Some(0));
    for table in TABLES {
        assert_eq!(fleet.rows(&database, table), expected[table], "{table}");
    }
    let left = fs::read_dir(fleet.scene.path("work-one/fetched")).map_or(0, Iterator::count);
    assert_eq!(left, 0);
    assert_eq!(
        fleet.nats.messages("OBJ_framerill-plates-videos"),
        1,
        "the mark of what was taken out"
    );
}

#[test]
fn hostile_items_are_set_aside_with_a_reason_and_harm_nothing() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.clip("a", "AB123CD", 60);
    fs::write(fleet.scene.path("secret"), "secret").expect("a file");
    symlink(fleet.scene.path("secret"), fleet.scene.path("in/out.mp4")).expect("a link");
    let database = fleet.file("shared.db");
    // The first worker makes the streams.
    let worker = fleet.work("one", &database, &["--share", "in", "--idle-exit", "15"]);
    worker.says("takes videos");
    let (hash, settings) = ("ab".repeat(32), "cd".repeat(32));
    let item = |source: &str, version: u32| {
        json!({
            "v": version, "round": 0, "content_sha256": hash, "settings_hash": settings, "size_bytes": 6,
            "video_id": "x", "filename": "x.mp4", "source": {"share": source},
            "settings": {"mode": "cascade", "every": 4, "min_samples": 2}, "force": false,
        })
    };
    let subject = |no: u32| format!("framerill.plates.work.{no:064x}-{:016x}", 0);
    let honest = format!("framerill.plates.work.{hash}-{}", &settings[..16]);
    let mut hostile = vec![
        (honest, item("out.mp4", 1).to_string()),
        (subject(7), "[".repeat(10_000)),
        ("framerill.plates.work.none".to_owned(), "\u{0}".to_owned()),
    ];
    let items = [
        item("../secret", 1),
        item("/etc/passwd", 1),
        item("a.mp4", 99),
        item("a.mp4", 1),
    ];
    let items = (0_u32..).zip(&items);
    hostile.extend(items.map(|(no, it)| (subject(no), it.to_string())));
    // The stream itself refuses what is larger than any item.
    let huge = ("framerill.plates.work.huge".to_owned(), "x".repeat(200_000));
    for (subject, payload) in hostile.iter().chain([&huge]) {
        fleet.nats.publish(subject, payload.as_bytes());
    }
    let submitted = ended(fleet.submit(&database, &["--share", "in", "--limit", "1"]));
    assert_eq!(submitted.code, Some(0), "{}", submitted.stderr);
    let worked = ended(worker);
    assert_eq!(worked.code, Some(0), "{}", worked.stderr);
    assert_eq!(
        worked.json()["dead"],
        json!(hostile.len()),
        "{}",
        worked.stderr
    );
    let status = fleet
        .scene
        .plates(&["status", "--queue", &fleet.nats.url(), "--json"]);
    assert_eq!(status.json()["dead_letters"], json!(hostile.len()));
    assert_eq!(status.json()["in_queue"], json!(0));
    assert_eq!(
        fs::read(fleet.scene.path("secret")).expect("it stays"),
        b"secret"
    );
}

#[test]
fn the_server_knows_an_item_by_its_message_and_by_its_subject_and_videos_by_name() {
    let Some(fleet) = Fleet::start() else { return };
    let queue = Queue::open(&Options {
        url: fleet.nats.url(),
        credentials: None,
        authority: None,
        start: SOON,
        patience: SOON,
    })
    .expect("it is there");
    let mut item = Item {
        v: VERSION,
        round: 0,
        content_sha256: "ab".repeat(32),
        settings_hash: "cd".repeat(32),
        size_bytes: 6,
        video_id: "x".into(),
        filename: "x.mp4".into(),
        source: Source::Object,
        settings: Asked {
            mode: Mode::Cascade,
            every: 4,
            min_samples: 2,
            formats: vec!["de".into()],
            denoise: None,
        },
        force: false,
    };
    let submit = |item: &Item| queue.submit(item).expect("it is taken");
    assert_eq!(submit(&item), Submitted::New);
    assert_eq!(submit(&item), Submitted::There, "the same message");
    item.round = 1;
    assert_eq!(
        submit(&item),
        Submitted::There,
        "another one of its subject"
    );
    item.video_id = "x".repeat(MOST_BYTES);
    assert!(matches!(queue.submit(&item), Err(QueueError::Item(_))));

    let to = fleet.scene.path("fetched");
    let none = queue.fetch(&item.key(), 6, &"ab".repeat(32), &to);
    assert!(matches!(none, Err(FetchError::Gone)), "{none:?}");
    fs::write(fleet.scene.path("x"), "pixels").expect("a file");
    let uploaded = queue.upload(&item.key(), &fleet.scene.path("x"), 6);
    uploaded.expect("it is taken");
    let other = queue.fetch(&item.key(), 6, &"ab".repeat(32), &to);
    assert!(matches!(other, Err(FetchError::Other(_))), "{other:?}");
    queue.drop_object(&item.key());
    let gone = queue.fetch(&item.key(), 6, &"ab".repeat(32), &to);
    assert!(matches!(gone, Err(FetchError::Gone)), "{gone:?}");
}

#[test]
fn a_queue_that_restarts_in_the_middle_loses_nothing() {
    let Some(mut fleet) = Fleet::start() else {
        return;
    };
    for (name, plate) in [("a", "AB123CD"), ("b", "XY987ZW")] {
        fleet.clip(name, plate, 300);
    }
    let expected = fleet.single_run();
    let database = fleet.file("shared.db");
    let worker = fleet.work("one", &database, &["--share", "in", "--idle-exit", "30"]);
    let submitter = fleet.submit(&database, &["--share", "in"]);
    worker.says(" reads ");
    fleet.nats.down();
    fleet.nats.up();
    let submitted = ended(submitter);
    assert_eq!(submitted.code, Some(0), "{}", submitted.stderr);
    assert_eq!(ended(worker).code, Some(0));
    for table in TABLES {
        assert_eq!(fleet.rows(&database, table), expected[table], "{table}");
    }
}

#[test]
fn the_same_command_attaches_to_what_a_killed_submitter_queued() {
    let Some(fleet) = Fleet::start() else { return };
    for (name, plate) in [("a", "AB123CD"), ("b", "XY987ZW")] {
        fleet.clip(name, plate, 60);
    }
    let database = fleet.file("shared.db");
    let killed = fleet.submit(&database, &["--share", "in"]);
    killed.says("2 videos in the queue");
    process::kill_9(killed.pid()).expect("it runs");
    let again = fleet.submit(&database, &["--share", "in"]);
    again.says("is in the queue already");
    let worker = fleet.work("one", &database, &["--share", "in", "--parallel", "2"]);
    let again = ended(again);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    let done = fleet.submit(&database, &["--share", "in"]);
    let done = ended(done);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains("2 done before"), "{}", done.stderr);
    worker.signal(Signal::TERM);
    let worked = ended(worker);
    assert_eq!(worked.code, Some(143), "{}", worked.stderr);
    assert_eq!(worked.json()["done"], json!(2));
}

#[test]
fn a_stopped_worker_gives_its_video_back_and_another_one_goes_on() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.clip("a", "AB123CD", 500);
    let expected = fleet.single_run();
    let database = fleet.file("shared.db");
    let first = fleet.work("one", &database, &["--share", "in"]);
    let submitter = fleet.submit(&database, &["--share", "in"]);
    first.says(" reads ");
    first.signal(Signal::TERM);
    let first = ended(first);
    assert_eq!(first.code, Some(143), "{}", first.stderr);
    assert_eq!(first.json()["given_back"], json!(1), "{}", first.stderr);
    let second = fleet.work("two", &database, &["--share", "in", "--idle-exit", "10"]);
    let submitted = ended(submitter);
    assert_eq!(submitted.code, Some(0), "{}", submitted.stderr);
    assert_eq!(ended(second).code, Some(0));
    for table in TABLES {
        assert_eq!(fleet.rows(&database, table), expected[table], "{table}");
    }
}

#[test]
fn what_cannot_be_shared_is_refused_before_anything_starts() {
    let scene = crate::scene::Scene::new();
    fs::write(scene.path("in/a.mp4"), "x").expect("a file");
    let of = |args: &[&str]| scene.plates(args);
    let sqlite = of(&["run", "in", "--queue", "nats://far.example:4222"]);
    assert_eq!(sqlite.code, Some(2), "{}", sqlite.stderr);
    assert!(sqlite.stderr.contains("PostgreSQL"), "{}", sqlite.stderr);
    let none = of(&["work"]);
    assert_eq!(none.code, Some(2), "{}", none.stderr);
    let upload = of(&["run", "in", "--upload"]);
    assert_eq!(upload.code, Some(2), "{}", upload.stderr);
    let status = of(&["status", "--queue", "nats://u:secret@127.0.0.1:1"]);
    assert_eq!(status.code, Some(3), "{}", status.stderr);
    assert!(!status.stderr.contains("secret"), "{}", status.stderr);
}
