//! `framerill stream`: what each command prints, and how it ends.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::rig::{Rig, alone, ended, signal};

#[test]
fn a_stream_is_started_listed_and_stopped() {
    let rig = Rig::ready(&[]);
    let (source, sink) = (rig.channel("in"), rig.channel("out"));
    let started = rig.stream(&[
        "start",
        &source,
        &sink,
        "--max-fps",
        "10",
        "--egress",
        "hold",
        "--on-worker-loss",
        "original",
    ]);
    assert_eq!(started.code, Some(0), "{started:?}");
    let stop = started.stdout.split("framerill stream stop ").nth(1);
    let id = stop.expect("what stops it").trim();
    let list = rig.stream(&["list"]);
    assert_eq!(list.code, Some(0));
    for word in ["ID", "invert", source.as_str(), sink.as_str(), "1 of 1"] {
        assert!(list.stdout.contains(word), "{word}: {list:?}");
    }
    let list = rig.stream(&["list", "--json"]).json();
    let stream = &list["streams"][0];
    assert_eq!(
        [
            &list["capacity"],
            &stream["egress"],
            &stream["on_worker_loss"]
        ],
        [&json!(1), &json!("hold"), &json!("original")]
    );
    let stopped = rig.stream(&["stop", id]);
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
    let over = format!("stream {id} is over");
    assert!(stopped.stdout.contains(&over), "{stopped:?}");
    assert_eq!(rig.stream(&["list", "--json"]).json()["streams"], json!([]));
    assert!(rig.stream(&["list"]).stdout.contains("no stream runs"));
}

#[test]
fn with_json_each_command_prints_one_object() {
    let rig = Rig::ready(&["--capacity", "2"]);
    let start = |name: &str| {
        let (source, sink) = (rig.channel(&format!("{name}-in")), rig.channel(name));
        rig.stream(&["start", &source, &sink, "--json"]).json()
    };
    let ids = [start("a")["id"].clone(), start("b")["id"].clone()];
    let stopped = rig.stream(&["stop", "--all", "--json"]);
    assert_eq!(
        (stopped.code, stopped.json()),
        (Some(0), json!({"stopped": ids}))
    );
    let stopped = rig.stream(&["stop", "--all", "--json"]);
    assert_eq!(
        (stopped.code, stopped.json()),
        (Some(0), json!({"stopped": []}))
    );
    let unknown = rig.stream(&["stop", "7", "--json"]);
    assert_eq!(unknown.code, Some(2));
    assert_eq!(unknown.json()["error"]["code"], "unknown_stream");
}

#[test]
fn files_are_meant_from_the_folder_of_the_command() {
    let rig = Rig::ready(&[]);
    let args = ["start", "clip.mp4", "out.ts", "--json"];
    let stream = rig.stream(&args).json();
    assert_eq!(stream["sink"], json!(rig.path("out.ts")));
    assert_eq!(stream["source"], json!(rig.path("clip.mp4")));
}

#[test]
fn capacity_that_is_in_use_is_a_failure_that_says_what_to_do() {
    let rig = Rig::ready(&[]);
    let start = |name: &str| rig.stream(&["start", &rig.channel("in"), &rig.channel(name)]);
    assert_eq!(start("a").code, Some(0));
    let second = start("b");
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(
        second.stderr.contains("capacity 1 in use; stop a stream"),
        "{second:?}"
    );
}

#[test]
fn what_is_asked_for_wrongly_is_2_and_names_it() {
    let rig = Rig::ready(&[]);
    let (source, sink) = (rig.channel("in"), rig.channel("out"));
    for (args, word) in [
        (vec!["start", "ftp://a/in", &sink], "source"),
        (vec!["start", &source, "out.mp4"], ".ts"),
        (
            vec!["start", &source, &sink, "--max-fps", "2000"],
            "max_fps",
        ),
        (vec!["start", &source, &sink, "--params", "{"], "params"),
        (vec!["start", &source, &sink, "--binding", "all"], "binding"),
        (
            vec!["start", &source, &sink, "--params", r#"{"colour": 1}"#],
            "colour",
        ),
        (vec!["start", &source], "SINK"),
        (vec!["stop"], "ID"),
        (vec!["stop", "1", "--all"], "--all"),
        (vec!["stop", "9"], "stream list"),
        (vec!["list", "--server", "https://127.0.0.1:1"], "https"),
        (vec!["list", "--server", "127.0.0.1:1"], "http://"),
    ] {
        let ended = rig.stream(&args);
        assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
        assert!(ended.stderr.contains(word), "{args:?}: {ended:?}");
    }
    assert_eq!(rig.stream(&["list", "--json"]).json()["streams"], json!([]));
}

#[test]
fn a_token_is_asked_for_by_everything() {
    let rig = Rig::ready(&["--auth-token", "hush"]);
    let (source, sink) = (rig.channel("in"), rig.channel("out"));
    let start = ["start", source.as_str(), sink.as_str()];
    for more in [&[][..], &["--token", "hus"]] {
        let refused = rig.stream(&[&start, more].concat());
        assert_eq!(refused.code, Some(3), "{refused:?}");
        assert!(refused.stderr.contains("--token"), "{refused:?}");
        assert!(!refused.stderr.contains("hus;"), "{refused:?}");
    }
    assert_eq!(rig.stream(&["list"]).code, Some(3));
    let hush = ["--token", "hush"];
    assert_eq!(rig.stream(&["list", "--token", "hush"]).code, Some(0));
    let started = rig.stream(&[&start[..], &hush, &["--json"]].concat());
    assert_eq!(started.code, Some(0), "{started:?}");
    let id = started.json()["id"].to_string();
    assert_eq!(rig.stream(&["stop", &id]).code, Some(3));
    let stopped = rig.stream(&[&["stop", id.as_str()][..], &hush].concat());
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
}

#[test]
fn without_a_server_it_is_3_and_says_how_to_start_one() {
    // A port that was free a moment ago.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let url = format!("http://{}", taken.expect("a port"));
    for args in [
        &["list"][..],
        &["stop", "1"],
        &["start", "http://a/in", "http://a/out"],
    ] {
        let args = [&["stream"], args, &["--server", &url, "--json"]].concat();
        let ended = alone(&args);
        assert_eq!(ended.code, Some(3), "{args:?}: {ended:?}");
        assert_eq!(ended.json()["error"]["code"], "no_server");
        assert!(ended.stderr.contains("framerill serve"), "{ended:?}");
    }
}

#[test]
fn what_is_no_server_of_streams_is_1() {
    let rig = Rig::ready(&[]);
    let channels = rig.channel("");
    let ended = rig.stream(&["list", "--server", &channels]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("--server"), "{ended:?}");
}

#[test]
fn wait_ends_with_its_stream_and_ctrl_c_ends_both() {
    let rig = Rig::ready(&[]);
    let (source, sink) = (rig.channel("in"), rig.channel("out"));
    let args = ["start", &source, &sink, "--wait", "--json"];
    let there = || {
        let list = rig.stream(&["list", "--json"]).json();
        list["streams"].get(0).and_then(|it| it["id"].as_u64())
    };
    let first = rig.begin(&args);
    let id = rig.until("the stream is there", there);
    assert_eq!(rig.stream(&["stop", &id.to_string()]).code, Some(0));
    let first = ended(first);
    assert_eq!(
        (first.code, &first.json()["status"]),
        (Some(0), &json!("done"))
    );
    let second = rig.begin(&args);
    rig.until("the next one is there", there);
    signal(&second, Signal::INT);
    let second = ended(second);
    assert_eq!(
        (second.code, &second.json()["status"]),
        (Some(130), &json!("interrupted"))
    );
    assert_eq!(there(), None::<u64>);
    let last: Value = second.json();
    assert_eq!(last["stream"]["source"], json!(source));
}

#[test]
fn a_source_that_is_not_there_fails_and_a_file_that_is_there_is_not_written_over() {
    let rig = Rig::ready(&[]);
    let (missing, out) = (rig.path("missing.mp4"), rig.path("out.ts"));
    let text = |path: &std::path::Path| path.display().to_string();
    let ended = rig.stream(&["start", &text(&missing), &text(&out), "--wait"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let kept = rig.path("kept.ts");
    std::fs::write(&kept, "precious").expect("a file");
    let source = "lavfi:testsrc2=size=320x240:rate=24:duration=3";
    let ended = rig.stream(&["start", source, &text(&kept), "--wait"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(std::fs::read(&kept).expect("it is there"), b"precious");
}
