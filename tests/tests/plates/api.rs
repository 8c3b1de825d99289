//! `framerill plates serve`, as its callers meet it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    process::Child,
    time::Duration,
};

use framerill_plates::store::{Address, Options, Record, Store};
use framerill_tests::{
    Description, ffmpeg_is_here,
    http::{Answer, request, send},
    serving::{address, framerill, listening},
    skip,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::films::{blue, frames, is_about};

const SIZE: (usize, usize) = (320, 240);
const BLUE: [u8; 3] = [0, 0, 255];
const GREEN: [u8; 3] = [0, 255, 0];
const ORANGE: [u8; 3] = [255, 165, 0];

/// A database, videos, and a server that reads them.
struct Rig {
    folder: TempDir,
    server: Child,
    address: String,
    api: Description,
}

impl Drop for Rig {
    fn drop(&mut self) {
        // Whatever became of the test.
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// A folder with `inputs/road.mp4` and `work/plates.db`.
struct Scene(TempDir);

impl Scene {
    fn new() -> Option<Self> {
        if !ffmpeg_is_here() {
            skip("no ffmpeg");
            return None;
        }
        let folder = TempDir::new().expect("a folder");
        for name in ["inputs", "work", "elsewhere"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let it = Self(folder);
        blue(&it.path("inputs/road.mp4"));
        Some(it)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn store(&self) -> Store {
        let file = self.path("work/plates.db");
        Store::open(Options::new(Address::Sqlite(file))).expect("a database")
    }

    fn put(&self, table: &str, rows: &[Value]) {
        let records: Vec<Record> = rows
            .iter()
            .map(|it| it.as_object().expect("a row").clone())
            .collect();
        let written = self.store().write(table, &records).expect("it writes");
        assert!(written.refused.is_empty(), "{:?}", written.refused);
    }

    fn serve(self, more: &[&str], env: &[(&str, &str)]) -> Rig {
        let mut command = framerill();
        command
            .args([
                "plates",
                "serve",
                "--json",
                "--port",
                "0",
                "--work-dir",
                "work",
            ])
            .args(more)
            .envs(env.iter().copied())
            .current_dir(self.0.path());
        let (server, said) = listening(&mut command, &self.path("err"));
        Rig {
            address: address(&said),
            folder: self.0,
            server,
            api: Description::read("schema/plates-openapi.json"),
        }
    }
}

impl Rig {
    fn get(&self, path: &str) -> Answer {
        request(&self.address, "GET", path, &[], b"")
    }

    /// The body of an answer that is as described.
    fn json(&self, path: &str, described: &str, status: u16) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        let body = answer.json();
        self.api.assert_answers(&body, described, status);
        body
    }

    /// An answer that is no JSON, with the type and the headers that are described.
    fn file(&self, path: &str, described: &str) {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let of = &self.api.json()["paths"][described]["get"]["responses"]["200"];
        let kind = answer.header("content-type").expect("a type");
        assert!(of["content"][kind].is_object(), "{path}: {kind}");
        for (name, _) in of["headers"].as_object().into_iter().flatten() {
            assert!(answer.header(name).is_some(), "{path}: no {name}");
        }
    }

    fn snippets(&self) -> Vec<String> {
        let folder = self.folder.path().join("frame_store/snippets");
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .map(|it| it.file_name().to_string_lossy().into_owned())
            .collect()
    }
}

fn vehicle(track: u32, plate: &str, minute: u32) -> Value {
    json!({
        "content_sha256": "0".repeat(64), "settings_hash": "s", "video_id": "road", "track_id": track,
        "frame_idx": 15, "video_ts_ms": 1500.0, "ts": format!("2026-01-01T00:{minute:02}:00Z"),
        "final_plate": plate, "plate_confidence": 0.9, "car_bbox": [100, 60, 220, 180],
        "plate_bbox": [140, 140, 180, 160], "video_path": "gone/road.mp4", "video_filename": "road.mp4",
    })
}

fn track(track: u32) -> Value {
    json!({
        "content_sha256": "0".repeat(64), "settings_hash": "s", "video_id": "road", "track_id": track,
        "frame_idx": 12, "first_frame_idx": 12, "video_filename": "road.mp4",
    })
}

/// Frame 12 to 20, every fourth; the box moves to the right.
fn motion(track: u32) -> Vec<Value> {
    [12_u32, 16, 20]
        .map(|frame| {
            let left = 100 + 5 * (frame - 12);
            json!({
                "content_sha256": "0".repeat(64), "settings_hash": "s", "video_id": "road", "track_id": track,
                "frame_idx": frame, "video_ts_ms": f64::from(frame) * 100.0, "vx": 50.0, "vy": 0.0,
                "bbox": [left, 60, left + 120, 180], "video_filename": "road.mp4", "speed_px_s": 50.0,
            })
        })
        .to_vec()
}

/// Track 1 to 3 with plates, track 4 without.
fn usual() -> Option<Scene> {
    let scene = Scene::new()?;
    let plates = [(1, "AB123CD", 1), (2, "AB123CE", 2), (3, "XY99", 3)];
    scene.put(
        "vehicles",
        &plates.map(|(id, plate, at)| vehicle(id, plate, at)),
    );
    scene.put("tracks", &[1, 2, 3, 4].map(track));
    for id in [1, 4] {
        scene.put("track_motion", &motion(id));
    }
    let video = json!({
        "content_sha256": "0".repeat(64), "settings_hash": "s", "video_id": "road", "path": "gone/road.mp4",
        "fps": 10.0,
    });
    scene.put("videos", &[video]);
    Some(scene)
}

fn plates(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().expect("items");
    items
        .iter()
        .map(|it| it["final_plate"].as_str().expect("a plate"))
        .collect()
}

#[test]
fn every_answer_is_what_the_description_of_plates_says() {
    let Some(scene) = usual() else { return };
    let rig = scene.serve(&[], &[]);
    assert_eq!(rig.get("/openapi.json").json(), *rig.api.json());
    assert_eq!(rig.api.json()["info"]["version"], env!("CARGO_PKG_VERSION"));
    let health = rig.json("/", "/", 200);
    assert_eq!(health["status"], "ok");
    assert!(health["time"].as_str().is_some_and(|it| it.contains('T')));
    let page = rig.json("/search/plates", "/search/plates", 200);
    assert_eq!((&page["count"], &page["limit"]), (&json!(3), &json!(25)));
    let first = &page["items"][0];
    let id = &first["id"];
    assert_eq!(first["preview_url"], format!("/vehicles/{id}/preview"));
    assert_eq!(first["clip_url"], format!("/vehicles/{id}/clip"));
    rig.json(&format!("/vehicles/{id}"), "/vehicles/{id}", 200);
    let tracks = rig.json("/search/global_ids?q=ROAD:4", "/search/global_ids", 200);
    assert_eq!(tracks["items"][0]["global_id"], "road:4");
    let motion = tracks["items"][0]["motion_url"].as_str().expect("a URL");
    assert_eq!(rig.get(motion).status, 200, "{motion}");
    for (of, described) in [
        (first, "/vehicles/{id}"),
        (&tracks["items"][0], "/global_ids/{id}"),
    ] {
        for what in ["preview", "clip"] {
            let url = of[format!("{what}_url")].as_str().expect("a URL");
            rig.file(url, &format!("{described}/{what}"));
        }
    }
    rig.json("/global_ids/road:4", "/global_ids/{id}", 200);
    let rows = rig.json("/tracks/road:1/motion?limit=2", "/tracks/{id}/motion", 200);
    let frames = rows["items"].as_array().expect("rows").iter();
    let frames: Vec<_> = frames.map(|it| it["frame_idx"].as_u64()).collect();
    assert_eq!(frames, [Some(20), Some(16)]);
    for path in ["/vehicles/1/", "/search/plates/?limit=1"] {
        assert_eq!(rig.get(path).status, 200, "{path}");
    }
    assert_eq!(request(&rig.address, "POST", "/", &[], b"").status, 405);
}

#[test]
fn plates_are_ordered_by_likeness_then_by_age_and_without_a_text_by_age() {
    let Some(scene) = usual() else { return };
    scene.put(
        "vehicles",
        &[{
            let mut it = vehicle(5, "AB123CD", 9);
            it["video_id"] = "other".into();
            it
        }],
    );
    let rig = scene.serve(&[], &[]);
    let search = |query: &str| rig.json(&format!("/search/plates?{query}"), "/search/plates", 200);
    assert_eq!(
        plates(&search("")),
        ["AB123CD", "XY99", "AB123CE", "AB123CD"]
    );
    assert_eq!(plates(&search("q=")), plates(&search("")));
    let like = search("q=ab-123+cd");
    assert_eq!(plates(&like), ["AB123CD", "AB123CD", "AB123CE"]);
    let minutes = like["items"].as_array().expect("items").iter();
    let minutes: Vec<_> = minutes
        .map(|it| it["ts"].to_string()[15..17].to_owned())
        .collect();
    assert_eq!(minutes, ["09", "01", "02"]);
    assert_eq!(like["items"][0]["sightings"], 2);
    assert_eq!(like["items"][0]["similarity"], 1.0);
    assert_eq!(plates(&search("q=Y9")), ["XY99"]);
    assert_eq!(plates(&search("q=ab123cd&video_id=other")), ["AB123CD"]);
    assert_eq!(plates(&search("limit=1&offset=1")), ["XY99"]);
    assert!(plates(&search("q=%25")).is_empty());
    assert!(plates(&search("q=%27%3B--")).is_empty());
}

#[test]
fn what_is_unknown_is_404_what_is_out_of_bounds_422_and_a_wrong_overlay_400() {
    let Some(scene) = usual() else { return };
    let rig = scene.serve(&[], &[]);
    for (path, described) in [
        ("/vehicles/99", "/vehicles/{id}"),
        ("/vehicles/abc", "/vehicles/{id}"),
        ("/vehicles/-1", "/vehicles/{id}"),
        ("/vehicles/99999999999999999999", "/vehicles/{id}"),
        ("/vehicles/99/preview", "/vehicles/{id}/preview"),
        ("/vehicles/99/clip", "/vehicles/{id}/clip"),
        ("/tracks/road:9/motion", "/tracks/{id}/motion"),
        ("/global_ids/road:9", "/global_ids/{id}"),
        ("/global_ids/road:9/preview", "/global_ids/{id}/preview"),
        (
            "/global_ids/road:9/clip?frame_idx=1",
            "/global_ids/{id}/clip",
        ),
        (
            "/global_ids/..%2F..%2Fetc%2Fpasswd/preview",
            "/global_ids/{id}/preview",
        ),
        (
            "/vehicles/..%2F..%2Finputs%2Froad.mp4/clip",
            "/vehicles/{id}/clip",
        ),
        ("/global_ids/%FF/preview", "/global_ids/{id}/preview"),
    ] {
        rig.json(path, described, 404);
    }
    assert_eq!(rig.get("/inputs/road.mp4").status, 404);
    for (path, described) in [
        ("/search/plates?limit=201", "/search/plates"),
        ("/search/plates?offset=-1", "/search/plates"),
        ("/search/global_ids?limit=0", "/search/global_ids"),
        ("/vehicles/1/clip?window=4", "/vehicles/{id}/clip"),
        ("/vehicles/1/clip?window=241", "/vehicles/{id}/clip"),
        ("/tracks/road:1/motion?limit=501", "/tracks/{id}/motion"),
        (
            "/global_ids/road:1/clip?frame_idx=x",
            "/global_ids/{id}/clip",
        ),
    ] {
        let body = rig.json(path, described, 422);
        assert_eq!(body["detail"][0]["loc"][0], "query", "{body}");
    }
    let body = rig.json(
        "/vehicles/1/clip?include=wheels",
        "/vehicles/{id}/clip",
        400,
    );
    assert_eq!(body["allowed"], json!(["car_bbox", "motion", "plate_bbox"]));
    let foreign = [("Host", "evil.example")];
    let refused = request(&rig.address, "GET", "/search/plates", &foreign, b"");
    assert_eq!(refused.status, 403);
    let page = [("Origin", "http://evil.example")];
    let refused = request(&rig.address, "GET", "/vehicles/1/preview", &page, b"");
    assert_eq!(refused.status, 403);
}

#[test]
fn a_preview_is_the_frame_with_its_boxes_and_is_made_once() {
    let Some(scene) = usual() else { return };
    let rig = scene.serve(&[], &[]);
    let first = rig.get("/vehicles/1/preview");
    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(first.header("content-type"), Some("image/jpeg"));
    let picture = frames(&first.body, SIZE).remove(0);
    for (at, colour) in [
        ((100, 120), GREEN),
        ((219, 120), GREEN),
        ((160, 61), GREEN),
        ((141, 150), ORANGE),
        ((160, 100), BLUE),
        ((50, 50), BLUE),
    ] {
        assert!(is_about(&picture, SIZE.0, at, colour), "{at:?}");
    }
    assert_eq!(rig.snippets().len(), 1);
    assert_eq!(rig.get("/vehicles/1/preview").body, first.body);
    // The same frame with the same boxes is the same picture.
    assert_eq!(rig.get("/global_ids/road:1/preview").body, first.body);
    assert_eq!(rig.snippets().len(), 1);
    // A video that is another one by now is looked at anew.
    let video = rig.folder.path().join("inputs/road.mp4");
    fs::remove_file(&video).expect("it is there");
    assert_eq!(rig.get("/vehicles/1/preview").status, 404);
    fs::write(&video, "no video").expect("room");
    assert_eq!(rig.get("/vehicles/1/preview").status, 404);
    // A track without a plate is shown where it was seen last.
    blue(&rig.folder.path().join("inputs/again.mp4"));
    fs::rename(rig.folder.path().join("inputs/again.mp4"), &video).expect("a name");
    let last = rig.get("/global_ids/road:4/preview");
    let picture = frames(&last.body, SIZE).remove(0);
    assert!(is_about(&picture, SIZE.0, (141, 120), GREEN));
}

#[test]
fn a_clip_is_cut_without_encoding_unless_something_is_drawn_and_says_what_it_is_of() {
    let Some(scene) = usual() else { return };
    let rig = scene.serve(&[], &[]);
    let number = |answer: &Answer, name: &str| -> usize {
        let text = answer.header(name).expect("a header");
        text.parse().expect("a number")
    };
    let clip = rig.get("/vehicles/1/clip?window=10");
    assert_eq!(clip.status, 200, "{}", clip.text());
    assert_eq!(clip.header("content-type"), Some("video/mp4"));
    assert_eq!(clip.header("x-clip-fps"), Some("10.0"));
    assert_eq!(clip.header("x-clip-selected-frame"), Some("15"));
    // From the keyframe before 15 - 5 to 15 + 5.
    assert_eq!(number(&clip, "x-clip-start-frame"), 10);
    assert_eq!(number(&clip, "x-clip-end-frame"), 20);
    let pictures = frames(&clip.body, SIZE);
    assert_eq!(pictures.len(), 11);
    assert!(is_about(&pictures[5], SIZE.0, (100, 120), BLUE));
    // Its packets are those of the file.
    let source = fs::read(rig.folder.path().join("inputs/road.mp4")).expect("it is there");
    let key = &clip.body[clip
        .body
        .windows(4)
        .position(|it| it == b"mdat")
        .expect("mp4")
        + 4..][..64];
    assert!(source.windows(64).any(|it| it == key));

    let drawn = rig.get("/vehicles/1/clip?window=10&include=car_bbox,plate_bbox&include=motion");
    let start = number(&drawn, "x-clip-start-frame");
    assert_eq!((start, number(&drawn, "x-clip-end-frame")), (10, 20));
    let pictures = frames(&drawn.body, SIZE);
    assert_eq!(pictures.len(), 11);
    let shows = |frame: usize, at, colour| is_about(&pictures[frame - start], SIZE.0, at, colour);
    // Rows are of frame 12, 16 and 20: the box stands still between them.
    assert!(shows(10, (100, 120), BLUE) && shows(11, (101, 120), BLUE));
    assert!(shows(12, (101, 120), GREEN) && shows(15, (101, 120), GREEN));
    assert!(shows(16, (121, 120), GREEN) && shows(16, (101, 120), BLUE));
    assert!(shows(20, (141, 120), GREEN));
    assert!(!shows(16, (202, 120), BLUE), "the way is drawn");

    let around = rig.get("/global_ids/road:1/clip?window=5&frame_idx=18");
    assert_eq!(around.header("x-clip-selected-frame"), Some("16"));
    let first = [("Range", "bytes=4-7")];
    let part = request(
        &rig.address,
        "GET",
        "/vehicles/1/clip?window=10",
        &first,
        b"",
    );
    assert_eq!((part.status, part.text().as_str()), (206, "ftyp"));
    let length = clip.body.len();
    assert_eq!(
        part.header("content-range"),
        Some(format!("bytes 4-7/{length}").as_str())
    );
}

#[test]
fn rows_lead_to_no_file_that_is_not_theirs() {
    let Some(scene) = Scene::new() else { return };
    let secret = scene.path("elsewhere/secret.mp4");
    blue(&secret);
    symlink(&secret, scene.path("inputs/link.mp4")).expect("a link");
    let paths = [
        secret.to_str().expect("text"),
        "../elsewhere/secret.mp4",
        "link.mp4",
        "/etc/passwd",
        "inputs/../elsewhere/secret.mp4",
    ];
    let rows = (1_u32..).zip(paths).map(|(id, path)| {
        let mut it = vehicle(id, "AB1", id);
        for name in ["video_path", "video_filename"] {
            it[name] = path.into();
        }
        it["video_id"] = "../elsewhere/secret".into();
        it
    });
    scene.put("vehicles", &rows.collect::<Vec<_>>());
    let rig = scene.serve(&[], &[]);
    for id in 1..=paths.len() {
        for of in ["preview", "clip"] {
            let answer = rig.get(&format!("/vehicles/{id}/{of}"));
            assert_eq!(answer.status, 404, "{id} {of}");
        }
    }
    assert!(rig.snippets().is_empty());
}

#[test]
fn what_a_run_read_is_shown_wherever_it_lies() {
    use std::process::Command;

    let Some(scene) = Scene::new() else { return };
    let path = scene.path("elsewhere/trip.mp4");
    blue(&path);
    let hash = Command::new("sha256sum")
        .arg(&path)
        .output()
        .expect("coreutils");
    let hash = String::from_utf8_lossy(&hash.stdout)[..64].to_owned();
    let mut it = vehicle(1, "AB1", 1);
    it["content_sha256"] = hash.into();
    it["video_path"] = path.to_str().expect("text").into();
    scene.put("vehicles", &[it]);
    let rig = scene.serve(&[], &[]);
    assert_eq!(rig.get("/vehicles/1/preview").status, 200);
}

#[test]
fn when_media_is_at_its_bound_whoever_comes_is_told_to_come_again() {
    let Some(scene) = usual() else { return };
    let slow = scene.path("slow-media");
    fs::write(&slow, "#!/bin/sh\nexec sleep 600\n").expect("room");
    fs::set_permissions(&slow, fs::Permissions::from_mode(0o755)).expect("ours");
    let media = slow.to_str().expect("text").to_owned();
    let rig = scene.serve(&[], &[("FRAMERILL_MEDIA", &media)]);
    // Two at work and eight that wait; none of them is answered in time.
    let mut waiting = Vec::new();
    for _ in 0..10 {
        use std::io::Write as _;
        let mut peer = framerill_tests::http::connect(&rig.address);
        let head = format!(
            "GET /vehicles/1/preview HTTP/1.1\r\nHost: {}\r\n\r\n",
            rig.address
        );
        peer.write_all(head.as_bytes()).expect("it reads");
        waiting.push(peer);
    }
    let refused = framerill_tests::wait_for(Duration::from_secs(15), || {
        let asked = send(
            &rig.address,
            "GET",
            "/vehicles/1/preview",
            &[],
            b"",
            Duration::from_millis(500),
        );
        asked.ok().filter(|it| it.status == 503)
    });
    let refused = refused.expect("it is refused at once");
    assert!(refused.header("retry-after").is_some());
    rig.api
        .assert_answers(&refused.json(), "/vehicles/{id}/preview", 503);
    // Questions go on meanwhile.
    assert_eq!(rig.get("/search/plates").status, 200);
    drop(waiting);
}

#[test]
fn a_server_without_a_database_a_folder_or_a_port_says_so_and_ends() {
    let Some(scene) = usual() else { return };
    let run = |args: &[&str]| {
        let mut command = framerill();
        let output = command
            .args(["plates", "serve", "--port", "0"])
            .args(args)
            .current_dir(scene.0.path())
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = run(&["--db", "none.db"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("none.db"), "{said}");
    let file = ["--work-dir", "work", "--snippet-root", "inputs/road.mp4/x"];
    let (code, said) = run(&file);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("--snippet-root"), "{said}");
    let (code, said) = run(&["--work-dir", "work", "--host", "192.0.2.1"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("--host"), "{said}");
}
