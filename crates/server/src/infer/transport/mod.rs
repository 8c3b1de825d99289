//! One stream's way to and from the network: compressed bytes in and out, control, events. On the event loop.
//!
//! Read in this order: [`Transport`] (the handle), `tasks` (all of them), `ingest`, `egress`, `control`, `events` (each),
//! `output` and `sink` (both ends of `egress`), `disk` (a sink that is a file), `ending`, `progress`, `queue`, `replay`,
//! `trouble`, `written` (pure).
//!
//! Invariants: nothing here decodes; a peer that is slow or gone holds up nothing but itself; [`Transport::stop`] fixes
//! one moment by which all of it has ended, whatever its peers do (`deadlines`).

mod control;
mod disk;
mod egress;
mod ending;
mod events;
mod ingest;
mod output;
mod progress;
mod queue;
mod replay;
mod sink;
mod tasks;
#[cfg(test)]
mod tests;
mod trouble;
mod written;

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{SyncSender, TrySendError},
    },
    time::Duration,
};

use framerill_trickle::http::client;
use serde_json::Value;
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    task::spawn_blocking,
    time::{Instant, sleep_until},
};

pub(super) use control::{CONTROL_MOST, Latest};
pub(super) use written::unwrapped;

use self::{
    ending::Ending,
    progress::{Process, Progress},
    tasks::{Channels, Inboxes},
};
use super::{
    asked::{Asked, Endpoint},
    engine::{Incoming, Number},
};
use crate::log::Ids;

/// A stream that takes another one's place waits so long for its channels to be closed.
const PLACE_WITHIN: Duration = Duration::from_secs(5);
/// Events that wait to be sent; later ones are dropped and counted.
const EVENTS: usize = 256;

/// What a transport tells the engine.
#[derive(Debug)]
pub(super) enum News {
    /// Nothing more comes in; why, unless the channel was closed.
    InputEnded(Option<String>),
    /// Nothing more can go out.
    OutputEnded(Option<String>),
    /// The control channel was closed.
    ControlClosed,
    /// Parameters are there; take them from [`Latest`].
    Params,
    /// Something that the stream's watcher should hear of.
    Trouble(String),
    /// A trace, and when it was; milliseconds since 1970.
    Trace(&'static str, u64),
    /// All tasks have ended, and the channels are closed.
    Closed,
}

/// Counts of a transport.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Bytes that came in.
    pub(super) bytes_in: AtomicU64,
    /// Segments that could not be had.
    pub(super) segments_missing: AtomicU64,
    /// Segments that the channel took whole.
    pub(super) segments_out: AtomicU64,
    /// Segments that were lost on the way out.
    pub(super) segments_lost: AtomicU64,
    /// Bytes that went out.
    pub(super) bytes_out: AtomicU64,
    /// Events that nobody took.
    pub(super) events_dropped: AtomicU64,
}

impl Counters {
    fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

/// What tasks share.
#[derive(Clone)]
struct Shared {
    number: Number,
    owner: SyncSender<Incoming>,
    ids: Arc<Ids>,
    counters: Arc<Counters>,
    progress: Arc<Progress>,
    /// All of it is to end then.
    stop: watch::Receiver<Option<Ending>>,
    /// The channels are closed.
    closed: watch::Sender<bool>,
}

impl Shared {
    /// Tells the engine; while its inbox is full, waits for room on a thread for that. Nothing of a stream goes on without
    /// the engine, and its end ends the wait.
    async fn tell(&self, news: News) {
        let incoming = Incoming::Transport(self.number, news);
        if let Err(TrySendError::Full(incoming)) = self.owner.try_send(incoming) {
            let owner = self.owner.clone();
            // An engine that has ended needs no news.
            drop(spawn_blocking(move || owner.send(incoming).is_ok()).await);
        }
    }

    /// All of it is to end.
    fn is_stopping(&self) -> bool {
        self.stop.borrow().is_some()
    }

    /// Returns once all of it is to end.
    async fn stopped(&self) -> Ending {
        let mut stop = self.stop.clone();
        let said = stop.wait_for(Option::is_some).await;
        // Nobody left to say so is as good.
        let said = said.ok().and_then(|it| *it);
        said.unwrap_or_else(|| Ending::of(Instant::now()))
    }

    /// What comes of `work`; none once the stream has stopped and its moment `by` has passed.
    async fn within<T>(
        &self,
        by: impl Fn(Ending) -> Instant,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let over = async { sleep_until(by(self.stopped().await)).await };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = over => None,
        }
    }
}

/// Media's end of the output's pipe.
struct Wire {
    process: Process,
    fd: OwnedFd,
}

/// A stream's way to and from the network. Dropped, its tasks end and nothing is deleted.
pub(super) struct Transport {
    inputs: mpsc::Sender<OwnedFd>,
    outputs: mpsc::Sender<Wire>,
    events: Option<mpsc::Sender<Value>>,
    stop: watch::Sender<Option<Ending>>,
    closed: watch::Receiver<bool>,
    progress: Arc<Progress>,
    /// What came in and went out.
    pub(super) counters: Arc<Counters>,
    /// The newest parameters that came by the control channel.
    pub(super) params: Arc<Latest>,
    task: tokio::task::JoinHandle<()>,
}

/// What is said to a new transport.
pub(super) struct Opening<'a> {
    pub(super) number: Number,
    pub(super) asked: &'a Asked,
    pub(super) tls: client::Transport,
    pub(super) owner: SyncSender<Incoming>,
    /// The transport whose place this one takes.
    pub(super) after: Option<watch::Receiver<bool>>,
}

impl Transport {
    /// Begins. Errors are those of URLs, which were checked before, and of a certificate's file.
    pub(super) fn open(runtime: &Handle, opening: Opening<'_>) -> Result<Self, String> {
        let _guard = runtime.enter();
        let Opening {
            number,
            asked,
            tls,
            owner,
            after,
        } = opening;
        let channels = Channels::of(asked, &tls)?;
        let (stop, stopping) = watch::channel(None);
        let (tell_closed, closed) = watch::channel(false);
        let (inputs, input) = mpsc::channel(4);
        let (outputs, output) = mpsc::channel(4);
        let (events, event_queue) = mpsc::channel(EVENTS);
        let events = channels.events.is_some().then_some(events);
        let shared = Shared {
            number,
            owner,
            ids: Arc::new(asked.ids.clone()),
            counters: Arc::default(),
            progress: Arc::default(),
            stop: stopping,
            closed: tell_closed,
        };
        let params = Arc::<Latest>::default();
        let inboxes = Inboxes {
            inputs: input,
            outputs: output,
            events: event_queue,
            params: Arc::clone(&params),
            after,
        };
        Ok(Self {
            inputs,
            outputs,
            events,
            stop,
            closed,
            progress: Arc::clone(&shared.progress),
            counters: Arc::clone(&shared.counters),
            params,
            task: tokio::spawn(tasks::run(channels, inboxes, shared)),
        })
    }

    /// Media is about to be started, or started anew: what the one before wrote and nobody has read is not sent any more.
    /// Returns the newest picture that went out, 33 bits of 1/90000 s, and what [`Transport::rewire`] wants.
    pub(super) fn take_over(&self) -> (Process, Option<i64>) {
        self.progress.take_over()
    }

    /// Media's ends of both pipes are these now. False when it does not matter any more.
    pub(super) fn rewire(&self, process: Process, input: OwnedFd, output: OwnedFd) -> bool {
        let wire = Wire {
            process,
            fd: output,
        };
        self.inputs.try_send(input).is_ok() & self.outputs.try_send(wire).is_ok()
    }

    /// Sends an event, if anybody wants them.
    pub(super) fn emit(&self, event: Value) {
        let Some(events) = &self.events else { return };
        if events.try_send(event).is_err() {
            Counters::add(&self.counters.events_dropped, 1);
        }
    }

    /// Ends all of it, in order: the input at once, the output behind media's last byte, then the channels.
    /// [`News::Closed`] follows, within [`deadlines::TRANSPORT`](crate::deadlines::TRANSPORT) of the first of these.
    pub(super) fn stop(&self) {
        let ending = Ending::of(Instant::now());
        self.stop.send_if_modified(|it| {
            let is_first = it.is_none();
            it.get_or_insert(ending);
            is_first
        });
    }

    /// True once the channels are closed.
    pub(super) fn closed(&self) -> watch::Receiver<bool> {
        self.closed.clone()
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why something of a client's ended, with its cause.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |it| it.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Whether an endpoint is a trickle channel, and which.
fn channel(endpoint: &Endpoint) -> Option<&str> {
    match endpoint {
        Endpoint::Trickle(url) => Some(url),
        Endpoint::File(_) => None,
    }
}
