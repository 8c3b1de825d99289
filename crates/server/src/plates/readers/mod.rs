//! The readers: which of them reads which video, and the memory that workers are lent. [`reader`] is one of them, `heard` has
//! their words.

mod heard;
pub mod reader;

use std::{
    collections::{BTreeMap, VecDeque},
    os::fd::OwnedFd,
    sync::mpsc::SyncSender,
    time::Instant,
};

use framerill_frames::Geometry;
use framerill_plates::run::{ReaderId, ReaderSaid};
use framerill_supervisor::{ChildId, Notice};
use framerill_worker::message::ReaderPlan;
use rustix::fs::fstat;

use super::{log::Level, run::inbox::Incoming};
use heard::Heard;
use reader::{Files, LinkNotice, ReaderEvent, ReaderProcess};

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
    heard: Heard,
    /// What it reads; its size at the end says whether it is what it was.
    video: Option<OwnedFd>,
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
    pub(super) fn start(&mut self, id: ReaderId, name: &str, files: Files, plan: ReaderPlan) {
        let child = ChildId(FIRST_CHILD + id.0);
        let video = files.video.try_clone().ok();
        match ReaderProcess::start(child, name, files, plan, self.owner.clone()) {
            Ok(process) => {
                let live = Live {
                    process,
                    heard: Heard::default(),
                    video,
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
        let event = match event {
            ReaderEvent::Pool {
                memory,
                geometry,
                caps,
            } => {
                let opened = live.heard.pool(geometry, caps);
                self.pools.insert(id, Memory { memory, geometry });
                return Some(opened);
            }
            event => event,
        };
        let (mut said, line) = live.heard.said(event);
        if let Some(ReaderSaid::Ended(end)) = &mut said {
            let stat = live.video.take().and_then(|it| fstat(it).ok());
            end.size_bytes = stat.and_then(|it| it.st_size.try_into().ok());
        }
        if let Some((level, line)) = line {
            self.events.push_back(ReadersEvent::Log(id, level, line));
        }
        said
    }
}
