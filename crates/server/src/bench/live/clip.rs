//! The clip: encoded once by FFmpeg as cameras encode, and cut into what a camera writes.

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use bytes::Bytes;
use framerill_media::{Pes, Track, transport_pieces};

/// Bits of a picture's pixel: 4 Mbit/s at 1280×720 and 30 pictures a second.
const BITS_PER_PIXEL: f64 = 4e6 / (1280.0 * 720.0 * 30.0);

/// What a clip shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) size: (u32, u32),
    pub(super) rate: u32,
    pub(super) seconds: u32,
}

/// One picture or one piece of sound, with the tables in front of it.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    pub(super) track: Track,
    pub(super) keyframe: bool,
    pub(super) pts: u64,
    /// From the clip's first picture; sound before it is due with it.
    pub(super) due_ns: u64,
}

/// A clip and its file.
#[derive(Debug)]
pub(super) struct Clip {
    pub(super) pieces: Vec<Piece>,
    pub(super) size: (u32, u32),
    pub(super) path: PathBuf,
    pub(super) pictures: usize,
    _folder: tempfile::TempDir,
}

impl Clip {
    /// H.264 without B-frames, a keyframe every two seconds, and AAC, in a transport stream.
    pub(super) fn make(wanted: Wanted) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("clip.ts");
        let Wanted {
            size: (width, height),
            rate,
            seconds,
        } = wanted;
        let graph = format!(
            "testsrc2=size={width}x{height}:rate={rate}:duration={seconds},noise=alls=8:allf=t,format=yuv420p"
        );
        let sound = format!("sine=frequency=440:sample_rate=48000:duration={seconds}");
        let bits = BITS_PER_PIXEL * f64::from(width) * f64::from(height) * f64::from(rate);
        let video = format!(
            "-c:v libx264 -preset superfast -tune zerolatency -b:v {bits:.0} -g {}",
            2 * rate
        );
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", &graph])
            .args(["-f", "lavfi", "-i", &sound])
            .args(video.split_whitespace())
            .args(["-c:a", "aac", "-b:a", "96k", "-pes_payload_size", "0"])
            .args(["-f", "mpegts"])
            .arg(&path)
            .stdout(Stdio::null())
            .status()
            .map_err(|error| io::Error::other(format!("cannot start `ffmpeg`: {error}")))?;
        if !made.success() {
            return Err(io::Error::other("`ffmpeg` cannot make the clip"));
        }
        let pieces = Self::cut(&path)?;
        let pictures = pieces.iter().filter(|it| it.track == Track::Video).count();
        Ok(Self {
            pieces,
            size: wanted.size,
            path,
            pictures,
            _folder: folder,
        })
    }

    fn cut(path: &Path) -> io::Result<Vec<Piece>> {
        let stream = Bytes::from(std::fs::read(path)?);
        let found = transport_pieces(&stream);
        let first = found.iter().find(|(_, pes)| pes.track == Track::Video);
        let first = first
            .and_then(|(_, pes)| pes.pts)
            .ok_or_else(|| io::Error::other("the clip has no pictures"))?;
        let piece = |(bytes, pes): (Range<usize>, Pes<usize>)| {
            let pts = pes.pts.unwrap_or(first);
            Piece {
                bytes: stream.slice(bytes),
                track: pes.track,
                keyframe: pes.keyframe,
                pts,
                due_ns: pts.saturating_sub(first) * 100_000 / 9,
            }
        };
        Ok(found.into_iter().map(piece).collect())
    }
}
