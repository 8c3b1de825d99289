//! One stream's way to and from the network: compressed bytes in and out, control, events. On the event loop.
//!
//! Read in this order: [`Transport`] (the handle), `ingest`, `egress`, `control`, `events` (a task each), `replay`,
//! `trouble`, `written` (pure).
//!
//! Invariants: nothing here decodes; a peer that is slow or gone holds up nothing but itself; after
//! [`Transport::stop`] each task ends within a deadline of its own, all of them within 5 s.

mod control;
mod egress;
mod events;
mod ingest;
mod replay;
mod trouble;
mod written;

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
        mpsc::{SyncSender, TrySendError},
    },
    time::Duration,
};

use framerill_trickle::http::client;
use serde_json::Value;
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

pub(super) use control::{CONTROL_MOST, Latest};
pub(super) use written::unwrapped;

use super::{
    asked::{Asked, Origin, Place},
    engine::{Incoming, Number},
};
use crate::log::Ids;

/// A stream that takes another one's place waits so long for its channels to be closed.
const PLACE_WITHIN: Duration = Duration::from_secs(5);
/// Events that wait to be sent; later ones are dropped and counted.
const EVENTS: usize = 256;
/// How often a full inbox of the engine is tried again.
const AGAIN: Duration = Duration::from_millis(2);
/// No pts.
const NONE: i64 = i64::MIN;

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
#[derive(Debug)]
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
    written: AtomicI64,
}

impl Default for Counters {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            bytes_in: zero(),
            segments_missing: zero(),
            segments_out: zero(),
            segments_lost: zero(),
            bytes_out: zero(),
            events_dropped: zero(),
            written: AtomicI64::new(NONE),
        }
    }
}

impl Counters {
    /// The newest picture that went out, 33 bits of 1/90000 s.
    pub(super) fn written(&self) -> Option<i64> {
        Some(self.written.load(Ordering::Relaxed)).filter(|it| *it != NONE)
    }

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
    /// All of it is to end.
    stop: watch::Receiver<bool>,
}

impl Shared {
    /// Tells the engine; waits while its inbox is full.
    async fn tell(&self, news: News) {
        let mut incoming = Incoming::Transport(self.number, news);
        loop {
            match self.owner.try_send(incoming) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(back)) => incoming = back,
            }
            sleep(AGAIN).await;
        }
    }

    /// Returns once all of it is to end.
    async fn stopped(&self) {
        // Nobody left to say so is as good.
        drop(self.stop.clone().wait_for(|it| *it).await);
    }
}

/// A stream's way to and from the network. Dropped, its tasks end and nothing is deleted.
pub(super) struct Transport {
    inputs: mpsc::Sender<OwnedFd>,
    outputs: mpsc::Sender<OwnedFd>,
    events: Option<mpsc::Sender<Value>>,
    stop: watch::Sender<bool>,
    closed: watch::Receiver<bool>,
    /// What came in.
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
        let (stop, stopping) = watch::channel(false);
        let (tell_closed, closed) = watch::channel(false);
        let (inputs, input) = mpsc::channel(4);
        let (outputs, output) = mpsc::channel(4);
        let counters = Arc::new(Counters::default());
        let params = Arc::new(Latest::default());
        let shared = Shared {
            number,
            owner,
            ids: Arc::new(asked.ids.clone()),
            counters: Arc::clone(&counters),
            stop: stopping,
        };
        let is_api = asked.origin == Origin::Api;
        let source = ingest::Input::of(&asked.source, &tls, is_api)?;
        let sink = egress::Output::of(&asked.sink, &tls, is_api)?;
        let control = match asked.control_url.trim() {
            "" => None,
            url => Some(control::open(url, &tls)?),
        };
        let (events, event_queue) = match asked.events_url.trim() {
            "" => (None, None),
            url => {
                let publisher = events::open(url, &tls)?;
                let (events, queue) = mpsc::channel(EVENTS);
                (Some(events), Some((publisher, queue)))
            }
        };
        let control_to = Arc::clone(&params);
        let work = async move {
            if let Some(mut before) = after {
                let over = before.wait_for(|it| *it);
                drop(timeout(PLACE_WITHIN, over).await);
            }
            let events = event_queue.map(|(publisher, queue)| {
                tokio::spawn(events::run(publisher, queue, shared.clone()))
            });
            let ingest = tokio::spawn(ingest::run(source, input, shared.clone()));
            let control =
                control.map(|it| tokio::spawn(control::run(it, control_to, shared.clone())));
            egress::run(sink, output, shared.clone()).await;
            shared.stopped().await;
            ingest.abort();
            if let Some(control) = control {
                control.abort();
            }
            if let Some(events) = events {
                // It ends by itself then, within its own deadline.
                drop(events.await);
            }
            tell_closed.send_replace(true);
            shared.tell(News::Closed).await;
        };
        Ok(Self {
            inputs,
            outputs,
            events,
            stop,
            closed,
            counters,
            params,
            task: tokio::spawn(work),
        })
    }

    /// Media's ends of both pipes are these now: it was started, or started anew. False when it does not matter any more.
    pub(super) fn rewire(&self, input: OwnedFd, output: OwnedFd) -> bool {
        self.inputs.try_send(input).is_ok() & self.outputs.try_send(output).is_ok()
    }

    /// Sends an event, if anybody wants them.
    pub(super) fn emit(&self, event: Value) {
        let Some(events) = &self.events else { return };
        if events.try_send(event).is_err() {
            Counters::add(&self.counters.events_dropped, 1);
        }
    }

    /// Ends all of it, in order: the input at once, the output behind media's last byte, then the channels.
    /// [`News::Closed`] follows.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
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

/// Whether a place is a trickle channel, and which.
fn channel(place: &Place) -> Option<&str> {
    match place {
        Place::Trickle(url) => Some(url),
        Place::File(_) => None,
    }
}
