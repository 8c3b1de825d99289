//! Streams for the tests of this room, made by the `ffmpeg` program, and a reader that collects.

use std::{io::Write, os::fd::OwnedFd, process::Command, sync::OnceLock, thread};

use framerill_worker::message::LivePlan;

use super::{LiveCounts, LiveEnd, LiveFormat, LiveItem, LiveSource};
use crate::ffi::Frame;

/// A stream of H.264 without B-frames and of AAC, 64x64, one second at 30 a second.
pub(crate) fn small() -> &'static [u8] {
    static SMALL: OnceLock<Vec<u8>> = OnceLock::new();
    SMALL.get_or_init(|| {
        let sound = [
            "-f",
            "lavfi",
            "-i",
            "sine=440:r=48000:d=1",
            "-c:a",
            "aac",
            "-b:a",
            "64k",
        ];
        stream(&pictures("64x64", 30, 1.0), &[&sound[..], H264].concat())
    })
}

/// As a live encoder makes it.
pub(crate) const H264: &[&str] = &[
    "-c:v",
    "libx264",
    "-preset",
    "superfast",
    "-tune",
    "zerolatency",
    "-g",
    "30",
];

/// A generator of pictures.
pub(crate) fn pictures(size: &str, fps: u32, secs: f64) -> String {
    format!("testsrc2=s={size}:r={fps}:d={secs}")
}

/// A transport stream; `more` stands behind the pictures' input.
pub(crate) fn stream(graph: &str, more: &[&str]) -> Vec<u8> {
    let live = [
        "-muxdelay",
        "0",
        "-muxpreload",
        "0",
        "-mpegts_copyts",
        "1",
        "-f",
        "mpegts",
    ];
    ffmpeg(&[&["-f", "lavfi", "-i", graph], more, &live].concat())
}

/// What `ffmpeg` writes.
pub(crate) fn ffmpeg(args: &[&str]) -> Vec<u8> {
    crate::quieten();
    let mut command = Command::new("ffmpeg");
    command
        .args(["-v", "error", "-nostdin"])
        .args(args)
        .arg("pipe:1");
    let done = command.output().unwrap();
    assert!(
        done.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    done.stdout
}

/// Its times, moved by ticks, which a program clock goes along with.
pub(crate) fn moved(stream: &[u8], ticks: i64) -> Vec<u8> {
    let mut stream = stream.to_vec();
    for packet in stream.chunks_exact_mut(188) {
        let is_start = packet[1] & 0x40 != 0;
        let skip = if packet[3] & 0x20 != 0 {
            5 + usize::from(packet[4])
        } else {
            4
        };
        let Some(pes) = packet.get_mut(skip..) else {
            continue;
        };
        if !is_start || !pes.starts_with(&[0, 0, 1]) {
            continue;
        }
        let times = match pes[7] >> 6 {
            2 => 1,
            3 => 2,
            _ => 0,
        };
        for time in pes[9..].chunks_exact_mut(5).take(times) {
            let old = i64::from(time[0] >> 1 & 7) << 30
                | i64::from(time[1]) << 22
                | i64::from(time[2] >> 1) << 15
                | i64::from(time[3]) << 7
                | i64::from(time[4] >> 1);
            let new = (old + ticks).rem_euclid(1 << 33);
            let part = |shift: u32, mask: i64| u8::try_from(new >> shift & mask).unwrap();
            time[0] = time[0] & 0xf1 | part(30, 7) << 1;
            time[1] = part(22, 0xff);
            time[2] = part(15, 0x7f) << 1 | 1;
            time[3] = part(7, 0xff);
            time[4] = part(0, 0x7f) << 1 | 1;
        }
    }
    stream
}

/// Everything that came out.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) formats: Vec<LiveFormat>,
    /// Times, whether the source jumped, and the frames.
    pub(crate) pictures: Vec<(i64, bool, Frame)>,
    /// Times, durations and bytes.
    pub(crate) sound: Vec<(i64, i64, usize)>,
    /// P, S and F in the order in which they came.
    pub(crate) order: String,
    pub(crate) counts: LiveCounts,
    pub(crate) end: Option<LiveEnd>,
}

impl Seen {
    pub(crate) fn times(&self) -> Vec<i64> {
        self.pictures.iter().map(|(pts, ..)| *pts).collect()
    }

    /// Size and codec's name of each format that has pictures.
    pub(crate) fn sizes(&self) -> Vec<(u32, u32)> {
        let shown = self.formats.iter().filter(|format| format.traits.is_some());
        shown
            .map(|format| (format.info.width, format.info.height))
            .collect()
    }

    pub(crate) fn reason(&self) -> Option<String> {
        let reason = self.end.as_ref().unwrap().reason.as_ref();
        reason.map(ToString::to_string)
    }

    /// Takes an item; false at the end.
    pub(crate) fn take(&mut self, item: LiveItem) -> bool {
        match item {
            LiveItem::Format(format) => {
                self.order.push('F');
                self.formats.push(format);
            }
            LiveItem::Picture(picture) => {
                self.order.push('P');
                self.pictures
                    .push((picture.pts.0, picture.discontinuity, picture.frame));
            }
            LiveItem::Sound(sound) => {
                self.order.push('S');
                self.sound
                    .push((sound.pts().0, sound.duration(), sound.bytes()));
            }
            LiveItem::End(end) => {
                self.end = Some(end);
                return false;
            }
        }
        true
    }
}

/// Takes all pictures.
pub(crate) fn all() -> LivePlan {
    LivePlan {
        max_fps: 0.0,
        ..LivePlan::default()
    }
}

/// A source, and the end into which its bytes are written.
pub(crate) fn open(plan: &LivePlan) -> (LiveSource, std::fs::File) {
    crate::quieten();
    let (read, write) = rustix::pipe::pipe().unwrap();
    (
        LiveSource::new(read, "live", true, plan),
        OwnedFd::into(write),
    )
}

/// Writes bytes, closes, and reads to the end.
pub(crate) fn read(bytes: &[u8], plan: &LivePlan) -> Seen {
    let (source, write) = open(plan);
    read_from(source, write, bytes)
}

/// The same for a plan that wants no sound.
pub(crate) fn read_without_sound(bytes: &[u8], plan: &LivePlan) -> Seen {
    let (read, write) = rustix::pipe::pipe().unwrap();
    read_from(
        LiveSource::new(read, "live", false, plan),
        write.into(),
        bytes,
    )
}

fn read_from(mut source: LiveSource, mut write: std::fs::File, bytes: &[u8]) -> Seen {
    crate::quieten();
    thread::scope(|scope| {
        scope.spawn(move || {
            // A source that gave up reads no more.
            let _written = write.write_all(bytes).is_ok();
        });
        let mut seen = Seen::default();
        while seen.take(source.next().unwrap()) {}
        seen.counts = source.counts();
        drop(source);
        seen
    })
}
