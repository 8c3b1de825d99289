//! A marked source as a transport stream, encoded once and cut into the pieces that a camera writes.

use std::{
    fs::{self, File},
    io,
    ops::Range,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use framerill_media::{TRANSPORT_CLOCK, Track, transport_pieces};

use crate::{ffmpeg_is_here, program, skip, source::Source};

/// Changes whenever clips of the same name would hold something else.
const EDITION: u32 = 1;

/// One picture or one piece of sound, with the tables in front of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where its packets are.
    pub bytes: Range<usize>,
    /// What it is.
    pub track: Track,
    /// When it is shown, in 1/90000 s from the clip's first picture; sound may come before that.
    pub at_ticks: i64,
    /// Whether a decoder can begin here.
    pub keyframe: bool,
    /// The number drawn into the picture.
    pub counter: Option<u32>,
}

/// A clip.
#[derive(Debug)]
pub struct Clip {
    /// What is drawn.
    pub source: Source,
    /// The file.
    pub path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    pub(crate) pieces: Vec<Piece>,
    /// The first picture's own time.
    pub(crate) first_pts: u64,
    /// How long it lasts, in 1/90000 s; played again it goes on from here.
    pub(crate) length_ticks: i64,
}

impl Clip {
    /// Half a minute of a source of that size, 30 pictures a second, as cameras encode it; `None`, loudly, without FFmpeg.
    #[must_use]
    pub fn usual(size: (u32, u32)) -> Option<Arc<Self>> {
        Self::of(&Source {
            size,
            ..Self::half_minute()
        })
    }

    /// The source of a usual clip.
    #[must_use]
    pub fn half_minute() -> Source {
        Source {
            size: (1280, 720),
            live: true,
            seconds: 30.0,
            ..Source::default()
        }
    }

    /// The clip of that source, made if it was not made before; `None`, loudly, without FFmpeg.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    #[must_use]
    pub fn of(source: &Source) -> Option<Arc<Self>> {
        Self::made(source, "h264", |path| {
            source.make(path).unwrap_or_else(|error| panic!("{error}"));
        })
    }

    /// The same pictures, encoded by FFmpeg with these arguments; `name` tells such clips apart.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    #[must_use]
    pub fn encoded(source: &Source, name: &str, arguments: &str) -> Option<Arc<Self>> {
        let plain = Self::of(source)?;
        Self::made(source, name, |path| {
            let made = Command::new("ffmpeg")
                .args(["-v", "error", "-nostdin", "-y", "-copyts", "-i"])
                .arg(&plain.path)
                .args(arguments.split_whitespace())
                .args(["-c:a", "copy", "-pes_payload_size", "0", "-f", "mpegts"])
                .arg(path)
                .stdout(Stdio::null())
                .status();
            assert!(made.is_ok_and(|it| it.success()), "ffmpeg {arguments}");
        })
    }

    fn made(source: &Source, codec: &str, make: impl FnOnce(&Path)) -> Option<Arc<Self>> {
        if !ffmpeg_is_here() {
            skip("no ffmpeg; `make test` installs it");
            return None;
        }
        let folder = program::clips();
        fs::create_dir_all(&folder).expect("a folder for clips");
        let (width, height) = source.size;
        let Source {
            seconds,
            rate,
            tag,
            sound,
            vfr,
            ..
        } = source;
        let name =
            format!("{EDITION}-{codec}-{width}x{height}-{rate}-{seconds}s-{tag}-{sound}-{vfr}.ts")
                .replace('/', "_");
        let path = folder.join(&name);
        // Tests are processes of their own; one of them makes it.
        let lock = File::create(folder.join(format!("{name}.lock"))).expect("a lock");
        lock.lock().expect("a lock");
        if !path.is_file() {
            let partial = folder.join(format!("partial-{name}"));
            make(&partial);
            fs::rename(&partial, &path).expect("the clip gets its name");
        }
        drop(lock);
        Some(Arc::new(Self::read(source, path).expect("a clip")))
    }

    fn read(source: &Source, path: PathBuf) -> io::Result<Self> {
        let bytes = fs::read(&path)?;
        let broken = |what: &str| io::Error::other(format!("{}: {what}", path.display()));
        let (first_pts, pieces) = pieces_of(&bytes).ok_or_else(|| broken("no pieces"))?;
        let counter = pieces.iter().filter(|it| it.counter.is_some()).count();
        let pictures = i64::from(source.timeline().frames);
        let rate = source.rate;
        let length_ticks =
            pictures * 90_000 * i64::from(rate.seconds.get()) / i64::from(rate.pictures.get());
        if i64::try_from(counter) != Ok(pictures) {
            return Err(broken(&format!("{counter} pictures, not {pictures}")));
        }
        Ok(Self {
            source: source.clone(),
            path,
            bytes,
            pieces,
            first_pts,
            length_ticks,
        })
    }

    /// Its pieces, in the order of the stream.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
}

/// The first picture's time and all pieces of a stream; `None` if a piece has no time, or there is no picture.
#[must_use]
pub fn pieces_of(stream: &[u8]) -> Option<(u64, Vec<Piece>)> {
    let found = transport_pieces(stream);
    let first = found.iter().find(|(_, pes)| pes.track == Track::Video)?;
    let first_pts = first.1.pts?;
    let (mut pieces, mut counter) = (Vec::new(), 0);
    for (bytes, pes) in found {
        let is_video = pes.track == Track::Video;
        pieces.push(Piece {
            bytes,
            track: pes.track,
            at_ticks: distance(first_pts, pes.pts?),
            keyframe: pes.keyframe,
            counter: is_video.then_some(counter),
        });
        counter += u32::from(is_video);
    }
    Some((first_pts, pieces))
}

/// How many ticks of a clock of 33 bits `to` is after `from`; negative if before.
#[must_use]
pub fn distance(from: u64, to: u64) -> i64 {
    let forward = to.wrapping_sub(from) % TRANSPORT_CLOCK;
    let backward = TRANSPORT_CLOCK - forward;
    let ticks = |it: u64| i64::try_from(it).expect("33 bits");
    if forward < backward {
        ticks(forward)
    } else {
        -ticks(backward)
    }
}
