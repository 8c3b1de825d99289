//! Events to their channel: one segment each.

use std::time::Duration;

use framerill_trickle::{
    http::client::{self, Publisher, PublisherOptions},
    publisher::Backpressure,
};
use serde_json::Value;
use tokio::{sync::mpsc, time::timeout};

use super::{Shared, told};
use crate::{
    infer::status,
    log::{Level, log_stream},
};

/// From the stop until the channel is closed.
const CLOSE_WITHIN: Duration = Duration::from_millis(1500);
/// Events that wait for the channel; the oldest give way.
const WAITING: usize = 64;

pub(super) fn open(url: &str, tls: &client::Transport) -> Result<Publisher, String> {
    let mut options = PublisherOptions {
        mime: Some("application/json".to_owned()),
        transport: tls.clone(),
        ..PublisherOptions::default()
    };
    options.config.backpressure = Backpressure::DropOldest;
    options.config.buffer_segments = WAITING;
    options.config.drain_time = CLOSE_WITHIN / 2;
    options.config.answer_time = CLOSE_WITHIN / 2;
    Publisher::connect(url, options).map_err(|error| told(&error))
}

/// Sends until the stream stops; then what waits, and the channel is closed.
pub(super) async fn run(
    mut publisher: Publisher,
    mut queue: mpsc::Receiver<Value>,
    shared: Shared,
) {
    let mut is_over = false;
    loop {
        tokio::select! {
            biased;
            event = queue.recv() => {
                let Some(event) = event else { break };
                if !is_over && send(&mut publisher, &event).await.is_err() {
                    is_over = true;
                    log_stream(Level::Warning, &shared.ids, "the events channel is over; the stream goes on without it");
                }
            }
            () = shared.stopped() => break,
            heard = publisher.event(), if !is_over => is_over = heard.is_none(),
        }
    }
    queue.close();
    while let Ok(event) = queue.try_recv() {
        if is_over || send(&mut publisher, &event).await.is_err() {
            break;
        }
    }
    match timeout(CLOSE_WITHIN, publisher.close()).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => log_stream(
            Level::Warning,
            &shared.ids,
            format_args!("the events channel: {}", told(&error)),
        ),
        Err(_) => log_stream(
            Level::Warning,
            &shared.ids,
            "the events channel could not be closed in time",
        ),
    }
}

async fn send(publisher: &mut Publisher, event: &Value) -> Result<(), client::PublishError> {
    let mut segment = publisher.segment().await?;
    segment.write(status::envelope(event)).await?;
    segment.finish().await
}
