//! One picture or a clip out of a file: the right frame, with boxes where they were asked for.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by a panic, and its numbers are small"
)]

mod media;

use std::{
    fs::File,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use framerill_av::Media;
use framerill_worker::{
    Channel,
    child::run,
    message::{ErrorReport, ExcerptStats, FromChild, Role},
};
use media::{create, difference, folder, make, plan, probe, pts_seconds};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

/// Three seconds of a moving picture, 10 a second, a keyframe each second.
fn clip(folder: &Path, name: &str, args: &[&str]) -> PathBuf {
    let graph = "testsrc2=size=160x96:rate=10:duration=3";
    let mut all = vec!["-f", "lavfi", "-i", graph];
    all.extend(["-c:v", "libx264", "-g", "10", "-sc_threshold", "0"]);
    all.extend(args);
    make(&folder.join(name), &all)
}

/// Has media take `excerpt` out of a file; descriptor 1 is `into`, 2 a file for what is written on the way.
fn take(path: &Path, excerpt: &Value, into: &Path) -> Result<ExcerptStats, Box<ErrorReport>> {
    framerill_av::quieten();
    let (near, far) = Channel::pair().unwrap();
    thread::spawn(move || run(far, Role::Media, "media", |_| Media::default()));
    let channel = Channel::new(near);
    let files: [OwnedFd; 3] = [
        File::open(path).unwrap().into(),
        create(into),
        create(&into.with_extension("part")),
    ];
    let name = path.file_name().unwrap().to_str().unwrap();
    let plan = json!({
        "source": {"kind": "file", "name": name, "fd": 0}, "sink": null, "excerpt": excerpt,
    });
    let load = json!({"type": "load", "id": 1, "media": plan, "fds": 3});
    let fds: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    channel.send(&load, &fds, SOON).unwrap();
    loop {
        match channel.recv::<FromChild>(Some(SOON)).unwrap().0 {
            FromChild::Done { stats } => return Ok(*stats.excerpt.unwrap()),
            FromChild::Error(report) => return Err(Box::new(report)),
            _ => {}
        }
    }
}

/// The pixels of each picture of a file.
fn pictures(path: &Path) -> Vec<Vec<u8>> {
    media::read(&plan(path, json!({}))).unwrap().pictures
}

fn rgb(path: &Path) -> Vec<u8> {
    let raw = path.with_extension("rgb");
    let args = [
        "-i",
        path.to_str().unwrap(),
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
    ];
    make(&raw, &args);
    std::fs::read(raw).unwrap()
}

fn size(path: &Path) -> String {
    probe(path, "v:0", "stream=width,height").remove(0)
}

#[test]
fn a_still_is_the_frame_that_was_asked_for_by_its_time_and_by_its_index() {
    let folder = folder();
    let path = clip(folder.path(), "a.mp4", &[]);
    let all = pictures(&path);
    let still = folder.path().join("still.png");
    for at in [
        json!({"seconds": 1.7}),
        json!({"frame": 17}),
        json!({"frame": 17, "seconds": 1.7004}),
        json!({"seconds": 1.73}),
    ] {
        let plan = json!({"kind": "still", "at": at, "fd": 1, "format": "png"});
        let stats = take(&path, &plan, &still).unwrap();
        assert!((stats.seconds.unwrap() - 1.7).abs() < 1e-6, "{at}");
        assert_eq!((stats.width, stats.height), (160, 96));
        assert!(rgb(&still) == all[17], "{at}");
        assert_ne!(all[16], all[17]);
    }
}

#[test]
fn a_still_past_the_end_is_the_last_frame() {
    let folder = folder();
    let path = clip(folder.path(), "a.mp4", &[]);
    let still = folder.path().join("still.png");
    for at in [json!({"seconds": 99.0}), json!({"frame": 99})] {
        let plan = json!({"kind": "still", "at": at, "fd": 1, "format": "png"});
        let stats = take(&path, &plan, &still).unwrap();
        assert!((stats.seconds.unwrap() - 2.9).abs() < 1e-6, "{at}");
    }
}

#[test]
fn a_jpeg_looks_like_its_frame_and_may_be_a_part_of_it_smaller() {
    let folder = folder();
    let path = clip(folder.path(), "a.mp4", &[]);
    let still = folder.path().join("still.jpg");
    let plan = json!({"kind": "still", "at": {"frame": 3}, "fd": 1});
    take(&path, &plan, &still).unwrap();
    let apart = difference(&rgb(&still), &pictures(&path)[3]);
    assert!(apart < 6.0, "{apart}");
    let plan = json!({"kind": "still", "at": {"frame": 3}, "fd": 1, "max_side": 40,
        "crop": [-10.0, 16.0, 80.0, 48.0]});
    let stats = take(&path, &plan, &still).unwrap();
    assert_eq!((stats.width, stats.height), (40, 16));
    assert_eq!(size(&still), "40,16");
    let plan = json!({"kind": "still", "at": {}, "fd": 1, "crop": [200.0, 0.0, 300.0, 9.0]});
    assert_eq!(take(&path, &plan, &still).unwrap_err().code, "params");
}

#[test]
fn boxes_are_drawn_into_a_still() {
    let folder = folder();
    let path = clip(folder.path(), "a.mp4", &[]);
    let still = folder.path().join("still.png");
    let plan = json!({"kind": "still", "at": {"seconds": 1.0}, "fd": 1, "format": "png",
        "boxes": [{"bbox": [20.0, 10.0, 60.0, 40.0], "colour": [255, 0, 255], "thickness": 2}]});
    take(&path, &plan, &still).unwrap();
    let (drawn, plain) = (rgb(&still), &pictures(&path)[10]);
    let pixel = |of: &[u8], x: usize, y: usize| of[(y * 160 + x) * 3..][..3].to_vec();
    for (x, y) in [(20, 10), (59, 39), (21, 25), (40, 11)] {
        assert_eq!(pixel(&drawn, x, y), [255, 0, 255], "{x} {y}");
    }
    for (x, y) in [(19, 10), (60, 39), (40, 25)] {
        assert_eq!(pixel(&drawn, x, y), pixel(plain, x, y), "{x} {y}");
    }
}

#[test]
fn a_still_of_a_still_picture_is_that_picture() {
    let folder = folder();
    let path = folder.path().join("a.png");
    let graph = "testsrc2=size=160x96:rate=10:duration=1";
    let args = ["-f", "lavfi", "-i", graph, "-frames:v", "1", "-update", "1"];
    make(&path, &args);
    let still = folder.path().join("still.png");
    let plan = json!({"kind": "still", "at": {}, "fd": 1, "format": "png"});
    take(&path, &plan, &still).unwrap();
    assert!(rgb(&still) == rgb(&path));
}

#[test]
fn picture_files_are_decoded_into_their_slots_until_there_is_no_more_room() {
    let folder = folder();
    let made = ["a.png", "b.jpg"].map(|name| {
        let graph = "testsrc2=size=160x96:rate=10:duration=1";
        let args = ["-f", "lavfi", "-i", graph, "-frames:v", "1", "-update", "1"];
        make(&folder.path().join(name), &args)
    });
    let noise = vec![0x5a; 900];
    let [a, b] = made.each_ref().map(|it| std::fs::read(it).unwrap());
    let all = folder.path().join("all");
    std::fs::write(&all, [&a[..], &noise, &b].concat()).unwrap();
    let file = |name: &str, bytes: &[u8]| json!({"name": name, "length": bytes.len()});
    let slot = 160 * 96 * 3;
    let plan = |most: u64| {
        json!({"kind": "pictures", "fd": 1, "slot_bytes": slot, "most_bytes": most,
            "files": [file("a.png", &a), file("noise", &noise), file("b.jpg", &b)]})
    };
    let into = folder.path().join("pool");
    let stats = take(&all, &plan(1 << 30), &into).unwrap();
    let sizes: Vec<_> = stats
        .pictures
        .iter()
        .map(|it| (it.width, it.height))
        .collect();
    assert_eq!(sizes, [(160, 96), (0, 0), (160, 96)]);
    let error = stats.pictures[1].error.as_ref().unwrap();
    assert_eq!(error.code, "source_open");
    assert!(error.message.contains("noise"), "{}", error.message);
    let pool = std::fs::read(&into).unwrap();
    assert!(pool[..slot] == rgb(&made[0]));
    assert!(difference(&pool[2 * slot..], &rgb(&made[1])) < 3.0);
    let stats = take(&all, &plan(1), &into).unwrap();
    assert_eq!(stats.pictures.len(), 1);
}

#[test]
fn a_clip_is_copied_from_the_keyframe_before_it_and_every_picture_stays_what_it_was() {
    let folder = folder();
    for (name, args) in [
        ("a.mp4", &[][..]),
        ("b.mkv", &[]),
        ("c.ts", &[]),
        ("d.mp4", &["-bf", "0"]),
    ] {
        let path = clip(folder.path(), name, args);
        let first = pts_seconds(&path)[0];
        let into = folder.path().join("clip.mp4");
        let plan = json!({"kind": "clip", "at": {"frame": 18, "seconds": first + 1.8},
            "before": 0.5, "after": 0.3, "fd": 1});
        let stats = take(&path, &plan, &into).unwrap();
        assert!(stats.is_copied, "{name}");
        assert_eq!(stats.before, 8, "{name}");
        assert_eq!(stats.frame, Some(18), "{name}");
        assert!((12..=15).contains(&stats.frames), "{name}: {stats:?}");
        let (cut, all) = (pictures(&into), pictures(&path));
        assert!(cut.len() >= 12, "{name}: {}", cut.len());
        for (index, picture) in cut.iter().enumerate().take(12) {
            assert!(*picture == all[10 + index], "{name}: {index}");
        }
        let times = pts_seconds(&into);
        assert!(times[0].abs() < 0.001, "{name}: {}", times[0]);
        assert!((times[8] - 0.8).abs() < 0.002, "{name}: {}", times[8]);
    }
}

#[test]
fn a_clip_at_the_ends_of_a_file_has_what_is_there() {
    let folder = folder();
    let path = clip(folder.path(), "a.mp4", &[]);
    let into = folder.path().join("clip.mp4");
    let around = |seconds: f64| json!({"kind": "clip", "at": {"seconds": seconds}, "before": 1.0, "after": 0.35, "fd": 1});
    let stats = take(&path, &around(0.0), &into).unwrap();
    assert_eq!(stats.before, 0);
    let stats = take(&path, &around(2.9), &into).unwrap();
    assert_eq!((stats.before, stats.frames), (19, 20));
    let endless =
        json!({"kind": "clip", "at": {"seconds": 1.0}, "before": 1e9, "after": 1.0, "fd": 1});
    assert_eq!(take(&path, &endless, &into).unwrap_err().code, "params");
}

#[test]
fn a_clip_with_boxes_is_encoded_anew_and_they_are_there_when_they_are_shown() {
    let folder = folder();
    let path = clip(folder.path(), "a.mp4", &[]);
    let into = folder.path().join("clip.mp4");
    let plan = json!({"kind": "clip", "at": {"frame": 15, "seconds": 1.5}, "before": 0.3, "after": 0.2,
        "fd": 1, "part_fd": 2,
        "boxes": [{"bbox": [20.0, 10.0, 100.0, 70.0], "colour": [255, 0, 0], "thickness": 8, "shown": [1.5, 1.6]}]});
    let stats = take(&path, &plan, &into).unwrap();
    assert!(!stats.is_copied);
    assert_eq!((stats.frames, stats.before), (6, 3));
    let cut = pictures(&into);
    let all = pictures(&path);
    assert_eq!(cut.len(), 6);
    for (index, picture) in cut.iter().enumerate() {
        let red = &picture[(14 * 160 + 60) * 3..][..3];
        let is_red = red[0] > 150 && red[1] < 90 && red[2] < 90;
        assert_eq!(is_red, index == 3 || index == 4, "{index}: {red:?}");
        if !is_red {
            let apart = difference(picture, &all[12 + index]);
            assert!(apart < 12.0, "{index}: {apart}");
        }
    }
}

#[test]
fn a_clip_of_pictures_that_are_stored_lying_stands_upright() {
    let folder = folder();
    let upright = clip(folder.path(), "a.mp4", &[]);
    let lying = folder.path().join("lying.mp4");
    let args = [
        "-i",
        upright.to_str().unwrap(),
        "-c",
        "copy",
        "-metadata:s:v",
        "rotate=90",
    ];
    make(&lying, &args);
    let into = folder.path().join("clip.mp4");
    let plan = json!({"kind": "clip", "at": {"seconds": 1.0}, "before": 0.3, "after": 0.2, "fd": 1, "part_fd": 2});
    let stats = take(&lying, &plan, &into).unwrap();
    assert_eq!(
        (stats.width, stats.height, stats.is_copied),
        (96, 160, false)
    );
    assert_eq!(size(&into), "96,160");
    let still = folder.path().join("still.png");
    let plan = json!({"kind": "still", "at": {"seconds": 1.0}, "fd": 1, "format": "png"});
    take(&lying, &plan, &still).unwrap();
    assert_eq!(size(&still), "96,160");
}

#[test]
fn what_holds_no_picture_is_refused_by_its_reason() {
    let folder = folder();
    let path = folder.path().join("noise.mp4");
    std::fs::write(&path, [0x5a; 9000]).unwrap();
    let still = folder.path().join("still.png");
    let plan = json!({"kind": "still", "at": {}, "fd": 1});
    let report = take(&path, &plan, &still).unwrap_err();
    assert!(
        report.message.contains("is not a video"),
        "{}",
        report.message
    );
}
