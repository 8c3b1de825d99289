//! Ctrl-C and SIGTERM as messages of the loop.

use std::{sync::mpsc::SyncSender, thread};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::{Handle, Signals as Incoming},
};

use super::members;
use crate::{exit::Exit, failure::Failure};

/// Listens until it is dropped.
pub(super) struct Signals(Handle);

impl Signals {
    pub(super) fn listen(owner: SyncSender<members::Incoming>) -> Result<Self, Failure> {
        let broken = |error: std::io::Error| {
            Failure::cannot_start("signals", format!("cannot listen for signals: {error}"))
        };
        let mut signals = Incoming::new([SIGINT, SIGTERM, SIGHUP]).map_err(broken)?;
        let handle = signals.handle();
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in signals.forever() {
                    if owner.send(members::Incoming::Signal(signal)).is_err() {
                        return;
                    }
                }
            })
            .map_err(broken)?;
        Ok(Self(handle))
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// How a command ends that this signal ended.
pub(super) fn exit_of(signal: i32) -> Exit {
    match signal {
        SIGINT => Exit::Interrupted,
        _ => Exit::Terminated,
    }
}
