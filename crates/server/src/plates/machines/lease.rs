//! An item stays a worker's while it is read: the queue hears of it well before it would hand it out again.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::{self, Scope},
    time::Duration,
};

use framerill_plates::{
    flow::VideoEnd,
    machines::{
        Key, Note, duty,
        nats::{Delivery, Queue},
    },
};

use crate::plates::status::snapshot::Snapshot;

/// Words on how far an item is; a lease's own words are never further apart than a third of it.
const EVERY: Duration = Duration::from_secs(2);

/// What the run and the lease's thread share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    note: Arc<Mutex<Note>>,
    is_lost: Arc<AtomicBool>,
}

impl Shared {
    pub(super) fn new(note: Note) -> Self {
        Self {
            note: Arc::new(Mutex::new(note)),
            is_lost: Arc::default(),
        }
    }

    /// The note as it is by now.
    pub(super) fn note(&self) -> Note {
        self.note
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Another worker has the item.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    /// How far the run is.
    pub(super) fn look(&self, snapshot: &Snapshot) {
        let mut note = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        note.frames = note.frames.max(snapshot.frames);
        note.of = snapshot.videos.first().and_then(|it| it.of).or(note.of);
        note.fps = snapshot.fps;
        note.plates = snapshot.plates;
        note.dead_letters = snapshot.dead_letters;
    }

    /// How the video came out.
    pub(super) fn end(&self, end: &VideoEnd, dead_letters: u64) {
        let mut note = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        (note.frames, note.tracks, note.plates) = (end.frames, end.tracks, end.plates);
        (note.fps, note.dead_letters) = (0.0, dead_letters);
    }
}

/// Held while an item is read; dropped, it says no more.
pub(super) struct Lease {
    _over: Sender<()>,
}

impl Lease {
    /// Keeps `delivery` from now on, on a thread of its own.
    pub(super) fn keep<'scope>(
        scope: &'scope Scope<'scope, '_>,
        queue: &'scope Queue,
        delivery: &'scope Delivery<'_>,
        key: &'scope Key,
        ack_wait: Duration,
        shared: Shared,
    ) -> Self {
        let (over, is_over) = channel();
        let every = EVERY.min(ack_wait / 3);
        let keep = move || {
            loop {
                delivery.progress();
                let note = shared.note();
                let noted = queue.noted_in_passing(key);
                if noted.is_some_and(|it| duty::is_lost(&note, &it)) {
                    shared.is_lost.store(true, Ordering::Relaxed);
                    return;
                }
                queue.note_in_passing(key, &note);
                if is_over.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let named = thread::Builder::new().name("lease".into());
        // Without a thread the item may be handed out twice: its rows come out the same.
        drop(named.spawn_scoped(scope, keep));
        Self { _over: over }
    }
}
