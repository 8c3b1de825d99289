use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{sync::Notify, task::AbortHandle};

use super::{
    connector::Connector,
    exchange::{Exchange, Happening},
    options::{ConnectError, PublisherOptions},
    request,
    timer::Timer,
};
use crate::{
    clock,
    publisher::{self as machine, Backpressure, Counters, End, Event, ExchangeId, Input, Output},
    wire::Bounds,
};

/// Events that are kept for a caller who does not ask for them; older ones are dropped.
const EVENTS: usize = 1024;

/// Writes the segments of one channel.
///
/// One task does the work. It ends with [`close`](Publisher::close), or when this is dropped: connections are dropped
/// then, and nothing is deleted.
#[derive(Debug)]
pub struct Publisher {
    shared: Arc<Shared>,
    task: AbortHandle,
}

/// A segment that is being written. Dropped before [`finish`](Segment::finish), it is given up: its readers get what
/// was sent.
#[derive(Debug)]
pub struct Segment {
    shared: Arc<Shared>,
    index: u64,
    is_finished: bool,
}

/// Why nothing can be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The publisher is over.
    #[error("the publisher has ended")]
    Ended(#[source] End),
    /// Another segment has begun since.
    #[error("another segment has begun")]
    NotCurrent,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// There may be room, an event, or the end.
    changed: Notify,
    start: Instant,
    backpressure: Backpressure,
}

#[derive(Debug)]
struct State {
    machine: machine::Publisher,
    events: VecDeque<Event>,
    end: Option<End>,
    /// Counts the segments that began.
    index: u64,
    driver: Option<Waker>,
}

impl Publisher {
    /// A publisher for the channel at `url`. Connections are made in the background.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect(url: &str, options: PublisherOptions) -> Result<Self, ConnectError> {
        let target = options.target(url)?;
        let connector = Connector::new(target, &options.transport)?;
        let timer = Timer::new();
        let backpressure = options.config.backpressure;
        let state = State {
            machine: machine::Publisher::new(options.config, timer.now(), timer.seed()),
            events: VecDeque::new(),
            end: None,
            index: 0,
            driver: None,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Notify::new(),
            start: timer.start(),
            backpressure,
        });
        let mut driver = Driver {
            shared: shared.clone(),
            connector,
            exchanges: Vec::new(),
            timer,
            mime: options.mime,
            bounds: options.transport.head,
        };
        let task = tokio::spawn(poll_fn(move |cx| driver.poll(cx))).abort_handle();
        Ok(Self { shared, task })
    }

    /// Begins the next segment; the one before ends here if it has not. With [`Backpressure::Block`] this waits for a
    /// place among the segments that are to be sent.
    pub async fn segment(&mut self) -> Result<Segment, PublishError> {
        let index = self
            .shared
            .when(
                |state| state.machine.has_place(),
                |state, now| {
                    state.index += 1;
                    state.machine.handle(now, Input::Begin);
                    state.index
                },
            )
            .await?;
        Ok(Segment {
            shared: self.shared.clone(),
            index,
            is_finished: false,
        })
    }

    /// What came of segments and of the channel, once each; none at the end. Of many that nobody asks for the latest are
    /// kept.
    pub async fn event(&mut self) -> Option<Event> {
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            {
                let mut state = self.shared.lock();
                if let Some(event) = state.events.pop_front() {
                    return Some(event);
                }
                if state.end.is_some() {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// The events that are there.
    pub fn events(&mut self) -> Vec<Event> {
        self.shared.lock().events.drain(..).collect()
    }

    /// What came of the segments so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.lock().machine.counters()
    }

    /// Sends what is left and ends the channel, within the deadlines of the configuration. An error says that it had
    /// ended otherwise, or could not be deleted.
    pub async fn close(self) -> Result<Counters, PublishError> {
        self.shared.give(Input::Close);
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            {
                let state = self.shared.lock();
                match &state.end {
                    Some(End::Finished) => return Ok(state.machine.counters()),
                    Some(end) => return Err(PublishError::Ended(end.clone())),
                    None => {}
                }
            }
            changed.await;
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.lock().end.get_or_insert(End::Finished);
        self.shared.changed.notify_waiters();
    }
}

impl Segment {
    /// Writes more of it. With [`Backpressure::Block`] this waits for room; otherwise the policy decides what is dropped,
    /// and the publisher's events and counters tell.
    pub async fn write(&mut self, bytes: impl Into<Bytes>) -> Result<(), PublishError> {
        let bytes = bytes.into();
        let (size, index) = (bytes.len(), self.index);
        let is_current = self
            .shared
            .when(
                |state| state.index != index || state.machine.has_room(size),
                |state, now| {
                    let is_current = state.index == index;
                    if is_current {
                        state.machine.handle(now, Input::Write(bytes));
                    }
                    is_current
                },
            )
            .await?;
        if is_current {
            Ok(())
        } else {
            Err(PublishError::NotCurrent)
        }
    }

    /// It is complete.
    pub async fn finish(mut self) -> Result<(), PublishError> {
        self.is_finished = true;
        self.end(Input::Finish)
    }

    fn end(&self, input: Input) -> Result<(), PublishError> {
        let mut state = self.shared.lock();
        if let Some(end) = &state.end {
            return Err(PublishError::Ended(end.clone()));
        }
        if state.index != self.index {
            return Err(PublishError::NotCurrent);
        }
        let now = self.shared.now();
        state.machine.handle(now, input);
        state.wake();
        Ok(())
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if !self.is_finished {
            // Where it has ended otherwise, there is nothing to give up.
            self.end(Input::Abandon).ok();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        clock::now().saturating_duration_since(self.start)
    }

    fn give(&self, input: Input) {
        let mut state = self.lock();
        let now = self.now();
        state.machine.handle(now, input);
        state.wake();
    }

    /// Does something when the machine lets it, at once if the policy is not to wait.
    async fn when<T>(
        &self,
        may: impl Fn(&State) -> bool,
        act: impl FnOnce(&mut State, Duration) -> T,
    ) -> Result<T, PublishError> {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let mut state = self.lock();
                if let Some(end) = &state.end {
                    return Err(PublishError::Ended(end.clone()));
                }
                if self.backpressure != Backpressure::Block || may(&state) {
                    let result = act(&mut state, self.now());
                    state.wake();
                    return Ok(result);
                }
            }
            changed.await;
        }
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    fn push(&mut self, event: Event) {
        if let Event::Ended(end) = &event {
            self.end = Some(end.clone());
        }
        if self.events.len() == EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

/// Does what the machine says.
struct Driver {
    shared: Arc<Shared>,
    connector: Connector,
    exchanges: Vec<(ExchangeId, Exchange)>,
    timer: Timer,
    mime: Option<String>,
    bounds: Bounds,
}

impl Driver {
    /// Ready when the machine is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let (wake, is_over) = self.obey(cx);
            self.shared.changed.notify_waiters();
            if is_over {
                return Poll::Ready(());
            }
            if self.exchange(cx) {
                continue;
            }
            if self.timer.poll(cx, wake).is_pending() {
                return Poll::Pending;
            }
            self.tell(Input::Deadline);
        }
    }

    fn tell(&self, input: Input) {
        let now = self.timer.now();
        self.shared.lock().machine.handle(now, input);
    }

    /// Does all that is to be done: until when, and whether that was all.
    fn obey(&mut self, cx: &mut Context<'_>) -> (Option<Duration>, bool) {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        state.driver = Some(cx.waker().clone());
        let wake = loop {
            match state.machine.poll() {
                Output::WakeAt(at) => break Some(at),
                Output::Idle => break None,
                Output::Event(event) => state.push(event),
                Output::Open(id, request) => {
                    let mime = self.mime.as_deref();
                    let outgoing = request::publish(self.connector.target(), mime, request);
                    let exchange =
                        self.connector
                            .begin(cx, outgoing, self.bounds, self.timer.now());
                    self.exchanges.push((id, exchange));
                }
                Output::Write(id, bytes) => {
                    if let Some(exchange) = self.find(id) {
                        exchange.chunk(bytes);
                    }
                }
                Output::Finish(id) => {
                    if let Some(exchange) = self.find(id) {
                        exchange.finish();
                    }
                }
                Output::Abort(id) => self.exchanges.retain(|(it, _)| *it != id),
            }
        };
        (wake, state.end.is_some())
    }

    fn find(&mut self, id: ExchangeId) -> Option<&mut Exchange> {
        let found = self.exchanges.iter_mut().find(|(it, _)| *it == id);
        found.map(|(_, exchange)| exchange)
    }

    /// Whether something came of an exchange.
    fn exchange(&mut self, cx: &mut Context<'_>) -> bool {
        for at in 0..self.exchanges.len() {
            let (id, exchange) = &mut self.exchanges[at];
            let (id, Poll::Ready(happening)) = (*id, exchange.poll(cx, false)) else {
                continue;
            };
            let input = match happening {
                Happening::Sent => Input::Opened(id),
                Happening::Wrote(bytes) => Input::Wrote(id, bytes),
                Happening::Finished => Input::Finished(id),
                Happening::Head(head) => {
                    let (_, exchange) = self.exchanges.swap_remove(at);
                    if let Some(stream) = exchange.salvage(cx) {
                        self.connector.keep(stream, self.timer.now());
                    }
                    Input::Answered(id, request::answer(&head))
                }
                Happening::Failed(failure) => {
                    self.exchanges.swap_remove(at);
                    Input::Failed(id, failure)
                }
                Happening::Bytes(_) | Happening::End => return true,
            };
            self.tell(input);
            return true;
        }
        false
    }
}
