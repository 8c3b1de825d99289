use std::{
    collections::VecDeque,
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};

use super::{
    connector::Connector,
    exchange::{Exchange, Happening},
    options::{ConnectError, SubscriberOptions},
    request,
    target::Target,
    timer::Timer,
};
use crate::{
    failure::Failure,
    subscriber::{self as machine, End, Event, GetId, Input, Output},
    wire::Bounds,
};

/// Reads the segments of one channel in order.
///
/// It has no task: it works while [`next`](Subscriber::next) is waited for. What arrives meanwhile waits in the
/// connections, so a caller that falls behind is a slow reader to its server, and to nobody else.
pub struct Subscriber {
    machine: machine::Subscriber,
    connector: Connector,
    gets: Vec<Get>,
    timer: Timer,
    events: VecDeque<Event>,
    bounds: Bounds,
}

struct Get {
    id: GetId,
    exchange: Exchange,
    is_read: bool,
}

/// Why a channel cannot be read, or no longer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// There was no such channel for as long as it was waited for.
    #[error("there is no such channel")]
    NotFound,
    /// The server does not want it read, with this status.
    #[error("the server refused with {0}")]
    Refused(u16),
    /// No exchange succeeded for too long.
    #[error("the server could not be reached")]
    Unreachable(#[source] Failure),
}

impl std::fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscriber")
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}

impl Subscriber {
    /// A subscriber to the channel at `url`. Nothing is sent before the first [`next`](Subscriber::next).
    pub fn connect(url: &str, options: SubscriberOptions) -> Result<Self, ConnectError> {
        let connector = Connector::new(Target::parse(url)?, &options.transport)?;
        let timer = Timer::new();
        Ok(Self {
            machine: machine::Subscriber::new(options.config, timer.now(), timer.seed()),
            connector,
            gets: Vec::new(),
            timer,
            events: VecDeque::new(),
            bounds: options.transport.head,
        })
    }

    /// What comes next; none once the channel is over. Nothing is lost if the wait is given up: the next call goes on.
    pub async fn next(&mut self) -> Result<Option<Event>, SubscribeError> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Event>, SubscribeError>> {
        loop {
            let wake = self.obey(cx);
            // Requests that were just made leave before the caller goes off with an event; bodies are left alone.
            if self.exchange(cx) {
                continue;
            }
            match self.events.pop_front() {
                Some(Event::Ended(end)) => return Poll::Ready(ended(end)),
                Some(event) => return Poll::Ready(Ok(Some(event))),
                None if self.machine.is_over() => return Poll::Ready(Ok(None)),
                None => {}
            }
            if self.timer.poll(cx, wake).is_pending() {
                return Poll::Pending;
            }
            self.machine.handle(self.timer.now(), Input::Deadline);
        }
    }

    /// Does all that is to be done: until when.
    fn obey(&mut self, cx: &mut Context<'_>) -> Option<Duration> {
        loop {
            match self.machine.poll() {
                Output::WakeAt(at) => return Some(at),
                Output::Idle => return None,
                Output::Event(event) => self.events.push_back(event),
                Output::Get(id, wanted) => {
                    let outgoing = request::get(self.connector.target(), wanted);
                    let exchange =
                        self.connector
                            .begin(cx, outgoing, self.bounds, self.timer.now());
                    self.gets.push(Get {
                        id,
                        exchange,
                        is_read: false,
                    });
                }
                Output::Read(id) => {
                    if let Some(get) = self.gets.iter_mut().find(|get| get.id == id) {
                        get.is_read = true;
                    }
                }
                Output::Drop(id) => {
                    if let Some(at) = self.gets.iter().position(|get| get.id == id) {
                        self.part_from(at, cx);
                    }
                }
            }
        }
    }

    /// Takes a GET out; its connection is kept if nothing is left to come on it.
    fn part_from(&mut self, at: usize, cx: &mut Context<'_>) {
        let get = self.gets.swap_remove(at);
        if let Some(stream) = get.exchange.salvage(cx) {
            self.connector.keep(stream, self.timer.now());
        }
    }

    /// Whether something came of a GET. Bodies are read only while no event waits for the caller.
    fn exchange(&mut self, cx: &mut Context<'_>) -> bool {
        let has_time = self.events.is_empty();
        for at in 0..self.gets.len() {
            let get = &mut self.gets[at];
            let id = get.id;
            let Poll::Ready(happening) = get.exchange.poll(cx, get.is_read && has_time) else {
                continue;
            };
            let input = match happening {
                Happening::Sent => Input::Sent(id),
                Happening::Head(head) => Input::Head(id, request::answer(&head)),
                Happening::Bytes(bytes) => Input::Bytes(id, bytes),
                Happening::End => {
                    self.part_from(at, cx);
                    Input::End(id)
                }
                Happening::Failed(failure) => {
                    self.gets.swap_remove(at);
                    Input::Failed(id, failure)
                }
                Happening::Wrote(_) | Happening::Finished => return true,
            };
            self.machine.handle(self.timer.now(), input);
            return true;
        }
        false
    }
}

fn ended(end: End) -> Result<Option<Event>, SubscribeError> {
    match end {
        End::Closed => Ok(None),
        End::NotFound => Err(SubscribeError::NotFound),
        End::Refused(status) => Err(SubscribeError::Refused(status)),
        End::Unreachable(failure) => Err(SubscribeError::Unreachable(failure)),
    }
}
