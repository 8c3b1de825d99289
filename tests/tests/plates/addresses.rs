//! Videos at addresses: downloaded once, and what becomes of them when servers do not do as they should.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use framerill_tests::{process, wait_until};
use serde_json::Value;

use crate::scene::{Ended, Running, SOON, Scene, ended, everything};

const CLIP: &str = "edge/short30.mp4";
/// What a server answers of a file that it never has to send.
const HUGE: u64 = 1 << 50;

/// A server of one video, on this machine alone.
struct Server {
    at: String,
    /// Heads of requests.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(video: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("an address").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heads = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(&stream, &video, &heads);
            }
        });
        Self { at, asked }
    }

    /// Requests for a path.
    fn asked(&self, path: &str) -> Vec<String> {
        let asked = self.asked.lock().expect("nobody panics");
        let of = |head: &&String| head.starts_with(&format!("GET {path}"));
        asked.iter().filter(of).cloned().collect()
    }
}

fn answer(mut stream: &TcpStream, video: &[u8], heads: &Mutex<Vec<String>>) {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let head: Vec<_> = lines.take_while(|it| !it.is_empty()).collect();
    let head = head.join("\n");
    heads.lock().expect("nobody panics").push(head.clone());
    let path = head.split([' ', '?']).nth(1).unwrap_or_default();
    let is_known = head.to_ascii_lowercase().contains("if-none-match: \"v1\"");
    let (status, length, body) = match path {
        "/trip/one.mp4" if is_known => ("304 Not Modified", 0, &[][..]),
        "/trip/one.mp4" => ("200 OK", video.len() as u64, video),
        "/cut.mp4" => ("200 OK", video.len() as u64, &video[..video.len() / 2]),
        "/huge.mp4" => ("200 OK", HUGE, &[][..]),
        _ => ("404 Not Found", 0, &[][..]),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nETag: \"v1\"\r\nConnection: close\r\n\r\n"
    );
    // Whoever asked may have gone.
    drop(stream.write_all(head.as_bytes()));
    drop(stream.write_all(body));
}

fn begin(scene: &Scene, material: &Path, urls: &[&str], more: &[&str]) -> Running {
    let models = material.join("models");
    let models = models.to_str().expect("text");
    let workers = ["--num-gpu-workers", "1", "--num-cpu-workers", "1"];
    let place = ["--work-dir", "work", "--models", models, "--json"];
    let args = [&["run"], urls, &place, &workers, more].concat();
    let mut command = scene.command(&args);
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    scene.start_command(command)
}

fn of<'a>(videos: &'a Value, id: &str) -> &'a Value {
    let videos = videos["videos"].as_array().expect("videos");
    let found = videos.iter().find(|it| it["video_id"] == id);
    found.unwrap_or_else(|| panic!("no `{id}`"))
}

/// Files that are kept of downloads.
fn kept(scene: &Scene) -> Vec<String> {
    let files = fs::read_dir(scene.path("work/downloads"))
        .into_iter()
        .flatten()
        .flatten();
    let names = files.filter_map(|it| it.file_name().into_string().ok());
    names.filter(|it| !it.ends_with(".json")).collect()
}

/// Everything that a run says and keeps.
fn all_words(scene: &Scene, ended: &Ended) -> String {
    let mut words = format!("{}{}", ended.stdout, ended.stderr);
    let mut folders = vec![scene.path("work")];
    while let Some(folder) = folders.pop() {
        for file in fs::read_dir(folder).expect("a folder").flatten() {
            match file.file_type().expect("a kind").is_dir() {
                true => folders.push(file.path()),
                false => words += &String::from_utf8_lossy(&fs::read(file.path()).expect("a file")),
            }
        }
    }
    words
}

#[test]
fn a_video_at_an_address_is_read_like_a_file_and_what_cannot_be_got_costs_only_itself() {
    let Some(material) = everything() else { return };
    let local = Scene::new();
    local.clip(&material, CLIP, "one.mp4");
    assert_eq!(local.run(&material, &[]).code, Some(0));
    let server = Server::start(fs::read(material.join("video").join(CLIP)).expect("a clip"));
    let url = |path: &str| format!("http://me:pa55w0rd@{}/{path}", server.at);
    let urls = ["trip/one.mp4?key=hidden", "cut.mp4", "none.mp4", "huge.mp4"].map(url);
    let urls = urls.each_ref().map(String::as_str);
    let scene = Scene::new();
    let first = ended(begin(&scene, &material, &urls, &[]));
    assert_eq!(first.code, Some(1), "{}", first.stderr);
    let json = first.json();
    assert_eq!(of(&json, "one")["status"], "complete", "{}", first.stderr);
    let shown = format!("http://{}/trip/one.mp4", server.at);
    assert_eq!(of(&json, "one")["path"], shown.as_str());
    for (id, why) in [
        ("cut", "cut.mp4"),
        ("none", "404"),
        ("huge", "--max-download"),
    ] {
        let it = of(&json, id);
        assert_eq!(it["status"], "failed");
        let reason = it["reason"].as_str().expect("a reason");
        assert!(
            reason.contains(why) && reason.contains(&server.at),
            "{reason}"
        );
    }
    assert_eq!(scene.rows("vehicles"), local.rows("vehicles"));
    let words = all_words(&scene, &first);
    assert!(words.contains(&shown));
    assert!(!words.contains("pa55w0rd") && !words.contains("hidden"));
    let asked = server.asked("/trip/one.mp4?key=hidden");
    assert!(
        asked.len() == 1
            && asked[0]
                .to_ascii_lowercase()
                .contains("authorization: basic")
    );
    assert_eq!(kept(&scene), Vec::<String>::new());

    let again = ended(begin(&scene, &material, &urls[..1], &[]));
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_eq!(of(&again.json(), "one")["status"], "skipped");
    let asked = server.asked("/trip/one.mp4");
    assert!(asked.len() == 2 && asked[1].to_ascii_lowercase().contains("if-none-match"));
    let anew = ended(begin(
        &scene,
        &material,
        &urls[..1],
        &["--force", "--keep-downloads"],
    ));
    assert_eq!(of(&anew.json(), "one")["status"], "complete");
    assert!(kept(&scene)[0].ends_with("-one.mp4"), "{:?}", kept(&scene));
}

#[test]
fn a_killed_run_goes_on_without_a_second_download() {
    let Some(material) = everything() else { return };
    let server = Server::start(fs::read(material.join("video/pair.mp4")).expect("a clip"));
    let url = format!("http://{}/trip/one.mp4", server.at);
    let scene = Scene::new();
    let mut running = begin(&scene, &material, &[&url], &[]);
    running.says(" reads ");
    let children = process::descendants(running.pid());
    process::kill_9(running.pid()).expect("it runs");
    running.child.wait().expect("it is ours");
    let is_gone = || children.iter().all(|it| !process::is_running(it.pid));
    assert!(wait_until(SOON, is_gone), "{children:?}");
    assert_eq!(kept(&scene).len(), 1);
    let ended = ended(begin(&scene, &material, &[&url], &[]));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(of(&ended.json(), "one")["status"], "complete");
    assert_eq!(server.asked("/trip/one.mp4").len(), 1);
    assert_eq!(kept(&scene), Vec::<String>::new());
}

#[test]
fn a_live_stream_is_refused_with_what_works() {
    let scene = Scene::new();
    let ended = scene.plates(&["run", "rtsp://me:pa55w0rd@camera/1"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("live stream") && ended.stderr.contains("record it first"));
    assert!(!ended.stderr.contains("pa55w0rd"), "{}", ended.stderr);
    assert!(!scene.path("framerill-plates").exists());
}
