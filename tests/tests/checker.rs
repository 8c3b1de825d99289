//! The checker sees what it must see: each lie is told with FFmpeg's own filters, and each honest change passes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use framerill_tests::{
    bin, ffmpeg_is_here,
    judge::{Expectation, FaultKind, Report, judge},
    recording::Recording,
    reference::Reference,
    skip,
    source::Source,
};

const ENCODER: &str = "-c:v libx264 -preset superfast -crf 30";
/// Keeps the pts that a filter gave, to a tick of the source's own time base.
const OWN_PTS: &str = "-fps_mode passthrough -enc_time_base:v 1/15360";

/// A folder with a source in it.
struct Stage {
    folder: tempfile::TempDir,
    source: Source,
}

impl Stage {
    /// Four seconds, unless `change` says otherwise; `None` without FFmpeg.
    fn new(change: impl FnOnce(&mut Source)) -> Option<Self> {
        if !ffmpeg_is_here() {
            skip("no ffmpeg; `make test` installs it");
            return None;
        }
        let mut source = Source {
            seconds: 4.0,
            size: (320, 240),
            ..Source::default()
        };
        change(&mut source);
        let stage = Self {
            folder: tempfile::tempdir().expect("a folder"),
            source,
        };
        stage
            .source
            .make(&stage.path("source.mp4"))
            .expect("a source");
        Some(stage)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `ffmpeg -i source.mp4 ARGUMENTS NAME`.
    fn ffmpeg(&self, name: &str, arguments: &str) -> PathBuf {
        let output = self.path(name);
        let run = Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-y", "-i"])
            .arg(self.path("source.mp4"))
            .args(arguments.split_whitespace())
            .arg(&output)
            .output()
            .expect("ffmpeg starts");
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{arguments}: {said}");
        output
    }

    /// What became of the source through a video filter, with its sound untouched.
    fn filtered(&self, filter: &str, expected: &Expectation) -> Report {
        let arguments = format!("-vf {filter} {OWN_PTS} {ENCODER} -c:a copy");
        self.judge(&self.ffmpeg("output.mp4", &arguments), expected)
    }

    fn judge(&self, output: &Path, expected: &Expectation) -> Report {
        let recording = Recording::read(output, None).expect("it can be decoded");
        let by_drawing = judge(&recording, &Reference::drawn(&self.source), expected);
        let source = Recording::read(&self.path("source.mp4"), None).expect("a source");
        let by_file = Reference::recorded(&source).expect("a whole source");
        let by_file = judge(&recording, &by_file, expected);
        let kinds =
            |report: &Report| -> Vec<_> { report.faults.iter().map(|fault| fault.kind).collect() };
        assert_eq!(
            kinds(&by_drawing),
            kinds(&by_file),
            "{by_drawing:?} {by_file:?}"
        );
        by_drawing
    }
}

/// Exactly these kinds of faults.
fn assert_faults(report: &Report, kinds: &[FaultKind]) {
    let found: Vec<_> = report.faults.iter().map(|fault| fault.kind).collect();
    assert_eq!(found, kinds, "{:#?}", report.faults);
    assert_eq!(report.green, kinds.is_empty());
}

fn strict() -> Expectation {
    Expectation::default()
}

#[test]
fn every_container_comes_back_whole() {
    let Some(stage) = Stage::new(|_| {}) else {
        return;
    };
    for name in ["a.mp4", "a.mkv", "a.mov", "a.ts", "a.webm"] {
        let path = stage.path(name);
        let source = Source {
            seconds: 2.0,
            ..stage.source.clone()
        };
        source.make(&path).expect("a source");
        let recording = Recording::read(&path, None).expect("it can be decoded");
        let reference = Reference::recorded(&recording).expect("a whole source");
        let drawn = judge(&recording, &Reference::drawn(&source), &strict());
        assert_faults(&drawn, &[]);
        assert_faults(&judge(&recording, &reference, &strict()), &[]);
        assert_eq!(drawn.frames, 60);
        assert_eq!(drawn.sound.expect("sound").beeps, 2);
    }
}

#[test]
fn a_plain_transcode_with_centre_crop_is_green() {
    let Some(stage) = Stage::new(|source| source.size = (640, 360)) else {
        return;
    };
    for filter in [
        "crop=ih:ih,scale=512:512",
        "scale=512:512",
        "scale=320:320:force_original_aspect_ratio=decrease,pad=320:320:-1:-1",
        "crop=ih:ih,scale=128:128",
        "hue=s=0",
        "gblur=sigma=3",
    ] {
        let report = stage.filtered(filter, &strict());
        assert_faults(&report, &[]);
        assert_eq!((report.frames, report.inverted), (120, false));
    }
}

#[test]
fn a_low_bitrate_is_green() {
    let Some(stage) = Stage::new(|_| {}) else {
        return;
    };
    let output = stage.ffmpeg(
        "low.mp4",
        &format!(
            "{OWN_PTS} -c:v libx264 -preset superfast -b:v 60k -maxrate 60k -bufsize 60k -c:a copy"
        ),
    );
    assert_faults(&stage.judge(&output, &strict()), &[]);
}

#[test]
fn a_negative_is_green_and_told() {
    let Some(stage) = Stage::new(|_| {}) else {
        return;
    };
    let report = stage.filtered("negate,crop=ih:ih,scale=512:512", &strict());
    assert_faults(&report, &[]);
    assert!(report.inverted);
}

#[test]
fn one_picture_that_was_not_processed_is_seen() {
    let Some(stage) = Stage::new(|_| {}) else {
        return;
    };
    let filter = "negate=enable='not(eq(n,50))'";
    assert_faults(&stage.filtered(filter, &strict()), &[FaultKind::Polarity]);
    let fill = Expectation {
        allow_filler: true,
        ..strict()
    };
    let report = stage.filtered(filter, &fill);
    assert_faults(&report, &[]);
    assert_eq!(report.fillers, [50]);
}

#[test]
fn a_constant_offset_is_green_and_told() {
    let Some(stage) = Stage::new(|_| {}) else {
        return;
    };
    let report = stage.judge(&stage.ffmpeg("output.ts", "-c copy"), &strict());
    assert_faults(&report, &[]);
    assert!(report.offset_seconds > 1.0, "{}", report.offset_seconds);
}

#[test]
fn an_uneven_source_comes_back_whole() {
    let Some(stage) = Stage::new(|source| source.vfr = true) else {
        return;
    };
    assert_faults(&stage.filtered("negate", &strict()), &[]);
    let evened = stage.ffmpeg(
        "even.mp4",
        &format!("-fps_mode cfr -r 24 {ENCODER} -c:a copy"),
    );
    assert!(stage.judge(&evened, &strict()).has(FaultKind::PtsWrong));
}

#[test]
fn a_dropped_picture_is_seen() {
    let Some(stage) = Stage::new(|_| {}) else {
        return;
    };
    let filter = "select='not(eq(n,50)+eq(n,51))'";
    let report = stage.filtered(filter, &strict());
    assert_faults(&report, &[FaultKind::Missing]);
    assert_eq!(report.missing, [50, 51]);
    let told = Expectation {
        missing: [50, 51].into(),
        ..strict()
    };
    assert_faults(&stage.filtered(filter, &told), &[]);
}

#[test]
fn dropped_pictures_that_nobody_told_and_told_ones_that_came_are_seen() {
    let Some(stage) = Stage::new(|_| {}) else {
        return;
    };
    let wrong = Expectation {
        missing: [50, 60].into(),
        ..strict()
    };
    let report = stage.filtered("select='not(eq(n,50)+eq(n,51))'", &wrong);
    assert_faults(&report, &[FaultKind::NotMissing, FaultKind::Missing]);
}

#[test]
fn lost_first_and_last_pictures_are_seen_unless_a_part_was_asked_for() {
    let Some(stage) = Stage::new(|_| {}) else {
        return;
    };
    let filter = "select='between(n,10,110)'";
    let report = stage.filtered(filter, &strict());
    assert_faults(&report, &[FaultKind::Missing]);
    assert_eq!(report.missing.len(), 19);
    let part = Expectation {
        partial: true,
        ..strict()
    };
    assert_faults(&stage.filtered(filter, &part), &[]);
}

#[test]
fn a_repeated_picture_is_seen_and_may_stand_in_if_that_was_agreed() {
    let Some(stage) = Stage::new(|_| {}) else {
        return;
    };
    let filter = "split[a][b];[a][b]freezeframes=first=50:last=52:replace=49";
    let report = stage.filtered(filter, &strict());
    assert_faults(
        &report,
        &[
            FaultKind::PtsWrong,
            FaultKind::Duplicated,
            FaultKind::Missing,
        ],
    );
    assert_eq!(report.duplicated, [49, 49, 49]);
    let fill = Expectation {
        allow_filler: true,
        ..strict()
    };
    let report = stage.filtered(filter, &fill);
    assert_faults(&report, &[]);
    assert_eq!(report.fillers, [50, 51, 52]);
}

#[test]
fn a_picture_shown_before_its_time_is_no_filler() {
    let Some(stage) = Stage::new(|_| {}) else {
        return;
    };
    let fill = Expectation {
        allow_filler: true,
        ..strict()
    };
    let report = stage.filtered(
        "split[a][b];[a][b]freezeframes=first=50:last=50:replace=52",
        &fill,
    );
    assert!(report.has(FaultKind::PtsWrong), "{report:?}");
    assert!(report.has(FaultKind::Missing), "{report:?}");
}

#[test]
fn swapped_pictures_are_seen() {
    let Some(stage) = Stage::new(|_| {}) else {
        return;
    };
    let report = stage.filtered("shuffleframes=1|0:enable='between(n,50,51)'", &strict());
    assert_faults(&report, &[FaultKind::PtsWrong, FaultKind::OutOfOrder]);
    assert_eq!(report.out_of_order, [50]);
}

#[test]
fn one_wrong_pts_is_seen() {
    let Some(stage) = Stage::new(|_| {}) else {
        return;
    };
    let report = stage.filtered("setpts='PTS+eq(N,50)*4/15360/TB'", &strict());
    assert_faults(&report, &[FaultKind::PtsWrong]);
    let (counter, off) = report.wrong_pts[0];
    assert_eq!((counter, report.wrong_pts.len()), (50, 1));
    assert!((off - 4.0 / 15360.0).abs() < 1e-5, "{off}");
}

#[test]
fn a_retimed_video_is_seen() {
    let Some(stage) = Stage::new(|_| {}) else {
        return;
    };
    let report = stage.filtered("setpts=1.01*PTS", &strict());
    assert!(report.has(FaultKind::PtsWrong));
    assert!(report.wrong_pts.len() > 100);
}

#[test]
fn sound_two_pictures_late_or_early_is_seen() {
    let Some(stage) = Stage::new(|_| {}) else {
        return;
    };
    let source = stage.path("source.mp4");
    for (seconds, late_ms) in [("0.0667", 66.7), ("-0.0667", -66.7)] {
        let again = source.display();
        let output = stage.ffmpeg(
            "shifted.mkv",
            &format!("-itsoffset {seconds} -i {again} -map 0:v -map 1:a -c:v copy -c:a pcm_s16le"),
        );
        let recording = Recording::read(&output, None).expect("it can be decoded");
        let reference = Recording::read(&source, None).expect("a source");
        let reference = Reference::recorded(&reference).expect("a whole source");
        let report = judge(&recording, &reference, &strict());
        assert_faults(&report, &[FaultKind::SoundShifted]);
        let median = report.sound.expect("sound").median_ms;
        assert!((median - late_ms).abs() < 3.0, "{median} ms");
    }
}

#[test]
fn sound_a_second_late_is_not_taken_for_the_next_seconds_sound() {
    let Some(stage) = Stage::new(|_| {}) else {
        return;
    };
    let output = stage.ffmpeg("late.mp4", "-c:v copy -af adelay=1000:all=1");
    let report = stage.judge(&output, &strict());
    assert!(report.has(FaultKind::SoundShifted));
    assert!((report.sound.expect("sound").median_ms - 1000.0).abs() < 5.0);
}

#[test]
fn lost_sound_is_seen() {
    let Some(stage) = Stage::new(|_| {}) else {
        return;
    };
    let none = stage.ffmpeg("none.mp4", "-c:v copy -an");
    assert_faults(&stage.judge(&none, &strict()), &[FaultKind::NoSound]);
    let gap = stage.ffmpeg("gap.mp4", "-c:v copy -af volume=0:enable='between(t,1,2)'");
    assert_faults(&stage.judge(&gap, &strict()), &[FaultKind::BeepMissing]);
}

#[test]
fn a_covered_mark_and_another_source_are_seen() {
    let Some(stage) = Stage::new(|_| {}) else {
        return;
    };
    let cover = "drawbox=x=150:y=80:w=40:h=60:color=gray:t=fill:enable='eq(n,50)'";
    let report = stage.filtered(cover, &strict());
    assert_faults(&report, &[FaultKind::Unreadable, FaultKind::Missing]);
    assert_eq!(report.unreadable, [50]);
    let other = Source {
        tag: 9,
        ..stage.source.clone()
    };
    let recording = Recording::read(&stage.path("source.mp4"), None).expect("a source");
    let report = judge(&recording, &Reference::drawn(&other), &strict());
    assert!(report.has(FaultKind::Foreign));
}

#[test]
fn damage_is_told_and_does_not_stop_the_judgement() {
    let Some(stage) = Stage::new(|_| {}) else {
        return;
    };
    let output = stage.ffmpeg("damaged.ts", "-c copy");
    let mut bytes = fs::read(&output).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4000].fill(0x55);
    fs::write(&output, bytes).expect("the folder is ours");
    let report = stage.judge(&output, &strict());
    assert!(report.has(FaultKind::Damaged), "{report:?}");
    assert!(report.readable > 60);
}

#[test]
fn the_command_says_green_red_and_usage_with_its_exit_code() {
    let Some(stage) = Stage::new(|_| {}) else {
        return;
    };
    let run = |arguments: &[&str]| {
        let output = Command::new(bin("checker"))
            .current_dir(stage.folder.path())
            .args(arguments)
            .output()
            .expect("the checker starts");
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), stdout)
    };
    assert_eq!(
        run(&["make", "s.ts", "--seconds", "2", "--fps", "25"]).0,
        Some(0)
    );
    let (code, said) = run(&["judge", "s.ts", "--seconds", "2", "--fps", "25"]);
    assert!(
        code == Some(0) && said.starts_with("GREEN: 50 frames"),
        "{said}"
    );
    fs::write(stage.path("missing.json"), "[3]").expect("the folder is ours");
    let (code, said) = run(&[
        "judge",
        "s.ts",
        "--source",
        "s.ts",
        "--expect-missing",
        "@missing.json",
    ]);
    assert!(
        code == Some(1) && said.contains("\nnot_missing: 1 "),
        "{said}"
    );
    let (code, said) = run(&["judge", "s.ts", "--seconds", "3", "--fps", "25", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&said).expect("one JSON object");
    assert_eq!((code, &report["missing"][0]), (Some(1), &50.into()));
    fs::write(stage.path("no.mp4"), "no video").expect("the folder is ours");
    assert_eq!(run(&["judge", "no.mp4"]).0, Some(1));
    assert_eq!(run(&["judge", "absent.mp4"]).0, Some(2));
    assert_eq!(run(&["judge", "s.ts", "--source", "no.mp4"]).0, Some(2));
    assert_eq!(run(&["make", "x.avi"]).0, Some(2));
    assert_eq!(run(&["frobnicate"]).0, Some(2));
}
