//! A media process that reads a file for its frames, driven over its control socket; the test is parent and worker.

use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    thread,
    time::Duration,
};

use framerill_av::Media;
use framerill_frames::{FromReader, Geometry, Link, ReaderLink, SharedPool};
use framerill_media::Caps;
use framerill_worker::{
    Channel,
    child::run,
    message::{ErrorReport, FromChild, MediaStats, ReaderStats, Role, SourceInfo},
};
use serde_json::{Value, json};

pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A reader with an open file.
pub(crate) struct Stage {
    channel: Channel,
    pub(crate) info: SourceInfo,
    next_id: u64,
}

/// The end of a link, and what is known of its pool.
pub(crate) struct Frames {
    pub(crate) link: ReaderLink,
    pub(crate) pool: Option<(SharedPool, Geometry, Caps)>,
}

/// A frame, and its pixels.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) index: u64,
    pub(crate) seconds: Option<f64>,
    pub(crate) pixels: Vec<u8>,
}

/// All that came of a file.
pub(crate) struct Watched {
    pub(crate) info: SourceInfo,
    pub(crate) frames: Vec<Seen>,
    pub(crate) size: Option<(u32, u32)>,
    pub(crate) stats: ReaderStats,
}

impl Watched {
    pub(crate) fn indices(&self) -> Vec<u64> {
        self.frames.iter().map(|seen| seen.index).collect()
    }
}

impl Stage {
    /// Opens a file; a refusal comes back as it was said.
    pub(crate) fn open(path: &Path, reader: &Value) -> Result<Self, Box<ErrorReport>> {
        framerill_av::quieten();
        let (near, far) = Channel::pair().unwrap();
        thread::spawn(move || run(far, Role::Media, "media", |_| Media::default()));
        let mut stage = Self {
            channel: Channel::new(near),
            info: SourceInfo::default(),
            next_id: 0,
        };
        let file: OwnedFd = File::open(path).unwrap().into();
        let name = path.file_name().unwrap().to_str().unwrap();
        let plan = json!({
            "source": {"kind": "file", "name": name, "fd": 0}, "sink": null, "reader": reader,
        });
        let load = json!({"type": "load", "media": plan, "fds": 1});
        stage.send(load, &[file.as_fd()]);
        loop {
            match stage.hear() {
                FromChild::Ready { source, .. } => {
                    stage.info = *source.unwrap();
                    return Ok(stage);
                }
                FromChild::Error(report) => return Err(Box::new(report)),
                _ => {}
            }
        }
    }

    pub(crate) fn send(&mut self, mut message: Value, fds: &[BorrowedFd<'_>]) -> u64 {
        self.next_id += 1;
        message["id"] = json!(self.next_id);
        self.channel.send(&message, fds, SOON).unwrap();
        self.next_id
    }

    pub(crate) fn hear(&self) -> FromChild {
        self.channel.recv::<FromChild>(Some(SOON)).unwrap().0
    }

    pub(crate) fn attach(&mut self) -> Frames {
        let (ours, its) = Link::pair().unwrap();
        let attach = json!({"type": "attach", "stream": "reader", "incarnation": 1, "fds": 1});
        self.send(attach, &[its.as_fd()]);
        Frames {
            link: ReaderLink::new(ours),
            pool: None,
        }
    }

    /// The next counters that `wanted` finds something in.
    pub(crate) fn stats<T>(&self, wanted: impl Fn(&ReaderStats) -> Option<T>) -> T {
        loop {
            if let FromChild::Stats { stats } = self.hear() {
                let stats: MediaStats = serde_json::from_value(stats).unwrap();
                if let Some(it) = wanted(&stats.reader.unwrap()) {
                    return it;
                }
            }
        }
    }

    /// The counters of `done`.
    pub(crate) fn done(&self) -> ReaderStats {
        loop {
            if let FromChild::Done { stats } = self.hear() {
                assert!(stats.finished);
                return *stats.reader.unwrap();
            }
        }
    }
}

impl Frames {
    /// The next frame with its pixels, not released yet; none at the end.
    pub(crate) fn next(&mut self) -> Option<(u32, Seen)> {
        loop {
            match self.link.recv(Some(SOON)).unwrap() {
                FromReader::Pool {
                    memory,
                    geometry,
                    caps,
                } => {
                    let Geometry { slots, slot_bytes } = geometry;
                    let pool = SharedPool::map(&memory, slots, slot_bytes).unwrap();
                    self.pool = Some((pool, geometry, caps));
                }
                FromReader::Frame(frame) => {
                    let (pool, _, caps) = self.pool.as_ref().expect("the pool comes first");
                    let mut pixels = Vec::new();
                    pool.picture(frame.slot, caps.size)
                        .unwrap()
                        .copy(&mut pixels);
                    let (index, seconds) = (frame.index, frame.seconds());
                    return Some((
                        frame.slot,
                        Seen {
                            index,
                            seconds,
                            pixels,
                        },
                    ));
                }
                FromReader::Lost { index } => panic!("frame {index} is lost"),
                FromReader::End => return None,
            }
        }
    }
}

/// Reads a file to its end, each frame given back at once.
pub(crate) fn watch(path: &Path, reader: &Value) -> Result<Watched, Box<ErrorReport>> {
    let mut stage = Stage::open(path, reader)?;
    let mut link = stage.attach();
    let mut frames = Vec::new();
    while let Some((slot, seen)) = link.next() {
        frames.push(seen);
        link.link.release(slot).unwrap();
    }
    Ok(Watched {
        frames,
        size: link
            .pool
            .map(|(_, _, caps)| (caps.size.width(), caps.size.height())),
        stats: stage.done(),
        info: stage.info,
    })
}
