//! Compressed bytes from media to the sink.

use std::{io, os::fd::OwnedFd, path::PathBuf, sync::atomic::Ordering, time::Duration};

use bytes::{Bytes, BytesMut};
use framerill_media::{Piece, Records};
use framerill_trickle::{
    http::client::{self, PublishError, Publisher, PublisherOptions, Segment},
    publisher::{Backpressure, End, Event},
};
use tokio::{
    fs::File,
    io::AsyncWriteExt,
    net::unix::pipe,
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};

use super::{Counters, News, Shared, channel, told, trouble::Trouble, written::Written};
use crate::{
    infer::{asked::Place, engine::wall_ms},
    log::{Level, log_stream},
};

/// Bytes of one read.
const READ: usize = 64 << 10;
/// Bytes that wait for the channel; the oldest segments give way.
const WAITING: usize = 8 << 20;
/// Segments that wait for the channel, the present one included.
const SEGMENTS: usize = 4;
/// From the stop until media has written its last byte.
const REST_WITHIN: Duration = Duration::from_millis(1800);
/// From there until the channel is closed.
const CLOSE_WITHIN: Duration = Duration::from_millis(2000);
/// A disk that takes longer is given up.
const FILE_WITHIN: Duration = Duration::from_secs(2);

/// Where bytes go.
pub(super) enum Output {
    Trickle(Box<Publisher>),
    File(PathBuf),
}

impl Output {
    pub(super) fn of(place: &Place, tls: &client::Transport, is_api: bool) -> Result<Self, String> {
        let Some(url) = channel(place) else {
            return Ok(Self::File(place.as_text().into()));
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
        options.config.drain_time = CLOSE_WITHIN / 2;
        options.config.answer_time = CLOSE_WITHIN / 2;
        // An orchestrator makes the channels of the runner's route.
        options.config.create = is_api;
        let publisher = Publisher::connect(url, options).map_err(|error| told(&error))?;
        Ok(Self::Trickle(Box::new(publisher)))
    }
}

/// Writes until media has written its last byte, then closes the sink.
pub(super) async fn run(output: Output, mut wires: mpsc::Receiver<OwnedFd>, shared: Shared) {
    let opened = timeout(FILE_WITHIN, Sink::open(output)).await;
    let mut sink = match opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(sink) => Some(sink),
        Err(error) => {
            let why = format!("cannot write: {error}");
            shared.tell(News::OutputEnded(Some(why))).await;
            None
        }
    };
    let mut reader = Reader::default();
    let mut deadline: Option<Instant> = None;
    let mut is_first = true;
    loop {
        let is_stopping = *shared.stop.borrow();
        if is_stopping && reader.pipe.is_none() {
            break;
        }
        if is_stopping {
            deadline.get_or_insert_with(|| Instant::now() + REST_WITHIN);
        }
        tokio::select! {
            biased;
            wire = wires.recv() => match wire {
                Some(fd) => {
                    // What the process before left is complete in itself.
                    if let Some(sink) = &mut sink { sink.cut().await }
                    reader.rewire(fd, &shared);
                }
                None => break,
            },
            () = shared.stopped(), if !is_stopping => {}
            () = until(deadline) => {
                log_stream(Level::Warning, &shared.ids, "the last bytes of the output did not come in time");
                break;
            }
            read = reader.next(), if reader.pipe.is_some() => {
                let pieces = match read {
                    Ok(pieces) => pieces,
                    Err(why) => {
                        log_stream(Level::Error, &shared.ids, format_args!("media's output cannot be read: {why}"));
                        continue;
                    }
                };
                let Some(open) = &mut sink else { continue };
                let has_bytes = pieces.iter().any(|it| matches!(it, Piece::Bytes(_)));
                if let Err(why) = open.put(pieces, &shared).await {
                    sink = None;
                    shared.tell(News::OutputEnded(why)).await;
                } else if has_bytes && std::mem::take(&mut is_first) {
                    let trace = "runner_send_first_processed_segment";
                    shared.tell(News::Trace(trace, wall_ms())).await;
                }
            }
            heard = event(&mut sink) => match heard {
                Heard::Trouble(what) => shared.tell(News::Trouble(what)).await,
                Heard::Ended(why) => {
                    sink = None;
                    shared.tell(News::OutputEnded(why)).await;
                }
                Heard::Sent => Counters::add(&shared.counters.segments_out, 1),
                Heard::Lost(why) => {
                    Counters::add(&shared.counters.segments_lost, 1);
                    log_stream(Level::Warning, &shared.ids, format_args!("a segment of the output was lost: {why}"));
                }
                Heard::Nothing => {}
            },
        }
    }
    if let Some(sink) = sink
        && timeout(CLOSE_WITHIN, sink.close(&shared)).await.is_err()
    {
        log_stream(
            Level::Warning,
            &shared.ids,
            "the output channel could not be closed in time",
        );
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Whole records out of media's pipe: a picture that media wrote in part before it died is not sent.
#[derive(Default)]
struct Reader {
    pipe: Option<pipe::Receiver>,
    records: Records,
    /// Of a record that is not whole yet.
    part: Vec<Piece>,
    buffer: BytesMut,
}

impl Reader {
    fn rewire(&mut self, fd: OwnedFd, shared: &Shared) {
        *self = Self::default();
        match pipe::Receiver::from_owned_fd(fd) {
            Ok(pipe) => self.pipe = Some(pipe),
            Err(error) => {
                log_stream(
                    Level::Error,
                    &shared.ids,
                    format_args!("media's pipe cannot be used: {error}"),
                );
            }
        }
    }

    /// Nothing is lost if the wait is given up. No pieces at the end.
    async fn next(&mut self) -> Result<Vec<Piece>, String> {
        let Some(pipe) = &self.pipe else {
            return std::future::pending().await;
        };
        loop {
            let ready = pipe.readable().await;
            self.buffer.reserve(READ);
            match ready.and_then(|()| pipe.try_read_buf(&mut self.buffer)) {
                Ok(0) => {
                    self.pipe = None;
                    return Ok(Vec::new());
                }
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    self.pipe = None;
                    return Err(error.to_string());
                }
            }
        }
        let bytes = self.buffer.split().freeze();
        match self.records.push(bytes) {
            Ok(pieces) => self.part.extend(pieces),
            Err(error) => {
                self.pipe = None;
                return Err(error.to_string());
            }
        }
        let whole = self.part.len().saturating_sub(self.records.open_pieces());
        Ok(self.part.drain(..whole).collect())
    }
}

/// An open sink.
enum Sink {
    Trickle {
        publisher: Box<Publisher>,
        segment: Option<Segment>,
        written: Written,
        trouble: Trouble,
    },
    File {
        file: File,
        written: Written,
    },
}

/// What the channel says.
enum Heard {
    Trouble(String),
    Ended(Option<String>),
    Sent,
    Lost(String),
    Nothing,
}

async fn event(sink: &mut Option<Sink>) -> Heard {
    let Some(Sink::Trickle {
        publisher, trouble, ..
    }) = sink
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
        Some(Event::Lost { why, .. }) => Heard::Lost(format!("{why:?}")),
        Some(Event::Ended(end)) => Heard::Ended(ended(&end)),
        Some(_) => Heard::Nothing,
        None => Heard::Ended(None),
    }
}

/// Why the output cannot go on; none when its channel was closed.
fn ended(end: &End) -> Option<String> {
    match end {
        End::Closed | End::Finished | End::NotFound => None,
        other => Some(told(other)),
    }
}

impl Sink {
    async fn open(output: Output) -> io::Result<Self> {
        Ok(match output {
            Output::Trickle(publisher) => Self::Trickle {
                publisher,
                segment: None,
                written: Written::default(),
                trouble: Trouble::default(),
            },
            // What is there is not written over: it may be the source.
            Output::File(path) => Self::File {
                file: File::create_new(path).await?,
                written: Written::default(),
            },
        })
    }

    async fn put(&mut self, pieces: Vec<Piece>, shared: &Shared) -> Result<(), Option<String>> {
        for piece in pieces {
            match piece {
                Piece::Cut => self.cut().await,
                Piece::Bytes(bytes) => {
                    Counters::add(&shared.counters.bytes_out, bytes.len() as u64);
                    let newest = match self {
                        Self::Trickle { written, .. } | Self::File { written, .. } => {
                            written.push(&bytes)
                        }
                    };
                    self.write(bytes).await?;
                    if let Some(newest) = newest {
                        shared.counters.written.store(newest, Ordering::Relaxed);
                    }
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
            Self::File { file, .. } => timeout(FILE_WITHIN, file.write_all(&bytes))
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                .map_err(|error| Some(format!("cannot write: {error}"))),
        }
    }

    async fn cut(&mut self) {
        if let Self::Trickle { segment, .. } = self
            && let Some(open) = segment.take()
        {
            // One that ended otherwise is told by an event.
            drop(open.finish().await);
        }
    }

    async fn close(mut self, shared: &Shared) {
        self.cut().await;
        match self {
            Self::Trickle { publisher, .. } => {
                if let Err(error) = publisher.close().await {
                    log_stream(
                        Level::Warning,
                        &shared.ids,
                        format_args!("the output channel: {}", told(&error)),
                    );
                }
            }
            Self::File { mut file, .. } => {
                let until = Instant::now() + CLOSE_WITHIN;
                if !matches!(timeout_at(until, file.flush()).await, Ok(Ok(()))) {
                    log_stream(
                        Level::Error,
                        &shared.ids,
                        "the end of the output file could not be written",
                    );
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
