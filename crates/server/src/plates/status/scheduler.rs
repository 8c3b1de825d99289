//! The scheduler's process: it looks at the run each second and shows how it stands. It decides nothing, and may die.
//!
//! A child of the child protocol. With `attach` come its end of a link and the terminal: it asks ([`Ask`]) over the link, and
//! the orchestrator answers with a [`Snapshot`].

use std::{
    fs::File,
    io::{IsTerminal, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::Arc,
    thread,
    time::Duration,
};

use framerill_worker::{
    Channel, ChannelError,
    child::{Handled, Handler, Parent, run as speak, take_control_socket},
    message::{FromChild, Role, ToChild},
};
use serde::{Deserialize, Serialize};

use super::{hud, snapshot::Snapshot};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
const SEND_WITHIN: Duration = Duration::from_secs(5);
const NO_PARENT: u8 = 2;

/// What the scheduler says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Ask {
    /// How does the run stand?
    Snapshot,
    /// A line for the log.
    Warn { message: String },
    /// Everything is idle and the queue is empty: a hint.
    Idle,
}

/// Runs it over the control socket on descriptor 0. Returns the exit code.
pub(crate) fn run() -> u8 {
    let Ok(socket) = take_control_socket() else {
        return NO_PARENT;
    };
    // Ctrl-C reaches the whole group of a terminal; the orchestrator alone reacts.
    speak(socket, Role::Worker, "framerill-plates-scheduler", |_| {
        Scheduler { link: None }
    })
}

struct Scheduler {
    link: Option<(Arc<Channel>, thread::JoinHandle<()>)>,
}

impl Handler for Scheduler {
    fn handle(&mut self, request: ToChild, fds: Vec<OwnedFd>, parent: &Parent) -> Handled {
        match request {
            ToChild::Load { id, .. } => parent.ready(id),
            ToChild::Attach {
                id,
                stream,
                incarnation,
                ..
            } => parent.attached(id, stream, incarnation, self.attach(fds)),
            ToChild::Drain { id } => {
                if let Some((link, thread)) = self.link.take() {
                    link.shutdown();
                    // It draws; a panic in it is its own.
                    drop(thread.join());
                }
                parent.say(&FromChild::Drained { id, stats: None });
                return Handled::Leave;
            }
            ToChild::Bye => return Handled::Leave,
            _ => {}
        }
        Handled::Done
    }
}

impl Scheduler {
    fn attach(&mut self, fds: Vec<OwnedFd>) -> Result<(), &'static str> {
        let Ok([link, terminal]) = <[OwnedFd; 2]>::try_from(fds) else {
            return Err("`attach` carries a link and a terminal");
        };
        if self.link.is_some() {
            return Err("a scheduler looks at one run");
        }
        let link = Arc::new(Channel::of_link(UnixStream::from(link)));
        let ours = Arc::clone(&link);
        let watch = move || watch(&ours, File::from(terminal));
        let thread = thread::Builder::new().name("watch".into()).spawn(watch);
        let thread = thread.map_err(|_| "cannot start a thread")?;
        self.link = Some((link, thread));
        Ok(())
    }
}

/// Until the link ends.
fn watch(link: &Channel, mut terminal: File) {
    let is_terminal = terminal.is_terminal();
    let (mut stale, mut drawn, mut was_idle) = (hud::Stale::default(), 0, false);
    while link.send(&Ask::Snapshot, &[], SEND_WITHIN).is_ok() {
        let Ok((snapshot, _)) = link.recv::<Snapshot>(None) else {
            break;
        };
        for message in stale.look(&snapshot) {
            drop(link.send(&Ask::Warn { message }, &[], SEND_WITHIN));
        }
        let is_idle = hud::is_idle(&snapshot);
        if is_idle && !was_idle {
            drop(link.send(&Ask::Idle, &[], SEND_WITHIN));
        }
        was_idle = is_idle;
        let text = if is_terminal {
            let (width, height) = size();
            let text;
            (text, drawn) = hud::redraw(drawn, &hud::screen(&snapshot), width, height);
            text
        } else {
            hud::line(&snapshot) + "\n"
        };
        // Nobody may be there any more: the run goes on without a reader.
        drop(terminal.write_all(text.as_bytes()));
        // Nothing comes unasked: this is the pause, and the end of it.
        if !matches!(link.recv_value(Some(EVERY)), Err(ChannelError::Deadline(_))) {
            break;
        }
    }
}

/// As the shell says, or what every terminal has: a picture that is too wide is cut by the terminal itself.
fn size() -> (usize, usize) {
    let told = |name: &str| std::env::var(name).ok()?.parse().ok();
    (told("COLUMNS").unwrap_or(200), told("LINES").unwrap_or(40))
}
