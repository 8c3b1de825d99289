//! What comes to the loop of a run.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
    mpsc::{Receiver, SyncSender, sync_channel},
};

use framerill_plates::{
    link::FromWorker,
    run::{VideoNo, WorkerId},
};
use framerill_supervisor::Notice;

use crate::{
    exit::Exit,
    failure::Failure,
    plates::{
        inputs::prepare::Looked, log::Level, readers::reader::LinkNotice, status::scheduler::Ask,
    },
    signals::Told,
};

/// What processes say waits here; while it is full, they wait.
const WAITING: usize = 1024;
/// So many signals before the loop begins end the process at once: what it waits for may not be there.
const INSISTS: u32 = 3;

/// What comes to the loop of a run.
#[derive(Debug)]
pub(in crate::plates) enum Incoming {
    /// A child's notice.
    Child(Notice),
    /// A reader's frame link.
    Frames(LinkNotice),
    /// A worker's link; an end with the rule that was broken, if one was.
    Work {
        worker: WorkerId,
        incarnation: u32,
        said: Result<FromWorker, Option<String>>,
    },
    /// The scheduler's link.
    Asked { incarnation: u32, ask: Ask },
    /// A line for the log.
    Line(Level, String),
    /// A video was looked at.
    Prepared { video: VideoNo, looked: Box<Looked> },
    /// Someone wants an end.
    Signal(Exit),
}

impl From<Notice> for Incoming {
    fn from(notice: Notice) -> Self {
        Self::Child(notice)
    }
}

impl From<LinkNotice> for Incoming {
    fn from(notice: LinkNotice) -> Self {
        Self::Frames(notice)
    }
}

/// Where it comes, before there is a loop: from the first moment on a signal ends the run in order.
#[derive(Debug)]
pub(in crate::plates) struct Inbox {
    owner: SyncSender<Incoming>,
    incoming: Receiver<Incoming>,
    /// Whether the loop takes what comes.
    is_begun: Arc<AtomicBool>,
    /// Listens to signals for as long as it lives.
    told: Told,
}

impl Inbox {
    /// Listens from now on.
    pub(in crate::plates) fn listen() -> Result<Self, Failure> {
        let (owner, incoming) = sync_channel(WAITING);
        let is_begun = Arc::new(AtomicBool::new(false));
        let (tell, begun, early) = (owner.clone(), Arc::clone(&is_begun), AtomicU32::new(0));
        let told = Told::listen(move |exit| {
            if !begun.load(Ordering::Relaxed)
                && early.fetch_add(1, Ordering::Relaxed) + 1 >= INSISTS
            {
                std::process::exit(exit.code().into());
            }
            tell.send(Incoming::Signal(exit)).is_ok()
        })?;
        Ok(Self {
            owner,
            incoming,
            is_begun,
            told,
        })
    }

    /// How to end, if someone wanted an end before the loop began.
    pub(in crate::plates) fn stopped(&self) -> Option<Exit> {
        let mut came = self.incoming.try_iter();
        came.find_map(|it| match it {
            Incoming::Signal(exit) => Some(exit),
            // Nothing is started yet.
            _ => None,
        })
    }

    /// The loop begins: its two ends, and what listens to signals while it lives.
    pub(in crate::plates) fn begin(self) -> (SyncSender<Incoming>, Receiver<Incoming>, Told) {
        self.is_begun.store(true, Ordering::Relaxed);
        (self.owner, self.incoming, self.told)
    }
}
