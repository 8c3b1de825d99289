//! Odd files, odd counts, odd moments: the rows of the contract's §19 that need whole programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::Path,
    process::Command,
};

use framerill_plates::{
    bbox::BBox,
    store::{Address, Options, Record, Store},
};
use framerill_tests::{ffmpeg_is_here, process, skip, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::scene::{Ended, SOON, Scene, ended, everything};

/// Files of a folder that is read file by file.
const FILES: usize = 60;

/// Everything that videos need, and what makes more of them.
fn everything_and_ffmpeg() -> Option<std::path::PathBuf> {
    if !ffmpeg_is_here() {
        skip("no ffmpeg; `make test` installs it");
        return None;
    }
    everything()
}

/// Makes a video in `in/`.
fn make(scene: &Scene, name: &str, args: &[&str]) {
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y"])
        .args(args)
        .arg(scene.path("in").join(name))
        .status();
    assert!(made.is_ok_and(|it| it.success()), "ffmpeg {args:?}");
}

/// Makes a video in `in/` of a clip of the material.
fn remake(scene: &Scene, material: &Path, clip: &str, name: &str, args: &[&str]) {
    let from = material.join("video").join(clip);
    let from = ["-i", from.to_str().expect("text")];
    make(scene, name, &[&from, args].concat());
}

/// Each video's answer, by its id.
fn videos(ended: &Ended) -> BTreeMap<String, Value> {
    let json = ended.json();
    let videos = json["videos"].as_array().expect("videos").clone();
    let id = |it: &Value| it["video_id"].as_str().expect("an id").to_owned();
    videos.into_iter().map(|it| (id(&it), it)).collect()
}

/// Plates by video.
fn plates(scene: &Scene) -> BTreeSet<(String, String)> {
    let text = |row: &Record, name: &str| row[name].as_str().expect("text").to_owned();
    let rows = scene.rows("vehicles");
    rows.iter()
        .map(|it| (text(it, "video_id"), text(it, "final_plate")))
        .collect()
}

fn of(video: &str, plate: &str) -> (String, String) {
    (video.to_owned(), plate.to_owned())
}

#[test]
fn help_says_the_defaults_that_hold_and_a_run_says_what_it_goes_by() {
    let scene = Scene::new();
    let ended = scene.plates(&["run", "in", "--work-dir", "work", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let log = fs::read_to_string(scene.path("work/logs/main.log")).expect("a log");
    let lines: Vec<&str> = log.lines().filter(|it| it.contains("settings {")).collect();
    let [line] = lines[..] else { panic!("{log}") };
    assert!(
        line.contains("[INFO] [main] 0 videos in in; settings"),
        "{line}"
    );
    let (_, json) = line.split_once("settings ").expect("settings");
    let settings: Value = serde_json::from_str(json).expect("JSON");
    for name in ["num_gpu_workers", "max_cpu_backlog", "db", "work_dir"] {
        assert!(!settings[name].is_null(), "{name} in {line}");
    }

    let help = scene.plates(&["run", "--help"]).stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut looked_at = 0;
    for of_flag in help.split("--") {
        let name = of_flag.split([' ', ']', '`']).next().unwrap_or_default();
        let default = of_flag.split_once("[default: ").map(|it| it.1);
        let default = default.and_then(|it| it.split([']', ',']).next()?.parse::<f64>().ok());
        let setting = settings[name.replace('-', "_")].as_f64();
        if let (Some(default), Some(setting)) = (default, setting) {
            assert!((setting - default).abs() < 1e-9, "--{name}: {setting}");
            looked_at += 1;
        }
    }
    assert!(looked_at >= 8, "{looked_at} defaults in {help}");
}

#[test]
fn a_database_that_cannot_be_made_is_named_before_anything_starts() {
    let Some(material) = everything() else { return };
    let scene = Scene::new();
    scene.clip(&material, "edge/one_frame.mp4", "a.mp4");
    fs::write(scene.path("file"), "").expect("a file");
    let ended = scene.run(&material, &["--db", "file/x.db"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("file"), "{}", ended.stderr);
    assert!(!ended.stderr.contains(" reads "), "{}", ended.stderr);
}

#[test]
fn of_one_stem_there_are_two_videos_and_of_one_content_one() {
    let Some(material) = everything_and_ffmpeg() else {
        return;
    };
    let scene = Scene::new();
    remake(
        &scene,
        &material,
        "approach_b.mp4",
        "a.mkv",
        &["-t", "1.4", "-c", "copy"],
    );
    scene.clip(&material, "edge/short30.mp4", "a.mp4");
    scene.clip(&material, "edge/UPPER.MP4", "c.MP4");
    let ended = scene.run(&material, &["--num-video-readers", "3"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("is called `a~2`"), "{}", ended.stderr);
    let all = videos(&ended);
    let status = |id: &str| all[id]["status"].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        ["a", "a~2", "c"].map(status),
        ["complete", "complete", "skipped"]
    );
    let expected = [of("a", "RK457AS"), of("a~2", "1B80338")];
    assert_eq!(plates(&scene), expected.into());
    let ids: BTreeSet<_> = scene
        .rows("tracks")
        .iter()
        .map(|it| it["global_id"].to_string())
        .collect();
    assert_eq!(ids.len(), scene.rows("tracks").len(), "{ids:?}");

    let rows = scene.rows("vehicles");
    for (format, lines) in [("jsonl", rows.len()), ("csv", rows.len() + 1)] {
        let args = ["export", "-f", format, "--work-dir", "work"];
        let ended = scene.plates(&args);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(ended.stdout.lines().count(), lines, "{}", ended.stdout);
        for row in &rows {
            let plate = row["final_plate"].as_str().expect("text");
            assert!(ended.stdout.contains(plate), "{}", ended.stdout);
        }
    }
}

#[test]
fn names_that_are_no_text_are_videos_of_their_own_and_can_be_told_apart() {
    let Some(material) = everything() else { return };
    let scene = Scene::new();
    let clips = ["edge/short30.mp4", "toll_vn.mp4"];
    let bytes: [&[u8]; 2] = [b"in/a\xFF.mp4", b"in/a\xFE.mp4"];
    for (clip, name) in clips.iter().zip(bytes) {
        let from = material.join("video").join(clip);
        let to = scene.path("").join(OsStr::from_bytes(name));
        fs::copy(from, to).expect("the clip is there");
    }
    let ended = scene.run(&material, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let answers = videos(&ended);
    let ids: Vec<_> = answers.keys().map(String::as_str).collect();
    assert_eq!(ids, ["a%FE", "a%FF"]);
    assert_eq!(answers["a%FF"]["path"], "in/a%FF.mp4");
    let rows = scene.rows("vehicles");
    let of = |id: &str| rows.iter().filter(|it| it["video_id"] == id).count();
    assert_eq!((of("a%FF"), of("a%FE")), (1, 3), "{rows:?}");
    let names: BTreeSet<_> = rows
        .iter()
        .filter_map(|it| it["video_filename"].as_str())
        .collect();
    assert_eq!(names, ["a%FE.mp4", "a%FF.mp4"].into());
}

/// The plate's box in a frame of `approach_a.mp4`, from which clips of `edge/` are made.
fn truth(material: &Path, frame: u64) -> BBox {
    let lines = fs::read_to_string(material.join("video/approach_a.jsonl")).expect("the truth");
    let lines = lines.lines().map(serde_json::from_str::<Value>);
    let line = lines.flatten().find(|it| it["frame"] == frame);
    let line = line.expect("a line a frame");
    let sides = line["plates"][0]["bbox"].clone();
    let [x, y, width, height]: [f32; 4] = serde_json::from_value(sides).expect("a box");
    BBox::from([x, y, x + width, y + height])
}

#[test]
fn every_kind_of_video_is_read_upright_with_its_own_times_and_its_first_picture_stream() {
    let Some(material) = everything_and_ffmpeg() else {
        return;
    };
    let scene = Scene::new();
    let clips = [
        ("mjpeg.avi", 30),
        ("h264.mkv", 30),
        ("hevc.mov", 30),
        ("odd_size.mp4", 30),
        ("with_audio.mp4", 50),
        ("black.mp4", 25),
        ("vfr.mp4", 49),
        ("rotated_meta.mp4", 30),
        ("uhd.mp4", 12),
    ];
    for (name, _) in clips {
        scene.clip(&material, &format!("edge/{name}"), name);
    }
    let short = ["-t", "0.5", "-an", "-vf", "scale=320:180"];
    let kinds: [(&str, &[&str]); 3] = [
        (
            "ten_bits.mkv",
            &["-pix_fmt", "yuv420p10le", "-c:v", "libx264"],
        ),
        ("grey.mkv", &["-pix_fmt", "gray", "-c:v", "libx264"]),
        ("part2.avi", &["-c:v", "mpeg4"]),
    ];
    for (name, args) in kinds {
        let args = [&short[..], args].concat();
        remake(&scene, &material, "edge/short30.mp4", name, &args);
    }
    let sizes = ["64x48", "320x240"].map(|it| format!("testsrc2=size={it}:rate=25:duration=0.4"));
    let two = [
        "-f", "lavfi", "-i", &sizes[0], "-f", "lavfi", "-i", &sizes[1],
    ];
    let maps = ["-map", "0:v", "-map", "1:v", "-c:v", "libx264"];
    make(&scene, "two.mp4", &[&two[..], &maps].concat());

    let ended = scene.run(&material, &["--every", "5"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let all = videos(&ended);
    assert_eq!(all.len(), clips.len() + kinds.len() + 1);
    for (id, it) in &all {
        assert_eq!(it["status"], "complete", "{id}: {it}");
    }
    for (name, frames) in clips {
        let (id, _) = name.rsplit_once('.').expect("an extension");
        assert_eq!(all[id]["frames"], frames, "{name}");
    }
    let summaries = scene.rows("video_summary");
    assert_eq!(summaries.len(), all.len(), "one a video");
    let readers = fs::read_to_string(scene.path("work/logs/readers.log")).expect("a log");
    assert!(
        readers.contains("of its 2 video streams the first one"),
        "{readers}"
    );
    assert!(!ended.stderr.contains('\u{1b}'), "no terminal, no escapes");

    let plates = plates(&scene);
    for id in all.keys().filter(|it| !["black", "two"].contains(&&it[..])) {
        assert!(plates.contains(&of(id, "1B80338")), "{id} in {plates:?}");
    }
    assert!(
        !plates
            .iter()
            .any(|it| ["black", "two"].contains(&&it.0[..]))
    );
    for row in scene.rows("vehicles") {
        let id = row["video_id"].as_str().unwrap_or_default();
        let bbox = |name: &str| serde_json::from_value::<BBox>(row[name].clone()).expect("a box");
        let (plate, car) = (bbox("plate_bbox"), bbox("car_bbox"));
        let within = car.clipped(&plate).map_or(0.0, |it| it.area());
        assert!(within > 0.5 * plate.area(), "{row:?}");
        if ["mjpeg", "h264", "rotated_meta"].contains(&id) {
            let truth = truth(&material, row["frame_idx"].as_u64().expect("a frame"));
            assert!(
                plate.iou(&truth) > 0.3,
                "{plate:?} is not {truth:?}: {row:?}"
            );
        }
    }
    // Nine frames lie between 2.28 s and 3.64 s: what 25 frames a second would say is another time.
    let motion = scene.rows("track_motion");
    let of_vfr = motion.iter().filter(|it| it["video_id"] == "vfr");
    let mut looked_at = 0;
    for row in of_vfr {
        let frame = row["frame_idx"].as_u64().expect("a frame");
        #[expect(clippy::cast_precision_loss, reason = "few frames")]
        let expected = match frame {
            ..20 => frame as f64 * 120.0,
            _ => 3640.0 + (frame - 20) as f64 * 40.0,
        };
        let ts = row["video_ts_ms"].as_f64().expect("a time");
        assert!((ts - expected).abs() < 1.0, "frame {frame}: {ts} ms");
        looked_at += 1;
    }
    assert!(looked_at > 0, "vfr shows a vehicle");
}

#[test]
fn what_is_cut_off_or_damaged_is_a_warning_and_a_failure_where_strictness_is_asked_for() {
    let Some(material) = everything() else { return };
    let scene = Scene::new();
    scene.clip(&material, "edge/truncated_tail.mp4", "cut.mp4");
    scene.clip(&material, "edge/corrupt_middle.mp4", "torn.mp4");
    let ended = scene.run(&material, &["--every", "5"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let all = videos(&ended);
    assert_eq!(all["cut"]["status"], "partial");
    let frames = all["cut"]["frames"].as_u64();
    assert!((39..=41).contains(&frames.unwrap_or(0)), "{frames:?}");
    assert!(
        ended
            .stderr
            .contains("[WARNING] [main] cut is over: Partial")
    );
    // The damage lies between a third and a half of it.
    let frames = all["torn"]["frames"].as_u64().unwrap_or(0);
    assert!(frames > 45, "{}", all["torn"]);
    assert!(all["torn"]["reason"].is_string(), "{}", all["torn"]);
    let strict = scene.run(&material, &["--every", "5", "--strict", "--force"]);
    assert_eq!(strict.code, Some(1), "{}", strict.stderr);
}

#[test]
fn what_is_no_file_fails_alone_and_a_file_that_goes_away_is_read_to_its_end() {
    let Some(material) = everything() else { return };
    let scene = Scene::new();
    scene.clip(&material, "edge/short30.mp4", "a.mp4");
    scene.clip(&material, "edge/zero_bytes.mp4", "zero.mp4");
    fs::create_dir(scene.path("in/folder.mp4")).expect("a folder");
    std::os::unix::fs::symlink("nowhere", scene.path("in/dangling.mp4")).expect("a link");
    let pipe = Command::new("mkfifo")
        .arg(scene.path("in/pipe.mp4"))
        .status();
    assert!(pipe.is_ok_and(|it| it.success()));
    let running = scene.begin(&material, &["--every", "5"]);
    running.says("a from frame 0 on");
    fs::remove_file(scene.path("in/a.mp4")).expect("it was there");
    let ended = ended(running);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let all = videos(&ended);
    let told: Vec<_> = all
        .iter()
        .map(|(id, it)| (&id[..], &it["status"]))
        .collect();
    let expected = [
        ("a", "complete"),
        ("dangling", "failed"),
        ("pipe", "failed"),
        ("zero", "failed"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for ((id, status), expected) in told.into_iter().zip(expected) {
        assert_eq!((id, status.as_str()), (expected.0, Some(expected.1)));
    }
    assert!(all["pipe"]["reason"].to_string().contains("regular file"));
    for table in ["vehicles", "tracks", "track_motion", "video_summary"] {
        let of_others = scene.rows(table).iter().any(|it| it["video_id"] != "a");
        assert!(!of_others, "{table}");
    }
}

#[test]
fn one_frame_is_a_record_only_where_one_sample_is_enough() {
    let Some(material) = everything_and_ffmpeg() else {
        return;
    };
    let scene = Scene::new();
    // Near enough to be read, and surely.
    let args = [
        "-ss",
        "1.0",
        "-frames:v",
        "1",
        "-c:v",
        "libx264",
        "-crf",
        "12",
    ];
    remake(&scene, &material, "approach_a.mp4", "one.mp4", &args);
    let ended = scene.run(&material, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(videos(&ended)["one"]["frames"], 1);
    assert!(plates(&scene).is_empty());
    assert_eq!(scene.rows("video_summary").len(), 1);
    let lone = scene.run(&material, &["--min-samples", "1"]);
    assert_eq!(lone.code, Some(0), "{}", lone.stderr);
    assert_eq!(plates(&scene), [of("one", "1B80338")].into());
}

#[test]
fn counts_limits_and_batches_change_no_record() {
    let Some(material) = everything() else { return };
    let one = ["--num-video-readers", "1", "--every", "5"];
    let many = [
        "--num-gpu-workers",
        "4",
        "--num-cpu-workers",
        "8",
        "--num-video-readers",
        "4",
        "--batch",
        "4",
        "--queue-soft-limit",
        "1",
        "--queue-hard-limit",
        "1",
        "--max-gpu-backlog",
        "0",
        "--every",
        "5",
    ];
    let mut all = Vec::new();
    for more in [&one[..], &many] {
        let scene = Scene::new();
        scene.clip(&material, "pair.mp4", "pair.mp4");
        scene.clip(&material, "edge/h264.mkv", "b.mkv");
        let ended = scene.run(&material, more);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        all.push(
            ["vehicles", "tracks", "track_motion", "video_summary"].map(|it| {
                let mut rows = scene.rows(it);
                // How long stages took differs.
                rows.iter_mut()
                    .for_each(|it| drop(it.remove("stage_seconds")));
                rows
            }),
        );
    }
    assert!(all[0][0].len() >= 3, "{:?}", all[0][0]);
    assert_eq!(all[0], all[1]);
}

#[test]
fn a_worker_that_hangs_is_replaced_and_changes_no_record() {
    let Some(material) = everything() else { return };
    let expected = Scene::new();
    expected.clip(&material, "pair.mp4", "a.mp4");
    let undisturbed = expected.run(&material, &[]);
    assert_eq!(undisturbed.code, Some(0), "{}", undisturbed.stderr);

    let scene = Scene::new();
    scene.clip(&material, "pair.mp4", "a.mp4");
    let running = scene.begin(&material, &[]);
    let hung = running.child_called("gpu");
    until_begun(&scene);
    send(hung, Signal::STOP);
    // Who only watches is replaced, too.
    drop(process::kill_9(running.child_called("plates-scheduler")));
    let replaced = look(&scene, |it| {
        let worker = &it["workers"][0];
        (worker["restarts"] == 1 && worker["pid"].is_u64()).then(|| worker.clone())
    });
    assert_ne!(replaced["pid"], hung);
    let ended = ended(running);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let again = "the scheduler is gone, and started again";
    assert!(ended.stderr.contains(again), "{}", ended.stderr);
    for table in ["vehicles", "tracks", "track_motion"] {
        assert_eq!(scene.rows(table), expected.rows(table), "{table}");
    }
    let over = scene.plates(&["status", "--work-dir", "work", "--json"]);
    let over = over.json();
    assert_eq!(over["is_on"], false);
    let names = ["kind", "state", "last_heartbeat", "done", "errors"];
    for name in names {
        assert!(!over["workers"][0][name].is_null(), "{name}: {over}");
    }
}

/// Waits for something in how the run in `work/` stands.
fn look<T>(scene: &Scene, find: impl Fn(&Value) -> Option<T>) -> T {
    let status = || {
        let bytes = fs::read(scene.path("work/status.json")).ok()?;
        find(&serde_json::from_slice(&bytes).ok()?)
    };
    let status = wait_for(SOON, status);
    status.unwrap_or_else(|| panic!("{:?}", fs::read_to_string(scene.path("work/status.json"))))
}

/// Waits until a worker has something in hand: who loads is late, not hung.
fn until_begun(scene: &Scene) {
    look(scene, |it| {
        let categories = it["categories"].as_array()?;
        let is_begun = categories
            .iter()
            .any(|it| it["in_flight"].as_u64() > Some(0));
        is_begun.then_some(())
    });
}

fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a pid"), signal).expect("it runs");
}

#[test]
fn a_signal_during_load_ends_the_run_and_none_is_for_its_children() {
    let Some(material) = everything() else { return };
    let scene = Scene::new();
    scene.clip(&material, "pair.mp4", "pair.mp4");
    let running = scene.begin(&material, &[]);
    let children = ["gpu", "cpu", "plates-scheduler"].map(|it| running.child_called(it));
    running.says("worker 0 is process");
    running.says("worker 100 is process");
    running.says("videos=0/1");
    for child in children {
        send(child, Signal::INT);
        send(child, Signal::TERM);
    }
    running.signal(Signal::TERM);
    let ended = ended(running);
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
    assert!(!ended.stderr.contains("is gone"), "{}", ended.stderr);
    assert!(children.iter().all(|it| !process::is_running(*it)));
    assert!(!scene.path("work/run.lock").exists());
}

#[test]
fn a_second_interrupt_does_not_wait_for_what_is_begun() {
    let Some(material) = everything() else { return };
    let scene = Scene::new();
    scene.clip(&material, "pair.mp4", "pair.mp4");
    let running = scene.begin(&material, &[]);
    let worker = running.child_called("gpu");
    until_begun(&scene);
    // What it has in hand is not done before it is replaced, and that takes seconds.
    send(worker, Signal::STOP);
    let children = process::descendants(running.pid());
    running.signal(Signal::INT);
    running.says("stopping on Interrupt");
    running.signal(Signal::INT);
    let ended = ended(running);
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    for said in [" undone: ", "unfinished: ", "Shutdown complete"] {
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
    assert!(children.iter().all(|it| !process::is_running(it.pid)));
}

#[test]
fn a_database_that_is_away_is_told_and_gets_every_row_later_and_once() {
    let Some(material) = everything() else { return };
    let more = ["--every", "5"];
    let expected = Scene::new();
    expected.clip(&material, "edge/h264.mkv", "a.mkv");
    let undisturbed = expected.run(&material, &more);
    assert_eq!(undisturbed.code, Some(0), "{}", undisturbed.stderr);

    let scene = Scene::new();
    scene.clip(&material, "edge/h264.mkv", "a.mkv");
    // Nobody listens there.
    let away = "postgres://u:secret@127.0.0.1:9/plates";
    let run = || scene.run(&material, &["--every", "5", "--db", away]);
    for _ in 0..2 {
        let ended = run();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(videos(&ended)["a"]["status"], "complete");
        let said = &ended.stderr;
        assert!(
            said.contains("rows wait in the work directory for now"),
            "{said}"
        );
        assert!(said.contains("rows wait for postgres://u:***@"), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
    // Whatever database takes them: they are in the outbox, twice, and come out once.
    let database = Address::Sqlite(scene.path("work/plates.db"));
    let store = Store::open(Options {
        outbox: Some(scene.path("work/outbox")),
        ..Options::new(database)
    });
    let store = store.expect("a database");
    assert_eq!(store.flush(SOON).expect("an outbox"), 0);
    for table in ["vehicles", "tracks", "track_motion"] {
        assert_eq!(scene.rows(table), expected.rows(table), "{table}");
    }
}

#[test]
fn many_short_files_leave_no_descriptor_and_no_memory_behind() {
    let Some(material) = everything_and_ffmpeg() else {
        return;
    };
    let scene = Scene::new();
    let blank = ["-f", "lavfi", "-i", "color=size=64x48:rate=5:duration=0.4"];
    make(&scene, "v000.mp4", &blank);
    let bytes = fs::read(scene.path("in/v000.mp4")).expect("a clip");
    for n in 1..FILES {
        // A box that holds nothing: another content, the same video.
        let unused = format!("\0\0\0\u{10}freefile {n:03}");
        let name = format!("in/v{n:03}.mp4");
        fs::write(scene.path(&name), [&bytes[..], unused.as_bytes()].concat()).expect("a clip");
    }
    let running = scene.begin(&material, &["--num-video-readers", "1"]);
    let pid = running.pid();
    let own = || {
        let held = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|it| it.strip_prefix("RssAnon:"));
        let kib: Option<u64> = line.and_then(|it| it.split_whitespace().next()?.parse().ok());
        (held, kib.unwrap_or(0))
    };
    let after = |n: usize| {
        running.says(&format!("v{n:03} is over: Complete"));
        own()
    };
    // The fewest of several moments: what a video has open while it is read is not counted.
    let fewest = |from: usize| {
        let all = (from..from + 5).map(after);
        all.reduce(|a, b| (a.0.min(b.0), a.1.min(b.1)))
            .expect("five")
    };
    let (early, late) = (fewest(FILES / 5), fewest(FILES - 15));
    assert!(early.0 > 0 && late.0 > 0, "it runs");
    let ended = ended(running);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(scene.rows("video_summary").len(), FILES);
    assert!(late.0 <= early.0 + 1, "descriptors: {early:?}, {late:?}");
    assert!(late.1 <= early.1 + (8 << 10), "KiB: {early:?}, {late:?}");
}
