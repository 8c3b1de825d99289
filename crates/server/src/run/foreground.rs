//! One Python pipeline on this terminal: no deadlines, no restarts, so that a debugger works.
//!
//! Looks to the loop like a supervised worker.

use std::{
    collections::VecDeque,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
    path::Path,
    process::{Child, Command},
    sync::{Arc, mpsc::SyncSender},
    thread,
    time::Duration,
};

use framerill_supervisor::{
    ChildId, Event, ExitReason, Notice, Update,
    lifecycle::{self, Reason},
};
use framerill_worker::{
    Channel, ChannelError,
    message::{FromChild, ToChild},
};

use super::inbox::Incoming;
use crate::failure::Failure;

const SEND_WITHIN: Duration = Duration::from_secs(5);

/// A worker that has this terminal.
pub(super) struct Foreground {
    channel: Arc<Channel>,
    updates: VecDeque<Update>,
    last_request: u64,
    phase: Phase,
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Loading,
    Ready,
    /// It was asked to leave, or its loss was told.
    Leaving,
    Ended,
}

impl Foreground {
    /// Starts it with the terminal's stdin and stdout; the control socket is another descriptor.
    pub(super) fn start(
        id: ChildId,
        program: &Path,
        args: &[&str],
        owner: SyncSender<Incoming>,
    ) -> Result<Self, Failure> {
        let shown = program.display();
        let broken = |error: std::io::Error| {
            Failure::cannot_start("no_python", format!("cannot run `{shown}`: {error}"))
        };
        let (ours, theirs) = Channel::pair().map_err(broken)?;
        // Without close-on-exec, so that the child inherits it.
        let inherited: OwnedFd = rustix::io::dup(&theirs).map_err(|errno| broken(errno.into()))?;
        let child = Command::new(program)
            .args(args)
            .env("PYTHONSAFEPATH", "1")
            .env("FRAMERILL_CONTROL_FD", inherited.as_raw_fd().to_string())
            .spawn()
            .map_err(broken)?;
        drop((inherited, theirs));
        let channel = Arc::new(Channel::new(ours));
        let reader = Arc::clone(&channel);
        thread::Builder::new()
            .name("listen".into())
            .spawn(move || listen(id, &reader, child, &owner))
            .map_err(broken)?;
        Ok(Self {
            channel,
            updates: VecDeque::new(),
            last_request: 0,
            phase: Phase::Loading,
        })
    }

    pub(super) fn handle(&mut self, notice: Notice) {
        match notice.event {
            Event::LogLine(line) => self.updates.push_back(Update::LogLine(line)),
            Event::LogLeftOut(it) => self.updates.push_back(Update::LogLeftOut(it)),
            Event::ChannelClosed(_) | Event::Overused(_) => {}
            Event::Exited(reason) => {
                // Only one that leaves may end, whatever its code says.
                let event = if self.phase == Phase::Leaving {
                    lifecycle::Event::Stopped { exit: reason }
                } else {
                    lifecycle::Event::Failed {
                        reason: Reason::from(reason),
                    }
                };
                self.phase = Phase::Ended;
                self.updates.push_back(Update::Lifecycle(event));
            }
            Event::Message(message, fds) => self.said(message, fds),
        }
    }

    fn said(&mut self, message: FromChild, fds: Vec<OwnedFd>) {
        let next = match &message {
            FromChild::Hello { .. } => {
                let id = self.request_id();
                Some(Update::Load { id })
            }
            FromChild::Ready { .. } => {
                self.phase = Phase::Ready;
                Some(Update::Lifecycle(lifecycle::Event::Ready {
                    incarnation: 1,
                    reloaded: false,
                }))
            }
            // Without a load there is nothing to wait for.
            FromChild::Error(_) if self.phase == Phase::Loading => {
                self.phase = Phase::Leaving;
                Some(Update::Lifecycle(lifecycle::Event::Failed {
                    reason: Reason::from(ExitReason::Left),
                }))
            }
            _ => None,
        };
        self.updates.push_back(Update::Message(message, fds));
        self.updates.extend(next);
    }

    pub(super) fn next_update(&mut self) -> Option<Update> {
        self.updates.pop_front()
    }

    pub(super) fn request_id(&mut self) -> u64 {
        self.last_request += 1;
        self.last_request
    }

    pub(super) fn send(
        &mut self,
        message: &ToChild,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), ChannelError> {
        self.channel.send(message, fds, SEND_WITHIN)
    }

    pub(super) fn stop(&mut self) {
        let was_ready = self.phase == Phase::Ready;
        if self.phase != Phase::Ended {
            self.phase = Phase::Leaving;
        }
        let id = self.request_id();
        // A worker that has nothing to finish leaves when its parent's end of the socket closes.
        if !was_ready || self.send(&ToChild::Drain { id }, &[]).is_err() {
            self.channel.shutdown();
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Ended
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        // The end of its parent's socket ends the worker.
        self.channel.shutdown();
    }
}

fn listen(id: ChildId, channel: &Channel, mut child: Child, owner: &SyncSender<Incoming>) {
    let say = |event| {
        let notice = Notice {
            child: id,
            incarnation: 1,
            event,
        };
        owner.send(notice.into()).is_ok()
    };
    while let Ok((message, fds)) = channel.recv::<FromChild>(None) {
        if !say(Event::Message(message, fds)) {
            break;
        }
    }
    let exit = match child.wait() {
        Ok(status) => ExitReason::from_status(status, true, None),
        Err(error) => ExitReason::SpawnFailed {
            what: error.to_string(),
        },
    };
    say(Event::Exited(exit));
}
