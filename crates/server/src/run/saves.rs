//! The driver: looks at a pipeline's files again and again, and tells the run when one was saved.

mod look;

use std::{
    path::PathBuf,
    sync::mpsc::{RecvTimeoutError, Sender, SyncSender, channel},
    thread,
    time::{Duration, Instant},
};

use super::inbox::Incoming;
use crate::failure::Failure;
use look::{Changes, snapshot};

/// How often files are looked at; what is the same twice is complete.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// Of the time at most one part in so many goes into looking: a large folder is looked at less often.
const SHARE: u32 = 20;

/// Watches until it is dropped.
#[derive(Debug)]
pub(super) struct Saves {
    _until_dropped: Sender<()>,
}

impl Saves {
    /// From now on a change of a Python file in `place`, a file or a folder, is told to `owner`.
    pub(super) fn watch(place: PathBuf, owner: SyncSender<Incoming>) -> Result<Self, Failure> {
        let (sender, dropped) = channel::<()>();
        let mut changes = Changes::since(snapshot(&place));
        let watch = move || {
            let mut pause = LOOK_EVERY;
            while dropped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let (now, took) = timed(|| snapshot(&place));
                pause = LOOK_EVERY.max(took * SHARE);
                if changes.look(now) && owner.send(Incoming::Saved).is_err() {
                    break;
                }
            }
        };
        let thread = thread::Builder::new().name("saves".into()).spawn(watch);
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
