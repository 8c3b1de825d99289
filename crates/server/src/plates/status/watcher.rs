//! The scheduler as the orchestrator sees it: a child that asks how the run stands. Nothing depends on it.

use std::{
    io,
    os::fd::AsFd,
    sync::{Arc, mpsc::SyncSender},
    thread,
    time::{Duration, Instant},
};

use framerill_supervisor::{
    ChildId, Command, Config, Notice, Supervised, Update, lifecycle::Event,
};
use framerill_worker::{Channel, message::ToChild};

use super::{scheduler::Ask, snapshot::Snapshot};
use crate::{failure::Failure, plates::run::inbox::Incoming};

pub(in crate::plates) const CHILD: ChildId = ChildId(0);
/// It may die as often as it likes, within reason.
const MAX_RESTARTS: u32 = 1000;
const SEND_WITHIN: Duration = Duration::from_millis(100);

/// The scheduler's process.
#[derive(Debug)]
pub(in crate::plates) struct Watcher {
    child: Supervised<Incoming>,
    link: Option<Arc<Channel>>,
    incarnation: u32,
    owner: SyncSender<Incoming>,
    lines: Vec<String>,
}

impl Watcher {
    pub(in crate::plates) fn start(owner: SyncSender<Incoming>) -> Result<Self, Failure> {
        let command = Command::new(crate::program::this()?).arg("plates-scheduler");
        let config = Config {
            max_restarts: MAX_RESTARTS,
            ..Config::default()
        };
        let child = Supervised::start(config, command, CHILD, owner.clone());
        Ok(Self {
            child,
            link: None,
            incarnation: 0,
            owner,
            lines: Vec::new(),
        })
    }

    pub(in crate::plates) fn handle(&mut self, notice: Notice) {
        self.child.handle(notice);
        self.updates();
    }

    /// Answers how the run stands.
    pub(in crate::plates) fn answer(&mut self, incarnation: u32, snapshot: &Snapshot) {
        if incarnation != self.incarnation {
            return;
        }
        let sent = self
            .link
            .as_ref()
            .map(|it| it.send(snapshot, &[], SEND_WITHIN));
        if let Some(Err(_)) = sent {
            self.link = None;
            self.child.violated("it does not read".into());
            self.updates();
        }
    }

    pub(in crate::plates) fn stop(&mut self, within: Duration) {
        self.child.stop(within);
        self.updates();
    }

    pub(in crate::plates) fn is_over(&self) -> bool {
        self.child.state().is_terminal()
    }

    pub(in crate::plates) fn next_deadline(&self) -> Option<Instant> {
        self.child.next_deadline()
    }

    pub(in crate::plates) fn on_deadline(&mut self) {
        self.child.on_deadline();
        self.updates();
    }

    /// What it said for the log.
    pub(in crate::plates) fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    fn updates(&mut self) {
        while let Some(update) = self.child.next_update() {
            match update {
                Update::Load { id } => {
                    let load = ToChild::Load {
                        id,
                        pipeline: None,
                        params: serde_json::Map::new(),
                        base: None,
                        media: None,
                        fds: 0,
                    };
                    self.child.post(&load, &[]);
                }
                Update::Lifecycle(Event::Ready { incarnation, .. }) => {
                    if let Err(what) = self.attach(incarnation) {
                        self.child.violated(what);
                    }
                }
                Update::Lifecycle(Event::Restarting { reason, .. }) => {
                    self.link = None;
                    self.lines.push(format!(
                        "the scheduler is gone, and started again: {reason}"
                    ));
                }
                Update::LogLine(line) => self.lines.push(line),
                Update::Lifecycle(_) | Update::Message(..) | Update::LogLeftOut(_) => {}
            }
        }
    }

    fn attach(&mut self, incarnation: u32) -> Result<(), String> {
        let broken = |error: io::Error| error.to_string();
        let (ours, its) = Channel::pair().map_err(broken)?;
        let link = Arc::new(Channel::of_link(ours));
        let (hears, owner) = (Arc::clone(&link), self.owner.clone());
        let hear = move || {
            while let Ok((ask, _)) = hears.recv::<Ask>(None) {
                if owner.send(Incoming::Asked { incarnation, ask }).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("scheduler-link".into());
        thread.spawn(hear).map_err(broken)?;
        let terminal = io::stderr();
        let attach = ToChild::attach(self.child.request_id(), "status", incarnation, 2);
        self.child.post(&attach, &[its.as_fd(), terminal.as_fd()]);
        self.link = Some(link);
        self.incarnation = incarnation;
        Ok(())
    }
}
