//! A transport as the engine holds it.

use std::{
    os::fd::OwnedFd,
    sync::{Arc, mpsc::SyncSender},
};

use framerill_trickle::http::client;
use tokio::{
    runtime::Handle,
    sync::{
        mpsc::{self, error::TrySendError},
        watch,
    },
    time::Instant,
};

use super::{
    Counters, Latest, Shared, Wire,
    ending::Ending,
    progress::{Process, Progress},
    tasks::{self, Channels, Inboxes},
};
use crate::{
    infer::{
        asked::Asked,
        engine::{Incoming, Number},
        event::Event,
    },
    log::{Ids, Level, log_stream},
};

/// Events that wait to be sent; later ones are dropped and counted.
const EVENTS: usize = 256;
/// Pipes of media processes that wait to be taken, each way.
const WIRES: usize = 4;

/// A stream's way to and from the network. Dropped, its tasks end and nothing is deleted.
pub(in crate::infer) struct Transport {
    inputs: mpsc::Sender<OwnedFd>,
    outputs: mpsc::Sender<Wire>,
    events: Option<mpsc::Sender<Event>>,
    stop: watch::Sender<Option<Ending>>,
    closed: watch::Receiver<bool>,
    progress: Arc<Progress>,
    ids: Arc<Ids>,
    /// What came in and went out.
    pub(in crate::infer) counters: Arc<Counters>,
    /// The newest parameters that came by the control channel.
    pub(in crate::infer) params: Arc<Latest>,
    task: tokio::task::JoinHandle<()>,
}

/// What is said to a new transport.
pub(in crate::infer) struct Opening<'a> {
    pub(in crate::infer) number: Number,
    pub(in crate::infer) asked: &'a Asked,
    pub(in crate::infer) tls: client::Transport,
    pub(in crate::infer) owner: SyncSender<Incoming>,
    /// Of transports whose channels this one takes over: whether they are closed.
    pub(in crate::infer) after: Vec<watch::Receiver<bool>>,
}

impl Transport {
    /// Begins. Errors are those of URLs, which were checked before, and of a certificate's file.
    pub(in crate::infer) fn open(runtime: &Handle, opening: Opening<'_>) -> Result<Self, String> {
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
        let (inputs, input) = mpsc::channel(WIRES);
        let (outputs, output) = mpsc::channel(WIRES);
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
            ids: Arc::clone(&shared.ids),
            counters: Arc::clone(&shared.counters),
            params,
            task: tokio::spawn(tasks::run(channels, inboxes, shared)),
        })
    }

    /// Media is about to be started, or started anew: what the one before wrote and nobody has read is not sent any more.
    /// Returns the newest picture that went out, 33 bits of 1/90000 s, and what [`Transport::rewire`] wants.
    pub(in crate::infer) fn take_over(&self) -> (Process, Option<i64>) {
        self.progress.take_over()
    }

    /// Media says what it adds to the source's times, in 1/90000 s.
    pub(in crate::infer) fn set_offset(&self, offset: i64) {
        self.progress.set_offset(offset);
    }

    /// Media's ends of both pipes are these now.
    pub(in crate::infer) fn rewire(&self, process: Process, input: OwnedFd, output: OwnedFd) {
        let wire = Wire {
            process,
            fd: output,
        };
        self.hand(&self.inputs, input, "input");
        self.hand(&self.outputs, wire, "output");
    }

    /// A task that has ended reads and writes nothing more. One that is held up, by a former stream's channels or by a file,
    /// may not have taken the pipes of media processes that have died meanwhile: media sees that its pipe is closed.
    fn hand<T>(&self, task: &mpsc::Sender<T>, pipe: T, what: &str) {
        if let Err(TrySendError::Full(_)) = task.try_send(pipe) {
            let text = format_args!("media's {what} is not taken: {WIRES} before it wait already");
            log_stream(Level::Error, &self.ids, text);
        }
    }

    /// Sends an event, if anybody wants them.
    pub(in crate::infer) fn emit(&self, event: Event) {
        let Some(events) = &self.events else { return };
        if events.try_send(event).is_err() {
            Counters::add(&self.counters.events_dropped, 1);
        }
    }

    /// Ends all of it, in order: the input at once, the output behind media's last byte, then the channels.
    /// [`News::Closed`](super::News::Closed) follows, within [`deadlines::TRANSPORT`](crate::deadlines::TRANSPORT) of the first of these.
    pub(in crate::infer) fn stop(&self) {
        let ending = Ending::of(Instant::now());
        self.stop.send_if_modified(|it| {
            let is_first = it.is_none();
            it.get_or_insert(ending);
            is_first
        });
    }

    /// True once the channels are closed.
    pub(in crate::infer) fn closed(&self) -> watch::Receiver<bool> {
        self.closed.clone()
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.task.abort();
    }
}
