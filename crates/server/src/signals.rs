//! Ctrl-C, SIGTERM and SIGHUP: what ends a command.

use std::{thread, time::Duration};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::{Handle, Signals},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, timeout_at},
};

use crate::{exit::Exit, failure::Failure};

/// Signals that come within this time of the first are the same wish: service managers signal a whole group of processes,
/// and each of them tells its children as well.
const VOLLEY: Duration = Duration::from_secs(1);

/// Something to wait for.
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Stop {
    /// Listens from now on; within a runtime.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let on = |kind| signal(kind).map_err(broken);
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hang_up: on(SignalKind::hangup())?,
        })
    }

    /// The next one, as the way to end.
    pub(crate) async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
            _ = self.hang_up.recv() => Exit::Terminated,
        }
    }

    /// One that insists: it comes when the one before is a while ago.
    pub(crate) async fn again(&mut self) -> Exit {
        let over = Instant::now() + VOLLEY;
        while timeout_at(over, self.next()).await.is_ok() {}
        self.next().await
    }
}

/// The same for a loop that has no runtime: each one is told. Dropped, it listens no more.
#[derive(Debug)]
pub(crate) struct Told(Handle);

impl Told {
    /// Listens from now on, until `tell` says that nobody hears it.
    pub(crate) fn listen(
        mut tell: impl FnMut(Exit) -> bool + Send + 'static,
    ) -> Result<Self, Failure> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(broken)?;
        let handle = signals.handle();
        let listen = move || {
            let exits = signals.forever().map(|signal| match signal {
                SIGINT => Exit::Interrupted,
                _ => Exit::Terminated,
            });
            for exit in exits {
                if !tell(exit) {
                    return;
                }
            }
        };
        let started = thread::Builder::new().name("signals".into()).spawn(listen);
        started.map(|_| Self(handle)).map_err(broken)
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn broken(error: std::io::Error) -> Failure {
    Failure::cannot_start("signals", format!("cannot listen for signals: {error}"))
}
