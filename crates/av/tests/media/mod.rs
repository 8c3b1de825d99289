//! What the tests share: plans, readers that collect, clips made by the `ffmpeg` program, looks through `ffprobe`.

#![allow(
    dead_code,
    clippy::print_stdout,
    reason = "each test binary uses a part; what is skipped is said"
)]

use std::{
    fs::{File, OpenOptions},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Command,
};

use framerill_av::{
    error::AvError,
    scale::Scaler,
    sink::SinkWriter,
    source::{AudioPacket, End, Item, SourceReader},
};
use framerill_frames::Foreign;
use framerill_media::{Caps, PixelFormat, Size};
use framerill_worker::message::{MediaPlan, SourceInfo};
use serde_json::{Value, json};

/// A folder that goes with the test.
pub(crate) fn folder() -> tempfile::TempDir {
    framerill_av::quieten();
    tempfile::tempdir().unwrap()
}

/// Runs a program to its end and returns what it printed.
pub(crate) fn tool(program: &str, args: &[&str]) -> String {
    let done = Command::new(program).args(args).output().unwrap();
    assert!(
        done.status.success(),
        "{program} {args:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).unwrap()
}

/// Makes a clip with the `ffmpeg` program; `args` come before the output.
pub(crate) fn make(path: &Path, args: &[&str]) -> PathBuf {
    let mut all = vec!["-v", "error", "-nostdin", "-y"];
    all.extend(args);
    all.push(path.to_str().unwrap());
    tool("ffmpeg", &all);
    path.to_owned()
}

/// One value of each frame or packet, as `ffprobe` prints it.
pub(crate) fn probe(path: &Path, stream: &str, entries: &str) -> Vec<String> {
    let args = [
        "-v",
        "error",
        "-select_streams",
        stream,
        "-show_entries",
        entries,
        "-of",
        "csv=p=0",
    ];
    let out = tool("ffprobe", &[&args[..], &[path.to_str().unwrap()]].concat());
    let lines = out.lines().map(|line| line.trim_matches(',').to_owned());
    let mut values: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    if entries.starts_with("stream=") {
        // MPEG-TS lists a stream once more in its program.
        values.dedup();
    }
    values
}

/// The pts of each decoded picture, in seconds.
pub(crate) fn pts_seconds(path: &Path) -> Vec<f64> {
    let times = probe(path, "v:0", "frame=pts_time");
    times
        .iter()
        .map(|time| time.split(',').next().unwrap().parse().unwrap())
        .collect()
}

/// A plan that reads a file; `more` is merged in.
pub(crate) fn plan(name: &Path, more: Value) -> MediaPlan {
    let mut plan =
        json!({"source": {"kind": "file", "name": name, "fd": 0}, "sink": null, "video": {}});
    merge(&mut plan, more);
    serde_json::from_value(plan).unwrap()
}

/// A plan that generates.
pub(crate) fn generated(graph: &str, more: Value) -> MediaPlan {
    let mut plan = json!({"source": {"kind": "lavfi", "graph": graph}, "sink": null, "video": {}});
    merge(&mut plan, more);
    serde_json::from_value(plan).unwrap()
}

fn merge(plan: &mut Value, more: Value) {
    for (key, value) in more.as_object().unwrap() {
        plan[key] = value.clone();
    }
}

/// The plan's file, opened.
pub(crate) fn fds_of(plan: &MediaPlan) -> Vec<Option<OwnedFd>> {
    match &plan.source {
        framerill_worker::message::Source::File { name, .. } => {
            vec![Some(File::open(name).unwrap().into()), None, None]
        }
        framerill_worker::message::Source::Lavfi { .. }
        | framerill_worker::message::Source::Pipe { .. } => vec![None, None, None],
    }
}

pub(crate) fn open(plan: &MediaPlan) -> Result<(SourceReader, SourceInfo), AvError> {
    SourceReader::open(plan, &mut fds_of(plan))
}

/// Everything that a source delivers.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) info: SourceInfo,
    pub(crate) seconds: Vec<f64>,
    pub(crate) pictures: Vec<Vec<u8>>,
    pub(crate) sound: Vec<AudioPacket>,
    pub(crate) end: End,
}

/// Reads to the end, pictures as rgb24 of the size that a worker sees.
pub(crate) fn read(plan: &MediaPlan) -> Result<Read, AvError> {
    read_as(plan, PixelFormat::Rgb24)
}

pub(crate) fn read_as(plan: &MediaPlan, format: PixelFormat) -> Result<Read, AvError> {
    let (mut source, info) = open(plan)?;
    let caps = Caps::new(format, Size::new(info.width, info.height).unwrap()).unwrap();
    let mut scaler = Scaler::new(&source, plan, caps)?;
    let mut read = Read {
        info,
        seconds: vec![],
        pictures: vec![],
        sound: vec![],
        end: End::default(),
    };
    loop {
        match source.next()? {
            Item::Picture(picture) => {
                let mut into = vec![0; caps.picture_bytes()];
                scaler.scale_into(&picture, &mut into)?;
                read.seconds.push(source.time_base().seconds(picture.pts()));
                read.pictures.push(into);
            }
            Item::Audio(sound) => read.sound.push(sound),
            Item::Eos(end) => {
                read.end = end;
                return Ok(read);
            }
        }
    }
}

/// Opens a file for reading and writing.
pub(crate) fn create(path: &Path) -> OwnedFd {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .unwrap()
        .into()
}

/// Runs a source into `output`, unchanged pictures, and returns how the source ended. The container follows the name's
/// end; mp4 is completed from a part beside it.
pub(crate) fn transcode(plan: MediaPlan, output: &Path) -> Result<End, AvError> {
    let container = match output.extension().unwrap().to_str().unwrap() {
        "mkv" => "matroska",
        "ts" => "mpegts",
        "webm" => "webm",
        _ => "mp4",
    };
    let final_fd = (container == "mp4").then_some(2);
    let mut fds = fds_of(&plan);
    fds[1] = Some(create(&output.with_extension("part")));
    fds[2] = Some(create(output));
    if final_fd.is_none() {
        fds.swap(1, 2);
    }
    let name = output.to_str().unwrap();
    let sink = json!({"container": container, "fd": 1, "final_fd": final_fd, "name": name});
    let plan = MediaPlan {
        sink: serde_json::from_value(sink).unwrap(),
        ..plan
    };
    run(&plan, &mut fds, PixelFormat::Rgb24)
}

/// Runs a plan with its descriptors.
pub(crate) fn run(
    plan: &MediaPlan,
    fds: &mut [Option<OwnedFd>],
    format: PixelFormat,
) -> Result<End, AvError> {
    let (mut source, info) = SourceReader::open(plan, fds)?;
    let size = Size::new(info.width, info.height).unwrap();
    let caps = Caps::new(format, size).unwrap();
    let mut sink = SinkWriter::open(plan.sink.as_ref().unwrap(), fds, &source, size, plan)?;
    sink.begin(size)?;
    let mut scaler = Scaler::new(&source, plan, caps)?;
    let mut slot = vec![0; caps.picture_bytes()];
    loop {
        match source.next()? {
            Item::Picture(picture) => {
                scaler.scale_into(&picture, &mut slot)?;
                sink.write_picture(Foreign::from(&slot[..]), caps, picture.pts())?;
            }
            Item::Audio(sound) => sink.write_audio(sound)?,
            Item::Eos(end) => {
                sink.finish()?;
                return Ok(end);
            }
        }
    }
}

/// Mean absolute difference of two pictures.
pub(crate) fn difference(one: &[u8], other: &[u8]) -> f64 {
    assert_eq!(one.len(), other.len());
    let sum: u64 = one
        .iter()
        .zip(other)
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    sum as f64 / one.len() as f64
}

/// Mean of each channel.
pub(crate) fn channel_means(rgb: &[u8]) -> [f64; 3] {
    let mut sums = [0u64; 3];
    for pixel in rgb.chunks_exact(3) {
        for (sum, value) in sums.iter_mut().zip(pixel) {
            *sum += u64::from(*value);
        }
    }
    sums.map(|sum| sum as f64 * 3.0 / rgb.len() as f64)
}

/// A clip of the test material; says so and returns none where it is not there.
pub(crate) fn material(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/material/video");
    let path =
        std::env::var_os("FRAMERILL_MATERIAL").map_or(root, |root| Path::new(&root).join("video"));
    let path = path.join(name);
    if !path.exists() {
        println!("SKIPPED: {} is not there", path.display());
        return None;
    }
    Some(path)
}
