//! Decodes, crops, scales, encodes and muxes in two threads without a worker, to hold the codec half against `ffmpeg`:
//!
//! ```text
//! transcode IN|lavfi:GRAPH OUT [--size 512x512] [--fps N/D] [--start S] [--duration S] [--realtime]
//!           [--format rgb24|gray8|nv12|rgbf32] [--codec NAME] [--preset NAME] [--no-audio] [--fragmented] [--null]
//! ```

use std::{
    fs::OpenOptions,
    os::fd::OwnedFd,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use framerill_av::{
    scale::Scaler,
    sink::SinkWriter,
    source::{AudioPacket, Item, SourceReader},
};
use framerill_frames::Foreign;
use framerill_media::{Caps, Pts, Size};
use framerill_worker::message::{Container, MediaPlan};
use serde_json::json;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Pictures between the threads.
const DEPTH: usize = 3;

enum Work {
    Picture(Vec<u8>, Pts),
    Sound(AudioPacket),
}

fn main() -> Result<(), Failure> {
    if std::env::var_os("AV_LOG").is_none() {
        framerill_av::quieten();
    }
    let mut args = std::env::args().skip(1);
    let (input, output) = (args.next().ok_or("IN")?, args.next().ok_or("OUT")?);
    let mut plan =
        json!({"source": {"kind": "file", "name": input, "fd": 0}, "sink": null, "video": {}});
    if let Some(graph) = input.strip_prefix("lavfi:") {
        plan["source"] = json!({"kind": "lavfi", "graph": graph});
    }
    let (mut format, mut fragmented, mut null) = (json!("rgb24"), false, false);
    while let Some(flag) = args.next() {
        let mut value = || args.next().ok_or("a value");
        match flag.as_str() {
            "--size" => plan["size"] = serde_json::to_value(value()?.parse::<Size>()?)?,
            "--fps" => {
                let text = value()?;
                let (num, den) = text.split_once('/').unwrap_or((&text, "1"));
                plan["fps"] = json!([num.parse::<u32>()?, den.parse::<u32>()?]);
            }
            "--start" => plan["start"] = json!(value()?.parse::<f64>()?),
            "--duration" => plan["duration"] = json!(value()?.parse::<f64>()?),
            "--realtime" => plan["realtime"] = json!(true),
            "--format" => format = json!(value()?),
            "--codec" => plan["video"]["codec"] = json!(value()?),
            "--preset" => plan["video"]["preset"] = json!(value()?),
            "--no-audio" => plan["audio"] = json!(false),
            "--fragmented" => fragmented = true,
            "--null" => null = true,
            other => return Err(format!("no flag {other}").into()),
        }
    }
    let container = match output.rsplit_once('.').map(|(_, end)| end) {
        Some("mkv") => Container::Matroska,
        Some("webm") => Container::Webm,
        Some("ts") => Container::Mpegts,
        _ => Container::Mp4,
    };
    let two_files = container == Container::Mp4 && !fragmented && !null;
    let mut fds: Vec<Option<OwnedFd>> = vec![None, None, None];
    if !input.starts_with("lavfi:") {
        fds[0] = Some(std::fs::File::open(&input)?.into());
    }
    if !null {
        let open = |name: &str| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(name)
        };
        let part = if two_files {
            format!("{output}.part")
        } else {
            output.clone()
        };
        fds[1] = Some(open(&part)?.into());
        if two_files {
            fds[2] = Some(open(&output)?.into());
        }
        let final_fd = two_files.then_some(2);
        plan["sink"] =
            json!({"container": container, "fd": 1, "final_fd": final_fd, "name": output});
    }
    let plan: MediaPlan = serde_json::from_value(plan)?;
    run(&plan, fds, serde_json::from_value(format)?)?;
    if two_files {
        std::fs::remove_file(format!("{output}.part"))?;
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the example's answer")]
fn run(
    plan: &MediaPlan,
    mut fds: Vec<Option<OwnedFd>>,
    format: framerill_media::PixelFormat,
) -> Result<(), Failure> {
    let (source, info) = SourceReader::open(plan, &mut fds)?;
    eprintln!("{}", serde_json::to_string(&info)?);
    let size = Size::new(info.width, info.height)?;
    let caps = Caps::new(format, size)?;
    let sink = match &plan.sink {
        Some(sink) => {
            let mut sink = SinkWriter::open(sink, &mut fds, &source, size, plan)?;
            sink.begin(size)?;
            Some(sink)
        }
        None => None,
    };
    let scaler = Scaler::new(&source, plan, caps)?;
    let (work, todo) = sync_channel(DEPTH);
    let (back, empty) = sync_channel(DEPTH + 2);
    for _ in 0..DEPTH + 2 {
        back.send(vec![0; caps.picture_bytes()])?;
    }
    thread::scope(|scope| {
        let reading = scope.spawn(move || read(source, scaler, &work, &empty));
        let written = write(sink, caps, &todo, &back);
        drop((todo, back));
        let end = reading.join().map_err(|_| "the reader panicked")?;
        written.and(end)
    })
}

#[expect(clippy::print_stderr, reason = "the example's answer")]
fn read(
    mut source: SourceReader,
    mut scaler: Scaler,
    work: &SyncSender<Work>,
    empty: &Receiver<Vec<u8>>,
) -> Result<(), Failure> {
    let mut pictures = 0;
    loop {
        let next = match source.next()? {
            Item::Picture(picture) => {
                pictures += 1;
                let Ok(mut slot) = empty.recv() else {
                    return Ok(());
                };
                scaler.scale_into(&picture, &mut slot)?;
                Work::Picture(slot, picture.pts())
            }
            Item::Audio(sound) => Work::Sound(sound),
            Item::Eos(end) => {
                eprintln!("{pictures} pictures; {}", end.warning().unwrap_or_default());
                return Ok(());
            }
        };
        if work.send(next).is_err() {
            return Ok(());
        }
    }
}

fn write(
    mut sink: Option<SinkWriter>,
    caps: Caps,
    todo: &Receiver<Work>,
    back: &SyncSender<Vec<u8>>,
) -> Result<(), Failure> {
    for next in todo {
        match (next, &mut sink) {
            (Work::Picture(slot, pts), sink) => {
                if let Some(sink) = sink {
                    sink.write_picture(Foreign::from(&slot[..]), caps, pts)?;
                }
                drop(back.try_send(slot));
            }
            (Work::Sound(sound), Some(sink)) => sink.write_audio(sound)?,
            (Work::Sound(_), None) => {}
        }
    }
    match sink {
        Some(sink) => Ok(sink.finish()?),
        None => Ok(()),
    }
}
