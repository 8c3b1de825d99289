//! The process around a worker's loop: the child protocol's side of it.

use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::Arc,
    thread,
};

use framerill_worker::{
    child::{Handled, Handler, Parent, run as speak, take_control_socket},
    message::{ErrorReport, FromChild, Level, Role, ToChild},
};
use serde_json::{Map, Value};

use super::{Setup, StageKind, Stop, Turn, stages::all};
use crate::link::WorkLink;

/// Exit code without a control socket.
const NO_PARENT: u8 = 2;

/// Runs a worker with the built-in stages over the control socket on descriptor 0. Returns the exit code.
#[must_use]
pub fn run() -> u8 {
    run_with(all())
}

/// The same with stages of one's own.
#[must_use]
pub fn run_with(stages: Vec<&'static dyn StageKind>) -> u8 {
    let Ok(socket) = take_control_socket() else {
        return NO_PARENT;
    };
    speak(socket, Role::Worker, "framerill-plates-worker", |_| {
        Worker {
            stages: stages.into(),
            setup: None,
            joined: None,
            stop: Stop::default(),
        }
    })
}

struct Worker {
    stages: Arc<[&'static dyn StageKind]>,
    setup: Option<Arc<Setup>>,
    joined: Option<Joined>,
    stop: Stop,
}

struct Joined {
    link: Arc<WorkLink>,
    thread: thread::JoinHandle<()>,
}

impl Handler for Worker {
    fn handle(&mut self, request: ToChild, fds: Vec<OwnedFd>, parent: &Parent) -> Handled {
        match request {
            ToChild::Load { id, params, .. } => return self.load(id, params, parent),
            ToChild::Attach {
                id,
                stream,
                incarnation,
                ..
            } => parent.attached(id, stream, incarnation, self.attach(fds, parent)),
            ToChild::Drain { id } => {
                self.leave();
                parent.say(&FromChild::Drained { id, stats: None });
                return Handled::Leave;
            }
            ToChild::Bye => return Handled::Leave,
            ToChild::Describe { id, .. }
            | ToChild::Update { id, .. }
            | ToChild::Detach { id, .. }
            | ToChild::Flush { id, .. } => {
                let text = "a plates worker takes `load`, `attach`, `drain` and `bye`";
                parent.say(&FromChild::Error(ErrorReport::of_request(
                    id,
                    "unknown_message",
                    text,
                )));
            }
        }
        Handled::Done
    }
}

impl Worker {
    fn load(&mut self, id: u64, params: Map<String, Value>, parent: &Parent) -> Handled {
        match serde_json::from_value::<Setup>(Value::Object(params)) {
            Ok(setup) => {
                self.setup = Some(Arc::new(setup));
                parent.ready(id);
                Handled::Done
            }
            Err(error) => {
                let text = format!("a wrong set-up of a plates worker: {error}");
                parent.say(&FromChild::Error(ErrorReport::of_request(
                    id, "params", text,
                )));
                Handled::LoadFailed
            }
        }
    }

    fn attach(&mut self, mut fds: Vec<OwnedFd>, parent: &Parent) -> Result<(), String> {
        let (Some(setup), Some(socket), true) = (self.setup.clone(), fds.pop(), fds.is_empty())
        else {
            return Err("`attach` carries one descriptor".into());
        };
        if self.joined.is_some() {
            return Err("a plates worker has one work link".into());
        }
        let link = Arc::new(WorkLink::new(UnixStream::from(socket)));
        let (stages, stop, teller) = (Arc::clone(&self.stages), self.stop.clone(), parent.clone());
        let ours = Arc::clone(&link);
        let work = move || work(&ours, &setup, &stages, stop, &teller);
        // Inference has deep frames.
        let thread = thread::Builder::new().name("tasks".into());
        let thread = thread.stack_size(16 << 20).spawn(work);
        let thread = thread.map_err(|error| format!("cannot start a thread: {error}"))?;
        self.joined = Some(Joined { link, thread });
        Ok(())
    }

    /// Finishes what is under way.
    fn leave(&mut self) {
        self.stop.set();
        if let Some(joined) = self.joined.take() {
            joined.link.end_listening();
            // The thread reports its own end.
            drop(joined.thread.join());
        }
    }
}

fn work(
    link: &WorkLink,
    setup: &Setup,
    stages: &[&'static dyn StageKind],
    stop: Stop,
    parent: &Parent,
) {
    let mut turn = Turn::new(link, setup, stages, stop);
    // What needs a long time to load is long work; tasks have their own deadline.
    parent.set_busy(Some("load"));
    for name in &setup.load_first {
        match turn.load(name) {
            Ok(()) => {}
            Err(error) if error.is_permanent => {
                return parent.fail(ErrorReport::fatal("load_failed", error.reason));
            }
            // The first task that needs it waits for it.
            Err(error) => parent.log(Level::Warn, error.reason),
        }
    }
    parent.set_busy(None);
    if let Err(error) = turn.run() {
        parent.fail(ErrorReport::fatal("link", error.to_string()));
    }
}
