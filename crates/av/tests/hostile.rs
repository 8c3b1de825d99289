//! Damaged and made-up bytes end in an answer: no panic, no endless read, no memory without limit.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by a panic, and its numbers are small"
)]

mod media;

use media::{folder, generated, make, open, plan, read};
use serde_json::json;

/// A small generator of numbers, so that a failure can be run again by its seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

#[test]
fn any_damage_to_a_clip_ends_in_an_answer() {
    let folder = folder();
    for extension in ["mp4", "mkv", "ts", "avi", "webm"] {
        let path = folder.path().join(format!("clip.{extension}"));
        let args = [
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=96x64:rate=10:duration=1",
            "-f",
            "lavfi",
            "-i",
            "sine=duration=1",
        ];
        let clip = std::fs::read(make(&path, &args)).unwrap();
        for seed in 1..40u64 {
            let mut numbers = Numbers(seed * 7919);
            let mut damaged = clip.clone();
            for _ in 0..=numbers.below(30) {
                let at = numbers.below(damaged.len());
                damaged[at] = numbers.next() as u8;
            }
            if seed % 3 == 0 {
                damaged.truncate(numbers.below(damaged.len()));
            }
            std::fs::write(&path, &damaged).unwrap();
            // Which answer does not matter; a failure names the seed by the line below.
            println!("{extension} seed {seed}");
            drop(read(&plan(
                &path,
                json!({"size": [32, 32], "fps": [10, 1], "duration": 30.0}),
            )));
        }
    }
}

#[test]
fn a_header_that_claims_a_huge_picture_is_refused() {
    let folder = folder();
    let path = folder.path().join("huge.y4m.mkv");
    let args = [
        "-f",
        "lavfi",
        "-i",
        "color=size=256x256:rate=5:duration=1",
        "-c:v",
        "rawvideo",
    ];
    let mut bytes = std::fs::read(make(&path, &args)).unwrap();
    // Matroska: PixelWidth (0xB0) and PixelHeight (0xBA), two bytes each.
    for mark in [[0xb0, 0x82, 1, 0], [0xba, 0x82, 1, 0]] {
        let at = bytes.windows(4).position(|window| window == mark).unwrap();
        bytes[at + 2..at + 4].fill(0xff);
    }
    std::fs::write(&path, &bytes).unwrap();
    let before = resident();
    let error = read(&plan(&path, json!({"size": [32, 32]}))).unwrap_err();
    println!("{} {error}", error.code());
    assert!(error.to_string().contains("huge.y4m.mkv"), "{error}");
    // 65,535 x 65,535 x 3 bytes would be 12.9 GB.
    assert!(resident() - before < 64 << 20);
}

/// Bytes of memory that this process has had at most.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() * 1024
}

#[test]
fn playlists_are_not_followed() {
    let folder = folder();
    let real = folder.path().join("real.ts");
    make(
        &real,
        &["-f", "lavfi", "-i", "testsrc2=size=64x64:duration=1"],
    );
    for (name, text) in [
        (
            "list.m3u8",
            format!(
                "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n",
                real.display()
            ),
        ),
        (
            "list.ffconcat",
            format!("ffconcat version 1.0\nfile {}\n", real.display()),
        ),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        assert_eq!(
            open(&plan(&path, json!({}))).unwrap_err().code(),
            "source_open",
            "{name}"
        );
    }
}

#[test]
fn generators_that_are_not_allowed_are_refused_with_the_list() {
    let error = open(&generated("movie=/etc/passwd", json!({}))).unwrap_err();
    assert_eq!(error.code(), "source_open");
    assert!(error.hint().unwrap().contains("testsrc2"));
}

#[test]
fn every_allowed_generator_makes_pictures() {
    let _folder = folder();
    for name in [
        "testsrc",
        "testsrc2",
        "color",
        "smptebars",
        "smptehdbars",
        "pal75bars",
        "pal100bars",
        "rgbtestsrc",
        "yuvtestsrc",
        "colorspectrum",
        "mandelbrot",
        "life",
        "cellauto",
        "gradients",
    ] {
        let graph = format!("{name}=size=64x48:rate=10");
        let read = read(&generated(&graph, json!({"duration": 0.5})));
        assert_eq!(
            read.unwrap_or_else(|error| panic!("{name}: {error}"))
                .pictures
                .len(),
            5,
            "{name}"
        );
    }
    for name in ["allrgb", "allyuv"] {
        let read = read(&generated(name, json!({"duration": 0.1, "size": [32, 32]})));
        assert!(
            !read
                .unwrap_or_else(|error| panic!("{name}: {error}"))
                .pictures
                .is_empty()
        );
    }
    for sound in [
        "sine=f=1000",
        "anullsrc=r=48000:cl=mono",
        "anoisesrc=c=pink",
    ] {
        let graph = format!("testsrc2=size=64x48:rate=10;{sound}");
        let read = read(&generated(&graph, json!({"duration": 0.5})));
        assert!(
            !read
                .unwrap_or_else(|error| panic!("{sound}: {error}"))
                .sound
                .is_empty()
        );
    }
}
