//! Whether someone wants an end, heard from the first moment on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, Ordering},
        mpsc::{RecvTimeoutError, sync_channel},
    },
    thread,
    time::Duration,
};

use crate::{exit::Exit, failure::Failure, signals::Told};

/// While something is opened, whether someone wants an end is looked at so often.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// So many signals end the process at once: what it waits for may not come.
const INSISTS: u32 = 3;

/// Listens to signals as long as it lives.
#[derive(Debug)]
pub(super) struct Wish {
    code: Arc<AtomicU8>,
    _told: Told,
}

impl Wish {
    /// Listens from now on.
    pub(super) fn listen() -> Result<Self, Failure> {
        let code = Arc::new(AtomicU8::new(0));
        let (heard, count) = (Arc::clone(&code), AtomicU32::new(0));
        let told = Told::listen(move |exit| {
            if count.fetch_add(1, Ordering::Relaxed) + 1 >= INSISTS {
                std::process::exit(exit.code().into());
            }
            heard.store(exit.code(), Ordering::Relaxed);
            true
        })?;
        Ok(Self { code, _told: told })
    }

    /// How to end, if someone wants an end.
    pub(super) fn exit(&self) -> Option<Exit> {
        match self.code.load(Ordering::Relaxed) {
            0 => None,
            130 => Some(Exit::Interrupted),
            _ => Some(Exit::Terminated),
        }
    }

    /// What comes of `open`, which may wait for a server; none where someone wants an end first. Then it is left to itself,
    /// and ends with the process.
    pub(super) fn unless_heard<T: Send + 'static>(
        &self,
        open: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<Option<T>, Failure> {
        let (tell, opened) = sync_channel(1);
        let thread = thread::Builder::new().name("open".into());
        thread
            .spawn(move || drop(tell.send(open())))
            .map_err(|error| {
                Failure::cannot_start("thread", format!("cannot start a thread: {error}"))
            })?;
        loop {
            match opened.recv_timeout(LOOK_AGAIN) {
                Ok(it) => return it.map(Some),
                Err(RecvTimeoutError::Timeout) if self.exit().is_some() => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::failed("internal", "a thread ended without a word"));
                }
            }
        }
    }
}
