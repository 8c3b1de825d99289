//! What comes to the loop of a run: from its children, and from whoever ends it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
    mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
};

use framerill_supervisor::Notice;

use crate::exit::Exit;

/// What children say waits here; while it is full, they wait.
const WAITING: usize = 1024;

/// What comes to the loop of a run.
#[derive(Debug)]
pub(super) enum Incoming {
    /// From a child.
    Child(Notice),
    /// Ctrl-C or SIGTERM: what is under way is finished.
    Signal(Exit),
    /// A file of the pipeline was saved.
    Saved,
    /// See [`Inbox::is_abandoned`].
    Abandoned,
}

impl From<Notice> for Incoming {
    fn from(notice: Notice) -> Self {
        Self::Child(notice)
    }
}

/// The loop's end.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) incoming: Receiver<Incoming>,
    ender: Ender,
}

/// Ends a run, from anywhere, without a wait.
#[derive(Clone, Debug)]
pub(super) struct Ender {
    owner: SyncSender<Incoming>,
    is_abandoned: Arc<AtomicBool>,
}

impl Inbox {
    pub(super) fn new() -> Self {
        let (owner, incoming) = sync_channel(WAITING);
        let ender = Ender {
            owner,
            is_abandoned: Arc::default(),
        };
        Self { incoming, ender }
    }

    /// For children.
    pub(super) fn owner(&self) -> SyncSender<Incoming> {
        self.ender.owner.clone()
    }

    pub(super) fn ender(&self) -> Ender {
        self.ender.clone()
    }

    /// Nobody wants the run any more: its children are killed, and nothing is completed.
    pub(super) fn is_abandoned(&self) -> bool {
        self.ender.is_abandoned.load(Ordering::Acquire)
    }
}

impl Ender {
    /// Has what is under way finished. A run whose children leave no room to be told is abandoned.
    pub(super) fn stop(&self, exit: Exit) {
        let told = self.owner.try_send(Incoming::Signal(exit));
        if let Err(TrySendError::Full(_)) = told {
            self.abandon();
        }
    }

    /// Has the children killed.
    pub(super) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Release);
        // It wakes the loop; one with a full inbox is awake.
        drop(self.owner.try_send(Incoming::Abandoned));
    }
}
