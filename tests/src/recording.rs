//! What a file really holds: every picture's mark and pts, every beep and when it is heard.
//!
//! `ffmpeg` decodes; its `showinfo` filters tell the pts. Pictures and samples stream through; what stays in memory is one
//! small entry a picture and a beep.

use std::{
    io::{self, Read},
    path::Path,
    process::Stdio,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use serde::Deserialize;

use crate::{
    mark::{Gray, Mark, MarkReader, Size},
    source::{file_argument, words},
    tone::{Beep, Listener},
    tool::{Complaints, Tool, ToolError},
};

/// Notices of pictures or sound that may wait for their bytes.
const MOST_NOTICES: usize = 4096;
/// Largest picture that is looked at, in pixels.
const MOST_PIXELS: usize = 1 << 26;

/// A decoded file.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// In the order of decoding, which is the order of showing.
    pub pictures: Vec<Picture>,
    /// Size of the last picture.
    pub size: Size,
    /// Every size that the pictures have, in order; one that comes back stands there again.
    pub sizes: Vec<Size>,
    /// Seconds a tick of the pictures' time base.
    pub tick_seconds: f64,
    /// `None` if there is no sound.
    pub sound: Option<Sound>,
    /// What the decoder complained about: how often, and its last words.
    pub complaints: (u64, Vec<String>),
}

/// One picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Picture {
    /// In ticks of the stream's time base; `None` if it has none.
    pub pts: Option<i64>,
    /// The same in seconds.
    pub at_seconds: f64,
    /// `None` if unreadable.
    pub mark: Option<Mark>,
}

/// The sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Sound {
    /// Beeps in order.
    pub beeps: Vec<Beep>,
    /// When the first sample is heard, in seconds.
    pub from_seconds: f64,
    /// When the last one ends.
    pub to_seconds: f64,
}

#[derive(Deserialize)]
struct Streams {
    #[serde(default)]
    streams: Vec<Stream>,
}

#[derive(Deserialize)]
struct Stream {
    codec_type: Option<String>,
    sample_rate: Option<String>,
    channels: Option<u32>,
}

impl Recording {
    /// Decodes `file`. `drawn` is the size of the source's pictures, when known; it helps to find the marks.
    ///
    /// # Errors
    ///
    /// If the file cannot be decoded at all; damage inside is told in `complaints`.
    pub fn read(file: &Path, drawn: Option<Size>) -> Result<Self, ToolError> {
        let streams = probe(file)?;
        let of = |kind: &str| {
            streams
                .iter()
                .find(|stream| stream.codec_type.as_deref() == Some(kind))
        };
        let audio = of("audio").map(|stream| {
            let rate = stream
                .sample_rate
                .as_deref()
                .and_then(|rate| rate.parse().ok());
            (rate.unwrap_or(48_000), stream.channels.unwrap_or(1).max(1))
        });
        if of("video").is_none() {
            return Err(ToolError::Confused {
                program: "ffprobe",
                subject: file.display().to_string(),
                said: "it has no video".to_owned(),
            });
        }
        thread::scope(|scope| {
            let sound =
                audio.map(|(rate, channels)| scope.spawn(move || listen(file, rate, channels)));
            let mut recording = look(file, drawn)?;
            if let Some(sound) = sound {
                let (sound, complaints) = sound.join().expect("listening does not panic")?;
                recording.complaints.0 += complaints.errors;
                recording.complaints.1.extend(complaints.lines);
                recording.sound = sound;
            }
            Ok(recording)
        })
    }
}

/// Pictures may begin seconds after the sound.
const LOOK_FAR: &str = "-analyzeduration 60000000 -probesize 100000000";

fn probe(file: &Path) -> Result<Vec<Stream>, ToolError> {
    let mut arguments =
        words("-v level+error -of json -show_entries stream=codec_type,sample_rate,channels");
    arguments.extend(words(LOOK_FAR));
    arguments.push(file_argument(file));
    let subject = file.display().to_string();
    let mut tool = Tool::start("ffprobe", &subject, &arguments, Stdio::null(), |_| false)?;
    let mut text = String::new();
    let stdout = tool.stdout.take().expect("stdout is piped");
    stdout
        .take(1 << 20)
        .read_to_string(&mut text)
        .map_err(|source| ToolError::Pipe {
            program: "ffprobe",
            source,
        })?;
    tool.succeed()?;
    let streams: Streams = serde_json::from_str(&text).map_err(|error| ToolError::Confused {
        program: "ffprobe",
        subject,
        said: error.to_string(),
    })?;
    Ok(streams.streams)
}

/// Decoding without any repair of times: no offset taken off, no picture doubled or dropped.
fn decoding(file: &Path, what: &str) -> Vec<String> {
    let mut arguments = words("-hide_banner -nostdin -nostats -loglevel level+info -copyts");
    arguments.extend(words(LOOK_FAR));
    arguments.push("-i".to_owned());
    arguments.push(file_argument(file));
    arguments.extend(words(what));
    arguments.push("pipe:1".to_owned());
    arguments
}

/// What `showinfo` says.
enum Notice {
    TimeBase(f64),
    Picture { pts: Option<i64>, size: Size },
}

fn look(file: &Path, drawn: Option<Size>) -> Result<Recording, ToolError> {
    const FORMATS: &str = "yuv420p|yuvj420p|yuv422p|yuv444p|gray";
    let arguments = decoding(
        file,
        &format!(
            "-map 0:v:0 -vf showinfo=checksum=0,format={FORMATS},extractplanes=y -fps_mode passthrough -autoscale 0 -f rawvideo"
        ),
    );
    let subject = file.display().to_string();
    let (notices, noticed) = sync_channel(MOST_NOTICES);
    let mut tool = Tool::start("ffmpeg", &subject, &arguments, Stdio::null(), move |line| {
        tell(line, &notices)
    })?;
    let mut stdout = tool.stdout.take().expect("stdout is piped");
    let mut recording = Recording {
        pictures: Vec::new(),
        size: (0, 0),
        sizes: Vec::new(),
        tick_seconds: 0.0,
        sound: None,
        complaints: (0, Vec::new()),
    };
    let progress = tool.progress();
    let mut marks = MarkReader::new(drawn);
    let mut pixels = Vec::new();
    // A notice stands before its picture, so that reading never waits for a picture that nobody sends.
    for notice in noticed {
        let (pts, size) = match notice {
            Notice::TimeBase(seconds) => {
                recording.tick_seconds = seconds;
                continue;
            }
            Notice::Picture { pts, size } => (pts, size),
        };
        let length = usize::try_from(u64::from(size.0) * u64::from(size.1)).unwrap_or(usize::MAX);
        if length == 0 || length > MOST_PIXELS {
            return Err(ToolError::Confused {
                program: "ffmpeg",
                subject,
                said: format!("a picture of {}×{}", size.0, size.1),
            });
        }
        pixels.resize(length, 0);
        match stdout.read_exact(&mut pixels) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(source) => {
                return Err(ToolError::Pipe {
                    program: "ffmpeg",
                    source,
                });
            }
        }
        progress.tick();
        if recording.size != size {
            recording.sizes.push(size);
        }
        recording.size = size;
        recording.pictures.push(Picture {
            pts,
            at_seconds: pts.map_or(f64::NAN, |pts| seconds(pts) * recording.tick_seconds),
            mark: marks.read(Gray {
                pixels: &pixels,
                size,
            }),
        });
    }
    recording.complaints = concluded(tool, &subject)?;
    Ok(recording)
}

/// Ends the tool. That it failed after all is one more complaint: what it decoded was decoded.
fn concluded(tool: Tool, subject: &str) -> Result<(u64, Vec<String>), ToolError> {
    let (succeeded, complaints) = tool.finish()?;
    let mut lines: Vec<_> = complaints
        .lines
        .into_iter()
        .filter(|line| line.contains("[error]") || line.contains("[fatal]"))
        .collect();
    let mut errors = complaints.errors;
    if !succeeded {
        errors += 1;
        lines.push(format!("ffmpeg could not decode all of {subject}"));
    }
    Ok((errors, lines))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a pts beyond 2^53 does not occur"
)]
fn seconds(ticks: i64) -> f64 {
    ticks as f64
}

/// Passes on what a line of `showinfo` says. Whether it was one.
fn tell(line: &str, notices: &SyncSender<Notice>) -> bool {
    if !line.contains("showinfo") {
        return uninteresting(line);
    }
    let notice = if let Some(base) = after(line, "config in time_base:") {
        ratio(base).map(Notice::TimeBase)
    } else {
        picture_notice(line)
    };
    if let Some(notice) = notice {
        // The reader may be gone; then nobody is interested.
        drop(notices.send(notice));
    }
    true
}

/// Whether a line is only information.
fn uninteresting(line: &str) -> bool {
    line.contains("[info]") || !line.starts_with('[')
}

fn picture_notice(line: &str) -> Option<Notice> {
    let pts = after(line, " pts:")?;
    let (width, height) = after(line, " s:")?.split_once('x')?;
    Some(Notice::Picture {
        pts: pts.parse().ok(),
        size: (width.parse().ok()?, height.parse().ok()?),
    })
}

/// The word that follows `key`.
fn after<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(key)?;
    rest.split_whitespace()
        .next()
        .map(|word| word.trim_end_matches(','))
}

fn ratio(text: &str) -> Option<f64> {
    let (numerator, denominator) = text.split_once('/')?;
    let (numerator, denominator): (f64, f64) = (numerator.parse().ok()?, denominator.parse().ok()?);
    (denominator > 0.0).then(|| numerator / denominator)
}

/// Samples without a gap.
struct Run {
    /// In samples.
    pts: Option<i64>,
    samples: usize,
}

fn listen(file: &Path, rate: u32, channels: u32) -> Result<(Option<Sound>, Complaints), ToolError> {
    // The filter's time base is one sample.
    let arguments = decoding(
        file,
        &format!("-map 0:a:0 -af aformat=sample_rates={rate},ashowinfo -c:a pcm_s16le -f s16le"),
    );
    let subject = file.display().to_string();
    let (runs, noticed) = sync_channel::<Run>(MOST_NOTICES);
    let mut tool = Tool::start("ffmpeg", &subject, &arguments, Stdio::null(), move |line| {
        let Some(run) = sound_notice(line) else {
            return uninteresting(line);
        };
        // The reader may be gone; then nobody is interested.
        drop(runs.send(run));
        true
    })?;
    let stdout = tool.stdout.take().expect("stdout is piped");
    let progress = tool.progress();
    let heard = hear(stdout, &noticed, rate, channels, || progress.tick());
    let sound = heard.map_err(|source| ToolError::Pipe {
        program: "ffmpeg",
        source,
    })?;
    let (errors, lines) = concluded(tool, &subject)?;
    let complaints = Complaints {
        lines: lines.into(),
        errors,
    };
    Ok((sound, complaints))
}

fn sound_notice(line: &str) -> Option<Run> {
    if !line.contains("ashowinfo") {
        return None;
    }
    let pts = after(line, " pts:")?.parse().ok();
    let samples = after(line, " nb_samples:")?.parse().ok()?;
    Some(Run { pts, samples })
}

fn hear(
    mut stdout: impl Read,
    runs: &Receiver<Run>,
    rate: u32,
    channels: u32,
    tick: impl Fn(),
) -> io::Result<Option<Sound>> {
    let mut listener = Listener::new(rate);
    let channels = usize::try_from(channels).unwrap_or(1);
    let rate_hz = f64::from(rate);
    let (mut from_seconds, mut next_seconds) = (None, 0.0);
    let mut bytes = Vec::new();
    for Run { pts, samples } in runs {
        let mut at_seconds = pts.map_or(next_seconds, |pts| seconds(pts) / rate_hz);
        bytes.resize(samples.min(1 << 22) * channels * 2, 0);
        match stdout.read_exact(&mut bytes) {
            Ok(()) => tick(),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
        from_seconds.get_or_insert(at_seconds);
        for all in bytes.chunks_exact(2 * channels) {
            let sum: i32 = all
                .chunks_exact(2)
                .map(|sample| i32::from(i16::from_le_bytes([sample[0], sample[1]])))
                .sum();
            let count = f64::from(u32::try_from(channels).unwrap_or(1));
            listener.hear(at_seconds, f64::from(sum) / count / 32_768.0);
            at_seconds += 1.0 / rate_hz;
        }
        next_seconds = at_seconds;
    }
    Ok(from_seconds.map(|from_seconds| Sound {
        beeps: listener.finish(),
        from_seconds,
        to_seconds: next_seconds,
    }))
}
