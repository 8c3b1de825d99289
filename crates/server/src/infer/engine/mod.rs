//! Streams and the processes behind them. One thread owns all children and decides nothing that a machine decides: the
//! seating (who sits where), lifecycles (when a child is restarted), guardians (what state a stream is in), flows (which
//! parameters a worker has).
//!
//! Read in this order: [`Command`] and [`Snapshot`] (what is asked of it and told by it); the nouns `worker` and `last_words`
//! (a worker, its parameters, what it said), `stream` and `params_status` (a stream, its media, what became of its parameters)
//! and `seat` (a guardian, a worker and the stream that sits there); the machines `seating`, `flow`, `quarantined`, `tally` and
//! `troubles` (who sits where, which parameters, which never again, what media counted, what is to be told of that; pure); and
//! `driver`, which owns all of these, asks the machines and does what they say.
//!
//! ```text
//! seat ── guardian
//!  ├── worker ── worker process      outlives streams; several seats share one where a stream asks for it
//!  └── stream ── media process       one stream long
//!         └───── transport           on the event loop
//! ```

mod driver;
pub(super) mod flow;
mod last_words;
mod outputs;
mod params_status;
mod quarantined;
mod seat;
mod seating;
mod snapshot;
mod stream;
mod tally;
mod troubles;
mod worker;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use framerill_supervisor::Notice;
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use driver::Driver;
pub(super) use params_status::ParamsStatus;
pub(super) use snapshot::{ChildView, Snapshot, StreamView};

use super::{asked::Asked, refusal::Refusal, settings::Settings, transport::News};
use crate::{failure::Failure, http::AnswerBy};

/// Names a stream for as long as infer lives.
pub(super) type Number = u64;

/// What children, transports and handlers say waits here; while it is full, they wait.
const WAITING: usize = 4096;

/// What comes to the engine.
#[derive(Debug)]
pub(super) enum Incoming {
    Child(Notice),
    Transport(Number, News),
    Command(Command),
}

impl From<Notice> for Incoming {
    fn from(notice: Notice) -> Self {
        Self::Child(notice)
    }
}

/// How the engine answers.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// What is asked of the engine.
#[derive(Debug)]
pub(super) enum Command {
    /// Begin a stream.
    Start {
        asked: Box<Asked>,
        /// When the request came, milliseconds since 1970.
        received_ms: u64,
        /// Refused if it has not begun by then, or if nobody waits for the reply any more; so are the others.
        by: AnswerBy,
        reply: Reply<Number>,
    },
    /// Change parameters; none is the newest stream, or the worker without one.
    Params {
        to: Option<Number>,
        value: Value,
        by: AnswerBy,
        /// Why they were refused, if they were.
        reply: Reply<Option<String>>,
    },
    /// End a stream, unless it ends or has ended.
    Stop {
        number: Number,
        by: AnswerBy,
        reply: Reply<()>,
    },
    /// Something is wrong that concerns the newest stream, or the worker without one.
    Trouble(String),
    /// Look whether it is time to leave.
    Leave,
}

/// The engine as handlers see it.
#[derive(Clone)]
pub(super) struct Engine {
    inbox: SyncSender<Incoming>,
    is_to_leave: Arc<AtomicBool>,
    /// How everything stands.
    pub(super) snapshot: watch::Receiver<Arc<Snapshot>>,
}

/// How the engine ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It was told to leave, or the one stream that it was started for is over.
    Done,
    /// It cannot work.
    Failed(Failure),
}

impl Engine {
    /// Starts the engine and its first worker. The receiver tells how it ended.
    pub(super) fn start(
        settings: Settings,
        runtime: tokio::runtime::Handle,
    ) -> Result<(Self, oneshot::Receiver<Ended>), Failure> {
        let (inbox, incoming) = sync_channel(WAITING);
        let (tell, snapshot) = watch::channel(Arc::new(Snapshot::default()));
        let (tell_end, ended) = oneshot::channel();
        let engine = Self {
            inbox: inbox.clone(),
            is_to_leave: Arc::default(),
            snapshot,
        };
        let is_to_leave = Arc::clone(&engine.is_to_leave);
        let mut driver = Driver::new(settings, runtime, inbox, incoming, tell, is_to_leave)?;
        thread::Builder::new()
            .name("engine".into())
            .spawn(move || {
                let ended = driver.run();
                // Children go before the end is told.
                drop(driver);
                tell_end.send(ended).ok();
            })
            .map_err(|error| {
                Failure::cannot_start("thread", format!("cannot start a thread: {error}"))
            })?;
        Ok((engine, ended))
    }

    /// Asks it something. False: it has too much to do, or has ended.
    pub(super) fn ask(&self, command: Command) -> bool {
        self.inbox.try_send(Incoming::Command(command)).is_ok()
    }

    /// Has it end everything, in order.
    pub(super) fn leave(&self) {
        self.is_to_leave.store(true, Ordering::Release);
        // It looks as soon as something comes: when its inbox is full, that is what is there already.
        self.ask(Command::Leave);
    }
}

/// Milliseconds since 1970, for what is told.
#[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
pub(super) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX))
}
