//! The readers: which of them reads which video, and the memory that workers are lent.

use std::{
    collections::{BTreeMap, VecDeque},
    os::fd::OwnedFd,
    sync::mpsc::SyncSender,
    time::Instant,
};

use framerill_frames::Geometry;
use framerill_media::Caps;
use framerill_plates::{
    flow::{SourceEnd, SourceStatus},
    run::{ReaderId, ReaderSaid},
};
use framerill_supervisor::{ChildId, Notice};
use framerill_worker::message::{Level as Grade, ReaderPlan, ReaderStats, ReaderStatus};

use super::{
    inbox::Incoming,
    logs::Level,
    reader::{LinkNotice, ReaderEvent, ReaderProcess},
};

/// Readers' ids among all children of a run.
const FIRST_CHILD: u32 = 1_000_000;

/// What came of a reader.
#[derive(Debug)]
pub(super) enum ReadersEvent {
    Said(ReaderId, ReaderSaid),
    Log(ReaderId, Level, String),
}

/// The memory of a reader's frames.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) memory: OwnedFd,
    pub(super) geometry: Geometry,
}

/// All readers.
#[derive(Debug)]
pub(super) struct Readers {
    live: BTreeMap<ReaderId, Live>,
    pools: BTreeMap<ReaderId, Memory>,
    events: VecDeque<ReadersEvent>,
    owner: SyncSender<Incoming>,
}

#[derive(Debug)]
struct Live {
    process: ReaderProcess<Incoming>,
    fps: Option<f64>,
    frames: Option<u64>,
    caps: Option<Caps>,
}

impl Readers {
    pub(super) fn new(owner: SyncSender<Incoming>) -> Self {
        Self {
            live: BTreeMap::new(),
            pools: BTreeMap::new(),
            events: VecDeque::new(),
            owner,
        }
    }

    /// Starts one.
    pub(super) fn start(&mut self, id: ReaderId, name: &str, file: OwnedFd, plan: ReaderPlan) {
        let child = ChildId(FIRST_CHILD + id.0);
        match ReaderProcess::start(child, name, file, plan, self.owner.clone()) {
            Ok(process) => {
                let live = Live {
                    process,
                    fps: None,
                    frames: None,
                    caps: None,
                };
                self.live.insert(id, live);
                self.events_of(id);
            }
            Err(failure) => {
                let gone = ReaderSaid::Gone(failure.to_string());
                self.events.push_back(ReadersEvent::Said(id, gone));
            }
        }
    }

    /// It cannot be started.
    pub(super) fn fail(&mut self, id: ReaderId, why: &str) {
        let gone = ReaderSaid::Gone(why.to_owned());
        self.events.push_back(ReadersEvent::Said(id, gone));
    }

    /// Whether a notice was for one of them.
    pub(super) fn handle(&mut self, notice: Notice) -> Option<Notice> {
        let id = ReaderId(notice.child.0.wrapping_sub(FIRST_CHILD));
        let Some(live) = self.live.get_mut(&id) else {
            return Some(notice);
        };
        live.process.handle(notice);
        self.events_of(id);
        None
    }

    /// Takes in what a frame link said.
    pub(super) fn frames(&mut self, notice: LinkNotice) {
        let id = ReaderId(notice.reader.0.wrapping_sub(FIRST_CHILD));
        if let Some(live) = self.live.get_mut(&id) {
            live.process.handle_link(notice);
            self.events_of(id);
        }
    }

    pub(super) fn release(&mut self, id: ReaderId, slot: u32) {
        if let Some(live) = self.live.get_mut(&id) {
            live.process.release(slot);
            self.events_of(id);
        }
    }

    pub(super) fn stop(&mut self, id: ReaderId) {
        if let Some(live) = self.live.get_mut(&id) {
            live.process.stop();
            self.events_of(id);
        }
    }

    pub(super) fn kill(&mut self, id: ReaderId) {
        if let Some(live) = self.live.get_mut(&id) {
            live.process.kill("it took too long");
            self.events_of(id);
        }
    }

    pub(super) fn pool(&self, id: ReaderId) -> Option<&Memory> {
        self.pools.get(&id)
    }

    pub(super) fn drop_pool(&mut self, id: ReaderId) {
        self.pools.remove(&id);
    }

    pub(super) fn next_event(&mut self) -> Option<ReadersEvent> {
        self.events.pop_front()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let all = self.live.values();
        all.filter_map(|it| it.process.next_deadline()).min()
    }

    pub(super) fn on_deadline(&mut self) {
        let ids: Vec<_> = self.live.keys().copied().collect();
        for id in ids {
            if let Some(live) = self.live.get_mut(&id) {
                live.process.on_deadline();
            }
            self.events_of(id);
        }
    }

    fn events_of(&mut self, id: ReaderId) {
        while let Some(event) = self
            .live
            .get_mut(&id)
            .and_then(|it| it.process.next_event())
        {
            if let Some(said) = self.said(id, event) {
                let is_gone = matches!(said, ReaderSaid::Gone(_));
                self.events.push_back(ReadersEvent::Said(id, said));
                if is_gone {
                    self.live.remove(&id);
                }
            }
        }
    }

    fn said(&mut self, id: ReaderId, event: ReaderEvent) -> Option<ReaderSaid> {
        let live = self.live.get_mut(&id)?;
        Some(match event {
            ReaderEvent::Opened(source) => {
                live.fps = rate(source.fps);
                live.frames = source.frames;
                return None;
            }
            ReaderEvent::Pool {
                memory,
                geometry,
                caps,
            } => {
                live.caps = Some(caps);
                let opened = ReaderSaid::Opened {
                    slots: geometry.slots,
                    slot_bytes: geometry.slot_bytes.into(),
                    fps: live.fps,
                    frames: live.frames,
                };
                self.pools.insert(id, Memory { memory, geometry });
                opened
            }
            ReaderEvent::Frame(frame) => {
                let size = live.caps?.size;
                ReaderSaid::Frame {
                    frame_idx: frame.index,
                    ts_ms: frame.seconds().map(|it| it * 1000.0),
                    slot: frame.slot,
                    width: size.width(),
                    height: size.height(),
                }
            }
            ReaderEvent::Alive(stats) => ReaderSaid::Alive {
                decoded: stats.decoded,
            },
            ReaderEvent::Ended(stats) if stats.status == ReaderStatus::NoMemory => {
                ReaderSaid::NoStore(stats.reason.unwrap_or_default())
            }
            ReaderEvent::Ended(stats) => ReaderSaid::Ended(end(*stats)),
            ReaderEvent::Gone(why) => ReaderSaid::Gone(why),
            ReaderEvent::Lost { index } => {
                let line = format!("frame {index} could not be read");
                self.events
                    .push_back(ReadersEvent::Log(id, Level::Warning, line));
                return None;
            }
            ReaderEvent::Log(level, line) => {
                let level = match level {
                    Grade::Error => Level::Error,
                    Grade::Warn => Level::Warning,
                    Grade::Info | Grade::Debug => Level::Info,
                };
                self.events.push_back(ReadersEvent::Log(id, level, line));
                return None;
            }
        })
    }
}

fn rate([num, den]: [u32; 2]) -> Option<f64> {
    (num > 0 && den > 0).then(|| f64::from(num) / f64::from(den))
}

fn end(stats: ReaderStats) -> SourceEnd {
    SourceEnd {
        status: match stats.status {
            ReaderStatus::Complete => SourceStatus::Complete,
            ReaderStatus::Partial => SourceStatus::Partial,
            ReaderStatus::Stopped => SourceStatus::Stopped,
            ReaderStatus::Reading | ReaderStatus::Failed | ReaderStatus::NoMemory => {
                SourceStatus::Failed
            }
        },
        reason: stats.reason,
        decoded: stats.decoded,
        failed: stats.failed,
        fps: rate(stats.fps),
        duration_ms: stats.duration.map(|it| it * 1000.0),
    }
}
