//! The tasks of one transport, from the first to the last.

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use framerill_trickle::http::client::{self, Subscriber};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    Latest, News, Shared, Wire, control, egress, events,
    ingest::{self, Input},
    outlet::Outlet,
    sink::{Sink, SinkTarget},
};
use crate::infer::{
    asked::{Asked, Origin},
    event::Event,
};

/// A stream that takes another one's place waits so long for its channels to be closed.
const PLACE_WITHIN: Duration = Duration::from_secs(5);

/// What they read from and write to.
pub(super) struct Channels {
    pub(super) source: Input,
    pub(super) sink: SinkTarget,
    pub(super) control: Option<Subscriber>,
    pub(super) events: Option<Outlet>,
}

impl Channels {
    /// Of a stream that is asked for.
    pub(super) fn of(asked: &Asked, tls: &client::Transport) -> Result<Self, String> {
        let is_api = asked.origin == Origin::Api;
        let control = asked.control_url.as_deref();
        let control = control.map(|url| control::open(url, tls));
        let events = asked.events_url.as_deref();
        let events = events.map(|url| events::outlet(url, tls));
        Ok(Self {
            source: Input::of(&asked.source, tls, is_api)?,
            sink: SinkTarget::of(&asked.sink, tls, is_api),
            control: control.transpose()?,
            events,
        })
    }
}

/// What the engine sends them.
pub(super) struct Inboxes {
    pub(super) inputs: mpsc::Receiver<OwnedFd>,
    pub(super) outputs: mpsc::Receiver<Wire>,
    pub(super) events: mpsc::Receiver<Event>,
    /// Parameters go there.
    pub(super) params: Arc<Latest>,
    /// Of transports whose channels this one takes over: whether they are closed.
    pub(super) after: Vec<watch::Receiver<bool>>,
}

/// Runs them until the stream stops and its channels are closed.
pub(super) async fn run(channels: Channels, inboxes: Inboxes, shared: Shared) {
    let before = async {
        for mut it in inboxes.after {
            // Who told of it is gone when there is nothing left to close.
            drop(it.wait_for(|is_closed| *is_closed).await);
        }
    };
    tokio::select! {
        _ = timeout(PLACE_WITHIN, before) => {}
        _ = shared.stopped() => {}
    }
    let events = channels
        .events
        .map(|it| tokio::spawn(events::run(it, inboxes.events, shared.clone())));
    let ingest = tokio::spawn(ingest::run(channels.source, inboxes.inputs, shared.clone()));
    if let Some(control) = channels.control {
        tokio::spawn(listen(control, inboxes.params, shared.clone()));
    }
    let sink = Sink::open(channels.sink);
    egress::run(sink, inboxes.outputs, shared.clone()).await;
    shared.stopped().await;
    ingest.abort();
    if let Some(events) = events {
        // It ends by itself, within the same deadline.
        drop(events.await);
    }
    shared.closed.send_replace(true);
    shared.tell(News::Closed).await;
}

/// Reads parameters until the stream stops.
async fn listen(channel: Subscriber, params: Arc<Latest>, shared: Shared) {
    tokio::select! {
        () = control::run(channel, params, shared.clone()) => {}
        _ = shared.stopped() => {}
    }
}
