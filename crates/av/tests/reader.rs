//! A file that is read for its frames: which of them come, when they are shown, and what is said of damage.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by a panic, and its numbers are small"
)]

mod media;
#[path = "reader/stage.rs"]
mod stage;

use std::path::{Path, PathBuf};

use framerill_worker::message::{FromChild, ReaderStatus};
use media::{difference, folder, make, material, pts_seconds};
use serde_json::json;
use stage::{SOON, Stage, Watched, watch};

/// Two seconds of a moving picture, 10 a second.
fn clip(folder: &Path, name: &str, args: &[&str]) -> PathBuf {
    let graph = "testsrc2=size=160x96:rate=10:duration=2";
    let mut all = vec!["-f", "lavfi", "-i", graph];
    all.extend(args);
    make(&folder.join(name), &all)
}

fn plain(folder: &Path) -> PathBuf {
    clip(folder, "plain.mp4", &["-c:v", "libx264", "-g", "10"])
}

fn read(path: &Path) -> Watched {
    watch(path, &json!({})).unwrap_or_else(|report| panic!("{}: {report:?}", path.display()))
}

#[test]
fn every_nth_frame_is_delivered_from_where_it_is_wanted_with_the_pixels_and_times_of_its_own() {
    let folder = folder();
    let path = plain(folder.path());
    let all = read(&path);
    assert_eq!(all.indices(), (0..20).collect::<Vec<_>>());
    assert_eq!(all.size, Some((160, 96)));
    assert_eq!(all.stats.status, ReaderStatus::Complete);
    assert_eq!(all.stats.reason, None);
    assert_eq!((all.stats.decoded, all.stats.delivered), (20, 20));
    let times: Vec<f64> = all.frames.iter().map(|it| it.seconds.unwrap()).collect();
    assert_eq!(times, pts_seconds(&path));
    let part = watch(&path, &json!({"every": 3, "from": 4})).unwrap();
    assert_eq!(part.indices(), [6, 9, 12, 15, 18]);
    assert_eq!((part.stats.decoded, part.stats.delivered), (20, 5));
    for seen in &part.frames {
        let same = &all.frames[seen.index as usize];
        assert!(seen.pixels == same.pixels && seen.seconds == same.seconds);
    }
    assert!(part.frames[0].pixels != part.frames[1].pixels);
}

#[test]
fn the_end_tells_what_the_file_is() {
    let folder = folder();
    let stats = read(&plain(folder.path())).stats;
    assert_eq!(stats.codec, "h264");
    assert_eq!(stats.fps, [10, 1]);
    assert_eq!((stats.first_pts, stats.last_pts), (Some(0.0), Some(1.9)));
    assert!((stats.duration.unwrap() - 2.0).abs() < 0.01);
    assert_eq!(
        (stats.video_streams, stats.failed, stats.untimed),
        (1, 0, 0)
    );
    assert!(stats.data_streams.is_empty());
}

#[test]
fn when_it_was_taken_is_told_as_the_container_says_it_and_only_if_asked() {
    let folder = folder();
    let created = "creation_time=2025-11-16T11:50:02Z";
    for name in ["taken.mp4", "taken.mkv"] {
        let args = ["-c:v", "libx264", "-metadata", created];
        let path = clip(folder.path(), name, &args);
        let taken = watch(&path, &json!({"taken": true})).unwrap().info.taken;
        let taken = taken.unwrap();
        let told = taken.created.unwrap();
        assert!(told.starts_with("2025-11-16T11:50:02"), "{name}: {told}");
        assert!(taken.places.is_empty());
        assert_eq!(read(&path).info.taken, None);
    }
    let plain = plain(folder.path());
    let taken = watch(&plain, &json!({"taken": true})).unwrap().info.taken;
    assert_eq!(taken.unwrap().created, None);
}

#[test]
fn a_reader_waits_for_a_slot_and_goes_on_when_it_has_one() {
    let folder = folder();
    let mut stage = Stage::open(&plain(folder.path()), &json!({"slots": 3})).unwrap();
    let mut frames = stage.attach();
    let mut lent: Vec<u32> = (0..3).map(|_| frames.next().unwrap().0).collect();
    assert_eq!(frames.pool.as_ref().unwrap().1.slots, 3);
    lent.sort_unstable();
    assert_eq!(lent, [0, 1, 2]);
    let delivered = stage.stats(|it| (it.is_waiting && it.waited > 0.3).then_some(it.delivered));
    assert_eq!(delivered, 3);
    frames.link.release(1).unwrap();
    let (slot, seen) = frames.next().unwrap();
    assert_eq!((slot, seen.index), (1, 3));
    assert_eq!(frames.link.lent(), 3);
    lent.iter()
        .for_each(|slot| frames.link.release(*slot).unwrap());
    let mut count = 4;
    while let Some((slot, _)) = frames.next() {
        frames.link.release(slot).unwrap();
        count += 1;
    }
    let stats = stage.done();
    assert_eq!((count, stats.delivered), (20, 20));
    assert!(stats.waited > 0.3, "{}", stats.waited);
}

#[test]
fn a_reader_that_waits_stops_when_it_is_asked_to() {
    let folder = folder();
    let mut stage = Stage::open(&plain(folder.path()), &json!({"slots": 1})).unwrap();
    let mut frames = stage.attach();
    let (slot, _) = frames.next().unwrap();
    stage.stats(|it| it.is_waiting.then_some(()));
    let id = stage.send(json!({"type": "drain"}), &[]);
    assert!(frames.next().is_none(), "the end");
    let stats = stage.done();
    assert_eq!((stats.status, stats.delivered), (ReaderStatus::Stopped, 1));
    let drained = loop {
        if let FromChild::Drained { id, .. } = stage.hear() {
            break id;
        }
    };
    assert_eq!(drained, id);
    frames.link.release(slot).unwrap();
}

#[test]
fn a_reader_nobody_is_attached_to_leaves_when_it_is_asked_to() {
    let folder = folder();
    let mut stage = Stage::open(&plain(folder.path()), &json!({})).unwrap();
    stage.send(json!({"type": "drain"}), &[]);
    loop {
        if let FromChild::Drained { stats, .. } = stage.hear() {
            return assert_eq!(stats.unwrap().reader.unwrap().decoded, 0);
        }
    }
}

#[test]
fn a_reader_whose_link_is_closed_stops() {
    let folder = folder();
    let mut stage = Stage::open(&plain(folder.path()), &json!({"slots": 1})).unwrap();
    let mut frames = stage.attach();
    frames.next().unwrap();
    drop(frames);
    assert_eq!(stage.done().status, ReaderStatus::Stopped);
}

#[test]
fn a_slot_that_is_released_twice_ends_the_link() {
    let folder = folder();
    let mut stage = Stage::open(&plain(folder.path()), &json!({"slots": 2})).unwrap();
    let (ours, its) = framerill_frames::Link::pair().unwrap();
    let attach = json!({"type": "attach", "stream": "reader", "incarnation": 1, "fds": 1});
    stage.send(attach, &[std::os::fd::AsFd::as_fd(&its)]);
    let link = framerill_frames::Link::new(ours);
    for _ in 0..2 {
        link.send(&framerill_frames::Descriptor::release(1), SOON)
            .unwrap();
    }
    let said = loop {
        if let FromChild::Error(report) = stage.hear() {
            break report;
        }
    };
    assert_eq!((said.code.as_str(), said.fatal), ("link", false));
    assert_eq!(stage.done().status, ReaderStatus::Stopped);
}

#[test]
fn pictures_too_large_for_the_memory_are_refused_and_large_ones_get_fewer_slots() {
    let folder = folder();
    let path = plain(folder.path());
    let mut stage = Stage::open(&path, &json!({"slots": 16, "max_bytes": 150_000})).unwrap();
    let mut frames = stage.attach();
    frames.next().unwrap();
    assert_eq!(frames.pool.as_ref().unwrap().1.slots, 3);
    let none = watch(&path, &json!({"max_bytes": 40_000})).unwrap();
    assert_eq!(none.stats.status, ReaderStatus::Failed);
    let reason = none.stats.reason.unwrap();
    assert!(reason.contains("160x96"), "{reason}");
    assert!(none.frames.is_empty() && none.size.is_none());
}

#[test]
fn usual_codecs_containers_and_layouts_are_read() {
    let folder = folder();
    let x264 = |format| ["-c:v", "libx264", "-pix_fmt", format];
    for (name, args) in [
        ("a.mov", x264("yuv420p")),
        ("a.mkv", x264("yuv444p")),
        ("b.mkv", x264("yuv420p10le")),
        ("c.mkv", x264("gray")),
        ("a.m4v", x264("yuvj420p")),
        ("a.ts", x264("yuv422p")),
        ("UPPER.MP4", x264("nv12")),
        ("a.avi", ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"]),
        ("b.avi", ["-c:v", "mpeg4", "-qscale:v", "3"]),
        (
            "hevc.mov",
            ["-c:v", "libx265", "-x265-params", "log-level=0"],
        ),
        ("a.webm", ["-c:v", "libvpx", "-b:v", "1M"]),
    ] {
        let path = clip(folder.path(), name, &args);
        let seen = watch(&path, &json!({"every": 5})).unwrap();
        assert_eq!(seen.indices(), [0, 5, 10, 15], "{name}");
        assert_eq!(seen.stats.status, ReaderStatus::Complete, "{name}");
        assert_eq!(seen.stats.reason, None, "{name}");
        assert_eq!(seen.stats.decoded, 20, "{name}");
        let times = seen.frames.iter().map(|it| it.seconds.unwrap());
        assert!(times.is_sorted_by(|one, two| one < two), "{name}");
    }
}

#[test]
fn odd_sides_stay_as_they_are() {
    let folder = folder();
    let odd = [
        "-vf",
        "scale=161:97",
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv444p",
    ];
    let seen = read(&clip(folder.path(), "odd.mkv", &odd));
    assert_eq!(seen.size, Some((161, 97)));
    assert_eq!(seen.frames[0].pixels.len(), 161 * 97 * 3);
}

#[test]
fn a_picture_that_is_stored_lying_is_delivered_upright() {
    let folder = folder();
    let upright = plain(folder.path());
    let lying = folder.path().join("lying.mp4");
    let turned = ["-i", upright.to_str().unwrap(), "-c", "copy"];
    let turned = [&turned[..], &["-metadata:s:v", "rotate=90"]].concat();
    make(&lying, &turned);
    let (upright, lying) = (read(&upright), read(&lying));
    assert_eq!(lying.size, Some((96, 160)));
    assert_eq!((lying.info.width, lying.info.height), (96, 160));
    assert_ne!(lying.stats.rotation, 0);
    let pixel = |of: &Watched, x: usize, y: usize, width: usize| {
        of.frames[0].pixels[(y * width + x) * 3..][..3].to_vec()
    };
    let stored = pixel(&upright, 20, 10, 160);
    let turned = [
        pixel(&lying, 95 - 10, 20, 96),
        pixel(&lying, 10, 159 - 20, 96),
    ];
    assert!(turned.contains(&stored), "{stored:?} {turned:?}");
}

#[test]
fn a_still_picture_is_a_video_of_one_frame() {
    let folder = folder();
    for name in ["a.png", "a.jpg", "NO-EXTENSION"] {
        let path = folder.path().join(name);
        let graph = "testsrc2=size=160x96:rate=10:duration=1";
        let format = if name == "a.jpg" { "mjpeg" } else { "png" };
        let args = ["-f", "lavfi", "-i", graph, "-frames:v", "1", "-c:v", format];
        make(
            &path,
            &[&args[..], &["-f", "image2", "-update", "1"]].concat(),
        );
        let seen = read(&path);
        assert_eq!(seen.indices(), [0], "{name}");
        assert_eq!(seen.stats.status, ReaderStatus::Complete, "{name}");
        let reference = read(&plain(folder.path()));
        let apart = difference(&seen.frames[0].pixels, &reference.frames[0].pixels);
        assert!(apart < 12.0, "{name}: {apart}");
    }
}

#[test]
fn a_photograph_is_turned_as_its_camera_says() {
    let folder = folder();
    let path = folder.path().join("a.jpg");
    let graph = "testsrc2=size=160x96:rate=10:duration=1";
    let args = ["-f", "lavfi", "-i", graph, "-frames:v", "1", "-update", "1"];
    make(&path, &args);
    let lying = read(&path);
    let mut bytes = std::fs::read(&path).unwrap();
    // One entry in the first directory: orientation (0x112), one short, 6: a quarter turn clockwise.
    let tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let mut segment = vec![0xff, 0xe1, 0, 2 + 6 + tiff.len() as u8];
    segment.extend(b"Exif\0\0");
    segment.extend(tiff);
    bytes.splice(2..2, segment);
    std::fs::write(&path, bytes).unwrap();
    let upright = read(&path);
    assert_eq!(upright.size, Some((96, 160)));
    assert_eq!(upright.stats.rotation, 90);
    let pixel = |of: &Watched, x: usize, y: usize, width: usize| {
        of.frames[0].pixels[(y * width + x) * 3..][..3].to_vec()
    };
    assert_eq!(pixel(&upright, 95 - 10, 20, 96), pixel(&lying, 20, 10, 160));
}

#[test]
fn a_file_that_is_broken_anywhere_ends_and_its_frames_are_counted() {
    let folder = folder();
    let whole = [
        plain(folder.path()),
        clip(folder.path(), "a.mkv", &["-c:v", "libx264", "-g", "5"]),
        clip(folder.path(), "a.avi", &["-c:v", "mjpeg"]),
        clip(folder.path(), "a.ts", &["-c:v", "libx264", "-g", "5"]),
    ];
    for path in whole {
        let bytes = std::fs::read(&path).unwrap();
        for step in 0..6 {
            let mut broken = bytes.clone();
            let place = bytes.len() * (2 * step + 1) / 12;
            if step % 2 == 0 {
                broken.truncate(place);
            } else {
                let end = (place + 700).min(bytes.len());
                broken[place..end]
                    .iter_mut()
                    .for_each(|byte| *byte = !*byte);
            }
            std::fs::write(&path, broken).unwrap();
            // Some are refused.
            let Ok(seen) = watch(&path, &json!({"slots": 2})) else {
                continue;
            };
            let stats = &seen.stats;
            assert!(seen.indices().into_iter().eq(0..stats.decoded), "{stats:?}");
            assert_ne!(stats.status, ReaderStatus::Reading);
            let is_failed = stats.status == ReaderStatus::Failed;
            assert_eq!(is_failed, stats.decoded == 0, "{stats:?}");
        }
    }
}

#[test]
fn of_several_video_streams_the_first_is_read() {
    let folder = folder();
    let path = folder.path().join("two.mp4");
    let source = |size: &str| format!("testsrc2=size={size}:rate=10:duration=1");
    let (small, large) = (source("64x48"), source("320x240"));
    let inputs = ["-f", "lavfi", "-i", &small, "-f", "lavfi", "-i", &large];
    let maps = ["-map", "0:v", "-map", "1:v", "-c:v", "libx264"];
    make(&path, &[&inputs[..], &maps].concat());
    let seen = read(&path);
    assert_eq!(seen.size, Some((64, 48)));
    assert_eq!(seen.stats.video_streams, 2);
}

#[test]
fn sound_changes_nothing() {
    let folder = folder();
    let sound = [
        "-f",
        "lavfi",
        "-i",
        "sine=duration=2",
        "-c:v",
        "libx264",
        "-g",
        "10",
    ];
    let with = read(&clip(folder.path(), "sound.mp4", &sound));
    let without = read(&plain(folder.path()));
    assert_eq!(with.indices(), without.indices());
    let same = |(one, two): (&stage::Seen, &stage::Seen)| one.pixels == two.pixels;
    assert!(with.frames.iter().zip(&without.frames).all(same));
    assert_eq!(with.stats.data_streams, [""; 0]);
}

#[test]
fn a_size_that_changes_on_the_way_is_scaled_to_the_first_and_counted() {
    let folder = folder();
    let parts = [("160:96", "one.ts"), ("320:192", "two.ts")].map(|(size, name)| {
        let scale = format!("scale={size}");
        clip(folder.path(), name, &["-vf", &scale, "-c:v", "libx264"])
    });
    let joined = folder.path().join("joined.ts");
    let bytes: Vec<u8> = parts
        .iter()
        .flat_map(|it| std::fs::read(it).unwrap())
        .collect();
    std::fs::write(&joined, bytes).unwrap();
    let seen = read(&joined);
    assert_eq!(seen.size, Some((160, 96)));
    assert_eq!(seen.stats.decoded, 40);
    assert_eq!(seen.stats.resized, 20);
    let apart = difference(&seen.frames[0].pixels, &seen.frames[20].pixels);
    assert!(apart < 6.0, "{apart}");
}

#[test]
fn a_file_that_is_cut_off_is_partial_and_all_that_is_there_is_delivered() {
    let folder = folder();
    let fast = ["-c:v", "libx264", "-g", "10", "-movflags", "+faststart"];
    let path = clip(folder.path(), "cut.mp4", &fast);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() * 2 / 3]).unwrap();
    let seen = read(&path);
    assert_eq!(seen.stats.status, ReaderStatus::Partial);
    let count = seen.frames.len() as u64;
    assert!((5..20).contains(&count), "{count}");
    assert_eq!(seen.stats.decoded, count);
    let reason = seen.stats.reason.unwrap();
    assert_eq!(
        reason,
        format!("the file is cut off: {count} of 20 frames are there")
    );
}

#[test]
fn damage_in_the_middle_is_counted_and_what_follows_is_read() {
    let folder = folder();
    let path = clip(folder.path(), "broken.mkv", &["-c:v", "libx264", "-g", "5"]);
    let mut bytes = std::fs::read(&path).unwrap();
    let (from, to) = (bytes.len() * 4 / 10, bytes.len() * 6 / 10);
    for (place, byte) in bytes[from..to].iter_mut().enumerate() {
        *byte ^= (place * 37 % 251) as u8;
    }
    std::fs::write(&path, bytes).unwrap();
    let seen = read(&path);
    let stats = &seen.stats;
    assert!(stats.failed + stats.concealed > 0, "{stats:?}");
    assert!(stats.reason.is_some());
    assert!(stats.last_pts.unwrap() > 1.8, "{stats:?}");
    assert!(seen.indices().iter().copied().eq(0..stats.decoded));
}

#[test]
fn what_holds_no_frame_says_why() {
    let folder = folder();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let whole = std::fs::read(plain(folder.path())).unwrap();
    let audio = folder.path().join("audio.mp4");
    make(&audio, &["-f", "lavfi", "-i", "sine=duration=1"]);
    for (path, part) in [
        (write("zero.mp4", b""), "is empty"),
        (write("noise.mp4", &[0x5a; 9000]), "is not a video"),
        (
            write("half.mp4", &whole[..whole.len() / 2]),
            "no index (`moov`)",
        ),
        (audio, "no pictures, only sound"),
    ] {
        let report = watch(&path, &json!({})).err().unwrap();
        assert!(report.message.contains(part), "{}", report.message);
        assert!(!report.message.contains('\n') && report.hint.is_some());
    }
}

#[test]
fn every_clip_of_the_material_is_read_as_its_list_says() {
    let _folder = folder();
    for (name, frames) in [
        ("one_frame.mp4", 1),
        ("black.mp4", 25),
        ("short30.mp4", 30),
        ("UPPER.MP4", 30),
        ("name with spaces & ünïcode.mp4", 30),
        ("mjpeg.avi", 30),
        ("h264.mkv", 30),
        ("hevc.mov", 30),
        ("odd_size.mp4", 30),
        ("vfr.mp4", 49),
        ("with_audio.mp4", 50),
        ("uhd.mp4", 12),
        ("rotated_meta.mp4", 30),
    ] {
        let Some(path) = material(&format!("edge/{name}")) else {
            continue;
        };
        let seen = watch(&path, &json!({"every": 10})).unwrap();
        assert_eq!(seen.stats.decoded, frames, "{name}");
        assert_eq!(seen.stats.status, ReaderStatus::Complete, "{name}");
        let expected: Vec<u64> = (0..frames).step_by(10).collect();
        assert_eq!(seen.indices(), expected, "{name}");
    }
}

#[test]
fn broken_clips_of_the_material_are_partial_or_refused() {
    let _folder = folder();
    if let Some(path) = material("edge/truncated_tail.mp4") {
        let stats = watch(&path, &json!({"every": 10})).unwrap().stats;
        assert_eq!(stats.status, ReaderStatus::Partial);
        assert!((39..=41).contains(&stats.decoded), "{stats:?}");
    }
    if let Some(path) = material("edge/corrupt_middle.mp4") {
        let stats = watch(&path, &json!({"every": 10})).unwrap().stats;
        assert!(stats.failed + stats.concealed > 0, "{stats:?}");
        assert!(
            stats.decoded >= 50 && stats.last_pts.unwrap() > 2.3,
            "{stats:?}"
        );
    }
    for name in ["zero_bytes", "garbage", "audio_only", "no_moov"] {
        let Some(path) = material(&format!("edge/{name}.mp4")) else {
            continue;
        };
        let report = watch(&path, &json!({})).err().unwrap();
        assert!(report.message.contains(name), "{}", report.message);
    }
}
