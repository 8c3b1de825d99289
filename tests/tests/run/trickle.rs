//! `framerill trickle` as users meet it: a server, a publisher and a subscriber, three processes.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    scene::{Ended, Scene, signal_to},
    video::pts,
};

/// A server on a free port, and its first line.
struct Serving {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    said: Value,
}

impl Serving {
    fn start(scene: &Scene) -> Self {
        let args = ["trickle", "serve", "--addr", "127.0.0.1:0"];
        let more = ["--metrics-addr", "127.0.0.1:0", "--json"];
        let mut command = scene.command(&[args.as_slice(), &more].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped above"));
        let said = line(&mut stdout);
        Self {
            child,
            stdout,
            said,
        }
    }

    fn url(&self, channel: &str) -> String {
        let base = self.said["url"].as_str().expect("an address");
        format!("{base}{channel}")
    }

    /// Asks it to stop; its counters and its exit code.
    fn stop(mut self) -> (Value, Option<i32>) {
        signal_to(self.child.id(), Signal::INT);
        let said = line(&mut self.stdout);
        let status = self.child.wait().expect("it is ours");
        (said, status.code())
    }
}

fn line(from: &mut impl BufRead) -> Value {
    let mut line = String::new();
    from.read_line(&mut line).expect("a line");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn a_generator_is_published_at_keyframes_and_read_whole_by_a_subscriber() {
    let scene = Scene::new();
    let server = Serving::start(&scene);
    let url = server.url("live");
    let args = [
        "trickle",
        "subscribe",
        &url,
        "--from",
        "0",
        "-o",
        "read.ts",
        "--json",
    ];
    let reader = scene.command(&args).stdout(Stdio::piped()).spawn();
    let source = "lavfi:testsrc2=size=160x120:rate=30:duration=5";
    let (ended, published) = scene.json(&["trickle", "publish", &url, source]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let read = reader
        .expect("it starts")
        .wait_with_output()
        .expect("it ends");
    assert_eq!(read.status.code(), Some(0));
    let read: Value = serde_json::from_slice(&read.stdout).expect("JSON");
    // A keyframe every two seconds.
    assert_eq!(published["segments"], 3);
    for (sent, got) in [("segments", "segments"), ("bytes", "bytes")] {
        assert_eq!(published[sent], read[got]);
    }
    assert_eq!((&read["missing"], &read["cut"]), (&0.into(), &0.into()));
    // In real time: what the machine could not keep up with is dropped before it is published.
    let frames = pts(&scene.path("read.ts")).len();
    assert!((100..=150).contains(&frames), "{frames}");
    let (said, code) = server.stop();
    assert_eq!(code, Some(130));
    // The one that is prepared in advance is closed empty, where it has begun.
    let total = said["stats"]["segments_total"].as_u64();
    assert!(matches!(total, Some(3 | 4)), "{total:?}");
    assert_eq!(said["stats"]["received_bytes_total"], published["bytes"]);
}

#[test]
fn what_cannot_be_published_ends_with_the_code_of_its_cause() {
    let scene = Scene::new();
    let server = Serving::start(&scene);
    let missing = scene.command(&["trickle", "publish", &server.url("live"), "missing.mp4"]);
    let ended = Ended::from({ missing }.output().expect("it runs"));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("missing.mp4"), "{}", ended.stderr);
    server.stop();
    fs::write(scene.path("word"), "one").expect("a file");
    let stdin = File::open(scene.path("word")).expect("it is there");
    let mut nowhere = scene.command(&["trickle", "publish", "http://127.0.0.1:9/live"]);
    let ended = Ended::from(nowhere.stdin(stdin).output().expect("it runs"));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot connect"), "{}", ended.stderr);
}

#[test]
fn a_second_publisher_goes_on_behind_what_the_first_one_kept() {
    let scene = Scene::new();
    let server = Serving::start(&scene);
    let url = server.url("words");
    for word in ["one", "two"] {
        fs::write(scene.path(word), word).expect("a file");
        let stdin = File::open(scene.path(word)).expect("it is there");
        let mut command = scene.command(&["trickle", "publish", &url, "--keep"]);
        let status = command.stdin(stdin).status().expect("it runs");
        assert_eq!(status.code(), Some(0));
    }
    let (said, _) = server.stop();
    // A number that is spent is answered as if it had been stored.
    assert_eq!(said["stats"]["segments_total"], 2);
    assert_eq!(said["stats"]["received_bytes_total"], "onetwo".len());
}

/// What a GET of this address brings, head and body.
fn get(url: &str) -> String {
    let (addr, path) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .expect("an address and a path");
    let mut peer = TcpStream::connect(addr).expect("somebody listens");
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    peer.write_all(request.as_bytes()).expect("it is read");
    let mut answer = String::new();
    peer.read_to_string(&mut answer).expect("it is answered");
    answer
}

#[test]
fn idle_connections_do_not_hold_up_a_scrape() {
    let scene = Scene::new();
    let server = Serving::start(&scene);
    let metrics = server.said["metrics"].as_str().expect("an address");
    let addr = metrics
        .trim_start_matches("http://")
        .trim_end_matches("/metrics");
    let idle: Vec<_> = (0..10).map(|_| TcpStream::connect(addr)).collect();
    assert!(idle.iter().all(Result::is_ok));
    let mut peer = TcpStream::connect(addr).expect("somebody listens");
    // Each idle one has five seconds to ask.
    peer.set_read_timeout(Some(Duration::from_secs(4)))
        .expect("a socket");
    peer.write_all(b"GET /healthz HTTP/1.1\r\n\r\n")
        .expect("it is read");
    let mut answer = String::new();
    peer.read_to_string(&mut answer).expect("it is answered");
    assert!(answer.ends_with("ok\n"), "{answer}");
    server.stop();
}

#[test]
fn a_server_with_few_descriptors_says_how_many_connections_it_takes() {
    let scene = Scene::new();
    let framerill = framerill_tests::bin("framerill");
    let script = format!(
        "ulimit -n 100; exec '{}' trickle serve --addr 127.0.0.1:0",
        framerill.display()
    );
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .current_dir(scene.path("."))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sh runs");
    let mut said = String::new();
    BufReader::new(child.stdout.take().expect("piped above"))
        .read_line(&mut said)
        .expect("a line");
    signal_to(child.id(), Signal::TERM);
    let ended = Ended::from(child.wait_with_output().expect("it ends"));
    assert!(said.starts_with("serving"), "{said}");
    assert!(
        ended.stderr.contains("68 connections at most"),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_metrics_of_a_server_count_what_it_did() {
    let scene = Scene::new();
    let server = Serving::start(&scene);
    let url = server.url("words");
    fs::write(scene.path("word"), "one").expect("a file");
    let stdin = File::open(scene.path("word")).expect("it is there");
    let mut command = scene.command(&["trickle", "publish", &url, "--keep"]);
    let status = command.stdin(stdin).status().expect("it runs");
    assert_eq!(status.code(), Some(0));
    assert!(get(&format!("{url}/0")).contains("one"));
    let metrics = get(server.said["metrics"].as_str().expect("an address"));
    let has = |line: &str| metrics.lines().any(|it| it == line);
    for line in [
        "# TYPE framerill_trickle_received_bytes_total counter",
        "framerill_trickle_channels 1",
        "framerill_trickle_received_bytes_total 3",
        "framerill_trickle_sent_bytes_total 3",
        "framerill_trickle_segments_total 1",
        "# TYPE framerill_trickle_wait_seconds histogram",
        "framerill_trickle_wait_seconds_bucket{le=\"+Inf\"} 1",
        "framerill_trickle_wait_seconds_count 1",
    ] {
        assert!(has(line), "{line}\n{metrics}");
    }
    assert!(metrics.contains("\nframerill_trickle_wait_seconds_sum 0"));
    server.stop();
}

#[test]
fn a_publisher_without_a_server_says_what_to_start() {
    let scene = Scene::new();
    let (ended, said) = scene.json(&["trickle", "publish", "ftp://127.0.0.1/live"]);
    assert_eq!(ended.code, Some(2));
    assert_eq!(said["error"]["code"], "url");
}
