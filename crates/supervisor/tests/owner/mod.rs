//! An owner's loop as `run` has it: one receiver, one child.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    time::Instant,
};

use framerill_supervisor::{
    ChildId, Command, Config, Notice, Supervised, Update, lifecycle::Event,
};
use framerill_worker::message::ToChild;

use crate::stage::SOON;

pub(crate) struct Owner {
    pub(crate) child: Supervised<Notice>,
    notices: Receiver<Notice>,
}

impl Owner {
    pub(crate) fn start(config: Config, command: Command) -> Self {
        let (owner, notices) = sync_channel(256);
        let child = Supervised::start(config, command, ChildId(7), owner);
        Self { child, notices }
    }

    /// Runs the loop until the lifecycle says what is `wanted`.
    pub(crate) fn event(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            match self.update() {
                Update::Lifecycle(event) if wanted(&event) => return event,
                Update::Lifecycle(Event::Failed { reason }) => panic!("failed: {reason}"),
                _ => {}
            }
        }
    }

    /// Runs the loop until there is something to look at. A load is answered here.
    #[expect(clippy::disallowed_methods, reason = "real processes, real time")]
    pub(crate) fn update(&mut self) -> Update {
        let give_up = Instant::now() + SOON;
        loop {
            match self.child.next_update() {
                Some(Update::Load { id }) => self.load(id),
                Some(update) => return update,
                None => {
                    let now = Instant::now();
                    assert!(now < give_up, "nothing happens: {:?}", self.child);
                    let wake = self.child.next_deadline().unwrap_or(give_up).min(give_up);
                    match self
                        .notices
                        .recv_timeout(wake.saturating_duration_since(now))
                    {
                        Ok(notice) => self.child.handle(notice),
                        Err(RecvTimeoutError::Timeout) => self.child.on_deadline(),
                        Err(RecvTimeoutError::Disconnected) => panic!("nobody is there"),
                    }
                }
            }
        }
    }

    fn load(&mut self, id: u64) {
        let load = ToChild::Load {
            id,
            pipeline: Some("x".into()),
            params: serde_json::Map::new(),
            base: None,
            media: None,
            fds: 0,
        };
        self.child.send(&load, &[]).unwrap();
    }
}
