//! Events to their channel: one segment each.

use std::time::Duration;

use framerill_trickle::{
    http::client::{self, Publisher, PublisherOptions},
    publisher::Backpressure,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{Shared, outlet::Outlet, told};
use crate::{
    infer::event::Event,
    log::{Level, log_stream},
};

/// What waits at the stop gets out within this, or is lost; so long, too, the channel's end is waited for. A stream that
/// runs gives its peer more time.
const DRAIN_WITHIN: Duration = Duration::from_millis(750);
/// Events that wait for the channel; the oldest give way.
const WAITING: usize = 64;
/// An error that was the stream's end can be asked for so long: whoever reads one event after the other finds no channel afterwards.
const READ_WITHIN: Duration = Duration::from_millis(250);

pub(super) fn outlet(url: &str, tls: &client::Transport) -> Outlet {
    let mut options = PublisherOptions {
        mime: Some("application/json".to_owned()),
        transport: tls.clone(),
        ..PublisherOptions::default()
    };
    options.config.backpressure = Backpressure::DropOldest;
    options.config.buffer_segments = WAITING;
    options.config.drain_time = DRAIN_WITHIN;
    Outlet::new(url, options)
}

/// Sends until the stream stops; then what waits, and the channel is closed.
pub(super) async fn run(outlet: Outlet, queue: mpsc::Receiver<Event>, shared: Shared) {
    let publisher = match outlet.open() {
        Ok(publisher) => publisher,
        Err(why) => {
            let what = format_args!("there is no events channel: {why}");
            return log_stream(Level::Warning, &shared.ids, what);
        }
    };
    let work = run_to_end(publisher, queue, &shared);
    if shared.within(|it| it.closed_by, work).await.is_none() {
        let what = "the events channel could not be closed in time";
        log_stream(Level::Warning, &shared.ids, what);
    }
}

async fn run_to_end(mut publisher: Publisher, mut queue: mpsc::Receiver<Event>, shared: &Shared) {
    let (mut is_over, mut error_sent) = (false, None);
    loop {
        tokio::select! {
            biased;
            event = queue.recv() => {
                let Some(event) = event else { break };
                error_sent = moment_of_error(&event).or(error_sent);
                if !is_over && send(&mut publisher, &event).await.is_err() {
                    is_over = true;
                    log_stream(Level::Warning, &shared.ids, "the events channel is over; the stream goes on without it");
                }
            }
            _ = shared.stopped() => break,
            heard = publisher.event(), if !is_over => is_over = heard.is_none(),
        }
    }
    queue.close();
    while let Ok(event) = queue.try_recv() {
        error_sent = moment_of_error(&event).or(error_sent);
        if is_over || send(&mut publisher, &event).await.is_err() {
            break;
        }
    }
    if let Some(at) = error_sent.filter(|_| !is_over) {
        sleep_until(at + READ_WITHIN).await;
    }
    if let Err(error) = publisher.close().await {
        let what = format_args!("the events channel: {}", told(&error));
        log_stream(Level::Warning, &shared.ids, what);
    }
}

fn moment_of_error(event: &Event) -> Option<Instant> {
    matches!(event, Event::Error { .. }).then(Instant::now)
}

async fn send(publisher: &mut Publisher, event: &Event) -> Result<(), client::PublishError> {
    let mut segment = publisher.segment().await?;
    segment.write(event.envelope()).await?;
    segment.finish().await
}
