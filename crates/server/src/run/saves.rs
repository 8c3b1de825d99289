//! The driver: looks at a pipeline's files again and again, and tells the run when one was saved.

mod look;
mod watch;

use std::{
    path::PathBuf,
    sync::mpsc::{RecvTimeoutError, Sender, SyncSender, channel},
    thread,
    time::{Duration, Instant},
};

use super::inbox::Incoming;
use crate::failure::Failure;
use look::snapshot;
use watch::Watch;

/// Watches until it is dropped.
#[derive(Debug)]
pub(super) struct Saves {
    _until_dropped: Sender<()>,
}

impl Saves {
    /// From now on a change of a Python file in `place`, a file or a folder, is told to `owner`.
    pub(super) fn watch(place: PathBuf, owner: SyncSender<Incoming>) -> Result<Self, Failure> {
        let (sender, dropped) = channel::<()>();
        let mut watch = Watch::since(snapshot(&place));
        let look = move || {
            while dropped.recv_timeout(watch.pause()) == Err(RecvTimeoutError::Timeout) {
                let (now, took) = timed(|| snapshot(&place));
                if watch.looked(now, took) && owner.send(Incoming::Saved).is_err() {
                    break;
                }
            }
        };
        let thread = thread::Builder::new().name("saves".into()).spawn(look);
        thread.map_err(|error| {
            Failure::cannot_start("internal", format!("no thread for --reload: {error}"))
        })?;
        Ok(Self {
            _until_dropped: sender,
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let done = work();
    (done, began.elapsed())
}
