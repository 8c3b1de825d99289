//! Clips through `framerill plates run`, as a user starts it.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use framerill_plates::store::{Address, Options, Selection, Store};
use serde_json::Value;

use super::{material::Clip, report::Row, score::ClipScore, within::output_within};
use crate::{
    bench::{broken, usage},
    failure::Failure,
    program,
};

/// A run over all clips takes minutes; one that takes longer hangs.
const MOST: Duration = Duration::from_secs(3600);
/// More rows than any clip has.
const MOST_ROWS: u32 = 10_000;
/// Variables that a run still needs; others of ours would change what is measured.
const KEPT: [&str; 2] = ["FRAMERILL_MEDIA", "FRAMERILL_PYTHON"];
const CHANGING: [&str; 5] = ["FRAMERILL_", "POSTGRES_", "NUM_", "MAX_", "QUEUE_"];

/// How a run is asked for.
#[derive(Clone, Copy)]
pub(super) struct How<'a> {
    pub(super) models: &'a Path,
    pub(super) mode: &'a str,
    pub(super) gpu_workers: u32,
    pub(super) watch_memory: bool,
}

/// What a run over all clips came to.
pub(super) struct Run {
    pub(super) score: ClipScore,
    pub(super) frames: u64,
    /// CPU time of all processes, from start to end.
    pub(super) cpu: Duration,
    pub(super) wall: Duration,
    /// The largest sum of what all processes have, shared parts by their share, frames with them; 0 when not watched.
    pub(super) peak: u64,
}

impl Run {
    /// Frames a second of CPU time.
    pub(super) fn rate(&self) -> f64 {
        count(self.frames) / self.cpu.as_secs_f64()
    }
}

/// Runs over all clips in a folder of its own.
#[expect(clippy::disallowed_methods, reason = "it measures")]
pub(super) fn run(clips: &[Clip], how: How<'_>) -> Result<Run, Failure> {
    let folder = tempfile::tempdir().map_err(broken)?;
    let db = folder.path().join("plates.db");
    let mut command = Command::new(program::this()?);
    command
        .args(["plates", "run", "--json", "--quiet", "--no-dotenv"])
        .args(["--mode", how.mode, "--num-cpu-workers", "1"])
        .args(["--num-gpu-workers", &how.gpu_workers.to_string()])
        .arg("--models")
        .arg(how.models)
        .arg("--db")
        .arg(&db)
        .args(["--work-dir", "work"])
        .args(clips.iter().map(|it| &it.path))
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    for (name, _) in std::env::vars() {
        let changes = CHANGING.iter().any(|it| name.starts_with(it));
        if changes && !KEPT.contains(&&*name) {
            command.env_remove(name);
        }
    }
    let before = usage::cpu_of_children();
    let began = Instant::now();
    let child = command.spawn().map_err(broken)?;
    let pid = child.id();
    let mut peak = 0;
    let output = output_within(child, MOST, || {
        if how.watch_memory {
            peak = peak.max(usage::all_pss_of_tree(pid));
        }
    });
    let Some(output) = output.map_err(broken)? else {
        let late = format!("`plates run` was not done after {} s", MOST.as_secs());
        return Err(broken(late));
    };
    let (wall, cpu) = (
        began.elapsed(),
        usage::cpu_of_children().saturating_sub(before),
    );
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        return Err(broken(format!("`plates run` failed: {}", said.trim())));
    }
    let said: Value = serde_json::from_slice(&output.stdout).map_err(broken)?;
    let mut run = Run {
        score: ClipScore::default(),
        frames: 0,
        cpu,
        wall,
        peak,
    };
    let videos = said["videos"].as_array().map(Vec::as_slice);
    for video in videos.unwrap_or_default() {
        run.frames += video["frames"].as_u64().unwrap_or(0);
    }
    let rows = rows_of(&db)?;
    for clip in clips {
        let of_clip = rows.iter().filter(|(video, _)| *video == clip.stem);
        let texts: Vec<String> = of_clip.map(|(_, plate)| plate.clone()).collect();
        run.score.add(&clip.cars, &texts);
    }
    Ok(run)
}

/// Video and plate of every record.
fn rows_of(db: &Path) -> Result<Vec<(String, String)>, Failure> {
    let store = Store::open(Options::new(Address::Sqlite(db.to_owned()))).map_err(broken)?;
    let rows = store.select(&Selection::of("vehicles"), 0, MOST_ROWS);
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("").to_owned();
    let rows = rows.map_err(broken)?.into_iter();
    Ok(rows
        .map(|it| (text(it.get("video_id")), text(it.get("final_plate"))))
        .collect())
}

/// The rows of runs with one worker and with two.
pub(super) fn rows(mode: &str, one: &Run, two: Option<&Run>) -> Vec<Row> {
    let cars = |run: &Run| f64::from(u32::try_from(run.score.cars).unwrap_or(u32::MAX));
    let number = |it: usize| f64::from(u32::try_from(it).unwrap_or(u32::MAX));
    let mut rows = vec![
        Row::at_least(
            format!("clips, {mode}: cars exact"),
            number(one.score.exact),
            "",
            cars(one),
        ),
        Row::at_most(
            format!("clips, {mode}: rows that are wrong or extra"),
            number(one.score.spoiled),
            "",
            1.0,
        ),
        Row::at_least(
            format!("clips, {mode}: frames a CPU second"),
            one.rate(),
            "/s",
            75.0,
        ),
        Row::told(
            format!("clips, {mode}: CPU a frame"),
            1e3 / one.rate(),
            "ms",
        ),
        Row::told(
            format!("clips, {mode}: frames a second of the clock"),
            count(one.frames) / one.wall.as_secs_f64(),
            "/s",
        ),
    ];
    if let Some(two) = two {
        rows.extend([
            Row::at_least(
                format!("clips, {mode}, two workers: cars exact"),
                number(two.score.exact),
                "",
                cars(two),
            ),
            Row::at_most(
                format!("clips, {mode}, two workers: CPU a frame to one's"),
                one.rate() / two.rate(),
                "×",
                1.05,
            ),
            Row::at_most(
                format!("clips, {mode}, two workers: memory of all processes"),
                count(two.peak) / 1e6,
                "MB",
                1200.0,
            ),
        ]);
    }
    rows
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn count(number: u64) -> f64 {
    number as f64
}
