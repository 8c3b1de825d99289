//! Streams of our own API whose source is a file or a generator: who reads it goes with the stream, and with its parents.

use std::time::Duration;

use framerill_tests::{
    http,
    live::runner::{Role, Runner, Setup},
    process::{Process, descendants, is_running, kill_9},
    wait_for, wait_until,
};
use serde_json::{Value, json};

use crate::scene::{FIRST, SOON, STOPPED};

const WITHIN: Duration = Duration::from_secs(5);
/// One that writes all the time, and one that has written a picture and waits ten minutes for the next.
const SOURCES: [&str; 2] = [
    "lavfi:testsrc2=size=320x240:rate=24",
    "lavfi:testsrc2=size=320x240:rate=1/600",
];

fn ready(capacity: &str) -> Runner {
    let runner = Setup::pipeline("noop").flag("--capacity", capacity).start();
    runner.until_health(&["IDLE"], SOON);
    runner
}

/// Starts a stream; its id.
fn start(runner: &Runner, name: &str, source: &str) -> u64 {
    let sink = runner.folder().join(format!("{name}.ts"));
    let body = json!({
        "source": source, "sink": sink, "request_id": name, "manifest_id": name, "stream_id": name,
    });
    let answer = http::post(&runner.address, "/v1/streams", &body, WITHIN).expect("an answer");
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_u64().expect("an id")
}

/// Two of each below: those of the stream, and those of its source.
fn until_it_is_read(runner: &Runner) {
    let both = |role| runner.all(role).len() == 2;
    let are_there = || both(Role::Media) && both(Role::Worker);
    assert!(wait_until(FIRST, are_there), "{}", runner.last_words());
}

/// Waits for the end of a stream; what is told of it then.
fn until_over(runner: &Runner, id: u64) -> Value {
    let over = wait_for(SOON, || {
        let view = runner.get(&format!("/v1/streams/{id}")).json();
        (view["is_over"] == true).then_some(view)
    });
    over.unwrap_or_else(|| panic!("stream {id} goes on\n{}", runner.last_words()))
}

fn assert_gone_within_a_second(pids: &[u32]) {
    let gone = wait_until(Duration::from_secs(1), || {
        pids.iter().all(|&pid| !is_running(pid))
    });
    let left: Vec<_> = pids.iter().filter_map(|&pid| Process::of(pid)).collect();
    assert!(gone, "{left:#?}");
}

#[test]
fn nothing_that_reads_a_file_is_alive_a_second_after_infer_was_killed() {
    for source in SOURCES {
        let runner = ready("1");
        start(&runner, "film", source);
        until_it_is_read(&runner);
        let infer = runner.process(Role::Infer);
        let below: Vec<_> = descendants(infer).into_iter().map(|it| it.pid).collect();
        assert!(below.len() >= 4, "{below:?}");
        kill_9(infer).expect("it runs");
        assert_gone_within_a_second(&below);
    }
}

#[test]
fn nothing_that_reads_a_file_is_alive_a_second_after_serve_was_killed() {
    for source in SOURCES {
        let runner = ready("1");
        start(&runner, "film", source);
        until_it_is_read(&runner);
        let below = runner.below();
        assert!(below.len() >= 5, "{below:?}");
        kill_9(runner.pid()).expect("it runs");
        assert_gone_within_a_second(&below);
    }
}

#[test]
fn a_stream_that_is_stopped_takes_the_reader_of_its_file_along_and_leaves_its_worker() {
    let runner = ready("1");
    let worker = runner.process(Role::Worker);
    for (n, source) in SOURCES.into_iter().enumerate() {
        let id = start(&runner, &format!("film-{n}"), source);
        until_it_is_read(&runner);
        let path = format!("/v1/streams/{id}");
        let stopped = http::request(&runner.address, "DELETE", &path, &[], b"");
        assert!(stopped.status < 300, "{}", stopped.text());
        let is_alone =
            || runner.all(Role::Media).is_empty() && runner.all(Role::Worker) == [worker];
        assert!(wait_until(STOPPED, is_alone), "{}", runner.last_words());
        assert_eq!(until_over(&runner, id)["fault"], Value::Null);
    }
}

#[test]
fn a_file_that_is_no_video_ends_its_stream_with_the_reason_and_no_worker() {
    for capacity in [1, 3] {
        let runner = ready(&capacity.to_string());
        let file = runner.folder().join("noise.mp4");
        std::fs::write(&file, [0x5a; 100_000]).expect("a file");
        let worker = runner.process(Role::Worker);
        for round in 0..2 {
            let name = |n| format!("film-{round}-{n}");
            let ids: Vec<_> = (0..capacity)
                .map(|n| start(&runner, &name(n), &file.display().to_string()))
                .collect();
            for id in ids {
                let fault = until_over(&runner, id)["fault"].clone();
                let fault = fault.as_str().unwrap_or_default();
                assert!(fault.contains("noise.mp4"), "{fault}");
            }
        }
        assert!(is_running(worker), "{}", runner.last_words());
        let page = runner.get("/metrics").text();
        assert!(!page.contains("framerill_restarts_total{"), "{page}");
        // What was said of a source has the form of the log and the ids of its stream.
        let said = runner.said();
        let others = said.lines().filter(|it| !it.starts_with("timestamp="));
        assert_eq!(others.collect::<Vec<_>>(), Vec::<&str>::new());
        let is_told =
            |it: &str| it.contains("stream_id=film-0-0") && it.contains("Error reading input");
        assert!(said.lines().any(is_told), "{said}");
    }
}
