//! Compressed bytes from the source to media.

use std::{collections::VecDeque, io, os::fd::OwnedFd, sync::Arc, time::Duration};

use bytes::Bytes;
use framerill_media::Piece;
use framerill_trickle::{
    http::client::{self, Subscriber, SubscriberOptions},
    subscriber::{Event, Join},
};
use rustix::io::ioctl_fionread;
use tokio::{net::unix::pipe, sync::mpsc, time::Instant};

use super::{Counters, News, Shared, queue::ByteQueue, replay::Replay, told, trouble::Trouble};
use crate::{
    infer::{asked::Endpoint, engine::wall_ms, event::Step},
    log::{Ids, Level, log_child, log_stream},
    trickle::Source,
};

/// Bytes that wait for media; while there are so many, the source is not read.
const WAITING: usize = 1 << 20;
/// A channel that is not there is waited for so long: its orchestrator has made it (runner contract §11.4).
const ABSENCE: Duration = Duration::from_secs(2);
/// The same for our own API, where a person may start the source last.
const API_ABSENCE: Duration = Duration::from_secs(60);

/// Where bytes come from.
pub(super) enum Input {
    Trickle(Box<Subscriber>),
    /// Opened when the stream begins: its reader has children of its own.
    File(String),
}

/// What came.
enum Came {
    Begin,
    Bytes(Bytes),
    Whole,
    Missing(u64),
    Trouble(String),
    End(Option<String>),
}

impl Input {
    pub(super) fn of(
        endpoint: &Endpoint,
        tls: &client::Transport,
        is_api: bool,
    ) -> Result<Self, String> {
        let Some(url) = endpoint.channel() else {
            return Ok(Self::File(endpoint.as_text()));
        };
        let mut options = SubscriberOptions {
            transport: tls.clone(),
            ..SubscriberOptions::default()
        };
        options.config.join = Join::Newest;
        options.config.absence = if is_api { API_ABSENCE } else { ABSENCE };
        let subscriber = Subscriber::connect(url, options).map_err(|error| told(&error))?;
        Ok(Self::Trickle(Box::new(subscriber)))
    }
}

/// A source that is open.
enum Open {
    Trickle(Box<Subscriber>),
    File(Box<Source>, VecDeque<Piece>),
}

impl Open {
    fn new(input: Input, ids: &Arc<Ids>) -> Result<Self, String> {
        match input {
            Input::Trickle(subscriber) => Ok(Self::Trickle(subscriber)),
            Input::File(name) => {
                let ids = Arc::clone(ids);
                let tell = move |level, line: &str| log_child(level, &ids, "source", line);
                match Source::video(&name, Box::new(tell)) {
                    Ok(source) => Ok(Self::File(Box::new(source), VecDeque::new())),
                    Err(failure) => Err(failure.to_string()),
                }
            }
        }
    }

    /// Nothing is lost if the wait is given up.
    async fn next(&mut self) -> Came {
        match self {
            Self::Trickle(subscriber) => loop {
                return match subscriber.next().await {
                    Ok(Some(Event::Begin { .. })) => Came::Begin,
                    Ok(Some(Event::Bytes(bytes))) => Came::Bytes(bytes),
                    Ok(Some(Event::End { .. })) => Came::Whole,
                    Ok(Some(Event::Gap { from, to })) => {
                        Came::Missing(to.get().saturating_sub(from.get()))
                    }
                    Ok(Some(Event::Trouble(failure))) => Came::Trouble(failure.to_string()),
                    Ok(Some(_)) => continue,
                    Ok(None) => Came::End(None),
                    Err(error) => Came::End(Some(told(&error))),
                };
            },
            Self::File(source, pieces) => loop {
                match pieces.pop_front() {
                    Some(Piece::Bytes(bytes)) => return Came::Bytes(bytes),
                    Some(Piece::Cut) => return Came::Whole,
                    None => {}
                }
                match source.next().await {
                    Some(Ok(more)) => pieces.extend(more),
                    Some(Err(failure)) => return Came::End(Some(failure.to_string())),
                    None => return Came::End(None),
                }
            },
        }
    }
}

/// Reads until the source ends or the stream stops. The pipe is closed behind the last byte.
pub(super) async fn run(input: Input, mut wires: mpsc::Receiver<OwnedFd>, shared: Shared) {
    let mut source = match Open::new(input, &shared.ids) {
        Ok(source) => Some(source),
        Err(why) => {
            shared.tell(News::InputEnded(Some(why))).await;
            return;
        }
    };
    let mut pump = Pump::default();
    let mut trouble = Trouble::default();
    let mut is_first = true;
    loop {
        if source.is_none() && pump.pending.is_empty() {
            // Media sees the end once it has all; one that is started anew reads what is kept, and sees it, too.
            pump.pipe = None;
        }
        let may_read = pump.pending.len() < WAITING;
        tokio::select! {
            biased;
            _ = shared.stopped() => return,
            wire = wires.recv() => match wire {
                Some(fd) => pump.rewire(fd, &shared),
                None => return,
            },
            () = pump.write(), if pump.can_write() => {}
            came = next(&mut source), if may_read && source.is_some() => match came {
                Came::Begin => pump.replay.segment_begins(),
                Came::Bytes(bytes) => {
                    Counters::add(&shared.counters.bytes_in, bytes.len() as u64);
                    pump.push(bytes, shared.progress.reached());
                }
                Came::Whole => {
                    if std::mem::take(&mut is_first) {
                        let trace = News::Trace(Step::ReceiveFirstIngestSegment, wall_ms());
                        shared.tell(trace).await;
                    }
                }
                Came::Missing(count) => {
                    Counters::add(&shared.counters.segments_missing, count);
                    log_stream(Level::Warning, &shared.ids, format_args!("{count} segments of the input are missing"));
                }
                Came::Trouble(what) => {
                    if trouble.is_told(Instant::now()) {
                        let text = format!("Error reading input: {what}; trying again");
                        shared.tell(News::Trouble(text)).await;
                    }
                }
                Came::End(why) => {
                    source = None;
                    shared.tell(News::InputEnded(why)).await;
                }
            },
        }
    }
}

async fn next(source: &mut Option<Open>) -> Came {
    match source {
        Some(source) => source.next().await,
        None => std::future::pending().await,
    }
}

/// Bytes on their way into media.
#[derive(Default)]
struct Pump {
    replay: Replay,
    pipe: Option<pipe::Sender>,
    pending: ByteQueue,
}

impl Pump {
    /// `reached` is the time up to which pictures went out.
    fn push(&mut self, bytes: Bytes, reached: Option<i64>) {
        let unread = || match &self.pipe {
            Some(pipe) => self.pending.len() as u64 + ioctl_fionread(pipe).unwrap_or(0),
            // The next media process reads all that is kept.
            None => u64::MAX,
        };
        self.replay.push(&bytes, reached, unread);
        if self.pipe.is_some() {
            self.pending.push(bytes);
        }
    }

    fn can_write(&self) -> bool {
        self.pipe.is_some() && !self.pending.is_empty()
    }

    /// A new media process reads from the last keyframe on that went out.
    fn rewire(&mut self, fd: OwnedFd, shared: &Shared) {
        match pipe::Sender::from_owned_fd(fd) {
            Ok(pipe) => self.pipe = Some(pipe),
            Err(error) => {
                log_stream(
                    Level::Error,
                    &shared.ids,
                    format_args!("media's pipe cannot be used: {error}"),
                );
            }
        }
        self.pending = self.replay.all();
    }

    /// Writes some. A media process that is gone takes nothing: the next one reads what is kept.
    async fn write(&mut self) {
        let Some(pipe) = &self.pipe else { return };
        if pipe.writable().await.is_err() {
            self.lose();
            return;
        }
        match pipe.try_write(self.pending.first()) {
            Ok(count) => self.pending.drop_first(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.lose(),
        }
    }

    fn lose(&mut self) {
        self.pipe = None;
        self.pending.clear();
    }
}
