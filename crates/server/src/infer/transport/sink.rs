//! Where a stream's output goes: a channel, or a file.

use std::{io, path::PathBuf, time::Duration};

use bytes::Bytes;
use framerill_media::Piece;
use framerill_trickle::{
    http::client::{self, PublishError, Publisher, PublisherOptions, Segment},
    publisher::{Backpressure, End, Event},
};
use tokio::time::{Instant, timeout};

use super::{Counters, Shared, disk::Disk, outlet::Outlet, told, trouble::Trouble};
use crate::{
    deadlines,
    infer::asked::Endpoint,
    log::{Level, log_stream},
};

/// Bytes that wait for the channel; the oldest segments give way.
const WAITING: usize = 8 << 20;
/// Segments that wait for the channel, the present one included.
const SEGMENTS: usize = 4;
/// A disk that takes longer is given up.
pub(super) const FILE_WITHIN: Duration = Duration::from_secs(2);

/// An endpoint that is not open yet.
pub(super) enum SinkTarget {
    Trickle(Box<Outlet>),
    File(PathBuf),
}

impl SinkTarget {
    pub(super) fn of(endpoint: &Endpoint, tls: &client::Transport, is_api: bool) -> Self {
        let Some(url) = endpoint.channel() else {
            return Self::File(endpoint.as_text().into());
        };
        let mut options = PublisherOptions {
            mime: Some("video/mp2t".to_owned()),
            transport: tls.clone(),
            ..PublisherOptions::default()
        };
        // The encoder never waits for the network.
        options.config.backpressure = Backpressure::DropOldest;
        options.config.buffer_bytes = WAITING;
        options.config.buffer_segments = SEGMENTS;
        let closing = deadlines::TRANSPORT.saturating_sub(deadlines::OUTPUT);
        // What waits, and the channel's end; a stream that runs gives its peer more time.
        options.config.drain_time = closing / 2;
        // An orchestrator makes the channels of the runner's route.
        options.config.create = is_api;
        Self::Trickle(Box::new(Outlet::new(url, options)))
    }
}

/// An endpoint that is open.
pub(super) enum Sink {
    Trickle {
        publisher: Box<Publisher>,
        segment: Option<Segment>,
        trouble: Trouble,
    },
    File(Disk),
}

/// What the channel says.
pub(super) enum Heard {
    Trouble(String),
    Ended(Option<String>),
    Sent,
    Lost(String),
    Nothing,
}

impl Sink {
    pub(super) async fn open(target: SinkTarget) -> io::Result<Self> {
        Ok(match target {
            SinkTarget::Trickle(outlet) => Self::Trickle {
                publisher: Box::new(outlet.open().map_err(io::Error::other)?),
                segment: None,
                trouble: Trouble::default(),
            },
            SinkTarget::File(path) => {
                let wanted = timeout(FILE_WITHIN, Disk::wanted(path)).await;
                Self::File(wanted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?)
            }
        })
    }

    pub(super) async fn put(
        &mut self,
        pieces: Vec<Piece>,
        shared: &Shared,
    ) -> Result<(), Option<String>> {
        for piece in pieces {
            match piece {
                Piece::Cut => self.cut().await,
                Piece::Bytes(bytes) => {
                    Counters::add(&shared.counters.bytes_out, bytes.len() as u64);
                    self.write(bytes).await?;
                }
            }
        }
        Ok(())
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Option<String>> {
        match self {
            Self::Trickle {
                publisher, segment, ..
            } => {
                let open = match segment {
                    Some(open) => open,
                    None => segment.insert(publisher.segment().await.map_err(of_publisher)?),
                };
                open.write(bytes).await.map_err(of_publisher)
            }
            Self::File(file) => timeout(FILE_WITHIN, file.write(bytes))
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                .map_err(|error| Some(format!("cannot write: {error}"))),
        }
    }

    /// Ends the segment.
    pub(super) async fn cut(&mut self) {
        if let Self::Trickle { segment, .. } = self
            && let Some(open) = segment.take()
        {
            // One that ended otherwise is told by an event.
            drop(open.finish().await);
        }
    }

    pub(super) async fn event(&mut self) -> Heard {
        let Self::Trickle {
            publisher, trouble, ..
        } = self
        else {
            return std::future::pending().await;
        };
        match publisher.event().await {
            Some(Event::Trouble(failure)) => {
                if !trouble.is_told(Instant::now()) {
                    return Heard::Nothing;
                }
                Heard::Trouble(format!("Error writing output: {failure}; trying again"))
            }
            Some(Event::Sent { .. }) => Heard::Sent,
            Some(Event::Lost { why, .. }) => Heard::Lost(why.to_string()),
            Some(Event::Ended(end)) => Heard::Ended(ended(&end)),
            Some(_) => Heard::Nothing,
            None => Heard::Ended(None),
        }
    }

    pub(super) async fn close(mut self, shared: &Shared) {
        self.cut().await;
        match self {
            Self::Trickle { publisher, .. } => {
                if let Err(error) = publisher.close().await {
                    let what = format_args!("the output channel: {}", told(&error));
                    log_stream(Level::Warning, &shared.ids, what);
                }
            }
            Self::File(mut file) => {
                if let Err(error) = file.flush().await {
                    let what =
                        format_args!("the end of the output file could not be written: {error}");
                    log_stream(Level::Error, &shared.ids, what);
                }
            }
        }
    }
}

fn of_publisher(error: PublishError) -> Option<String> {
    match &error {
        PublishError::Ended(end) => ended(end),
        _ => Some(told(&error)),
    }
}

/// Why the output cannot go on; none when its channel was closed.
fn ended(end: &End) -> Option<String> {
    match end {
        End::Closed | End::Finished | End::NotFound => None,
        other => Some(told(other)),
    }
}
