//! What comes to the loop of a run.

use framerill_plates::{
    link::FromWorker,
    run::{VideoNo, WorkerId},
};
use framerill_supervisor::Notice;

use super::{prepare::Looked, reader::LinkNotice, scheduler::Ask};
use crate::exit::Exit;

/// What processes say waits here; while it is full, they wait.
pub(super) const WAITING: usize = 1024;

/// What comes to the loop of a run.
#[derive(Debug)]
pub(super) enum Incoming {
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
