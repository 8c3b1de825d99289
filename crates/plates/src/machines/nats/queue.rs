//! Items in and out of the queue, and what is told about them.

use std::{path::PathBuf, time::Duration};

use async_nats::{
    header::NATS_MESSAGE_ID,
    jetstream::{
        self, AckKind,
        consumer::{Consumer, pull},
        message::PublishMessage,
        stream::LastRawMessageErrorKind,
    },
};
use futures_util::StreamExt;
use serde_json::json;
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};

use super::{
    fault::{Fault, QueueError, away},
    link::Link,
    streams::{DEAD, NOTES, Streams, WORK, WORKERS},
    watch::Watch,
};
use crate::machines::{Item, Key, Note, Presence, VERSION};

/// A word that is not worth waiting for.
const PASSING: Duration = Duration::from_secs(2);
/// Characters of a hostile item that a letter keeps.
const KEPT: usize = 8 << 10;

/// How a queue is reached.
#[derive(Clone, Debug)]
pub struct Options {
    /// `nats://…` or `tls://…`; may hold a login.
    pub url: String,
    /// A credentials file as NATS makes them.
    pub credentials: Option<PathBuf>,
    /// Certificates of authorities, besides the system's.
    pub authority: Option<PathBuf>,
    /// The first connection may take so long.
    pub start: Duration,
    /// Every later call: for so long the server may be away.
    pub patience: Duration,
}

/// What became of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It is in the queue now.
    New,
    /// It was there already, waiting or in a worker's hands.
    There,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Items in the queue, those in workers' hands with them.
    pub items: u64,
    /// Letters.
    pub dead: u64,
}

/// A queue that is open. Calls wait for the server; it owns a runtime of one thread.
pub struct Queue {
    pub(super) link: Link,
    streams: Streams,
    runtime: Option<Runtime>,
}

impl Queue {
    /// Connects, and makes the streams that are not there. It blocks.
    ///
    /// # Errors
    /// The server is away for longer than a start may take, or refuses.
    pub fn open(options: &Options) -> Result<Self, QueueError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("queue")
            .enable_all()
            .build()
            .map_err(QueueError::Threads)?;
        let (link, streams) = runtime.block_on(async {
            let link = Link::open(options).await?;
            let streams = Streams::open(&link).await?;
            Ok::<_, QueueError>((link, streams))
        })?;
        Ok(Self {
            link,
            streams,
            runtime: Some(runtime),
        })
    }

    /// Looks whether a server is there, and changes nothing: its version. It blocks.
    ///
    /// # Errors
    /// It is away, refuses, or has no JetStream.
    pub fn look(options: &Options) -> Result<String, QueueError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(QueueError::Threads)?;
        runtime.block_on(async {
            let link = Link::open(options).await?;
            let ask = || async {
                let account = link.context.query_account().await;
                account.map_err(|error| Fault::Broken(error.to_string()))
            };
            link.once("ask for JetStream", ask).await?;
            Ok(link.context.client().server_info().version)
        })
    }

    pub(super) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("taken at the end alone")
    }

    /// Puts an item into the queue, unless it is there. It blocks.
    ///
    /// # Errors
    /// The server is away for too long, or refuses it.
    pub fn submit(&self, item: &Item) -> Result<Submitted, QueueError> {
        let subject = format!("{WORK}{}", item.key());
        let bytes = item.to_bytes()?;
        let submit = || async {
            let message = PublishMessage::build()
                .payload(bytes.clone().into())
                .header(NATS_MESSAGE_ID, item.message_id().as_str());
            let sent = self.link.context.send_publish(subject.clone(), message);
            match sent.await.map_err(away)?.await {
                Ok(ack) if ack.duplicate => Ok(Submitted::There),
                Ok(_) => Ok(Submitted::New),
                Err(error) if is_there(&error) => Ok(Submitted::There),
                Err(error) => Err(away(error)),
            }
        };
        self.runtime()
            .block_on(self.link.patient("submit a video", submit))
    }

    /// Tells how an item stands. It blocks.
    ///
    /// # Errors
    /// The server is away for too long.
    pub fn note(&self, key: &Key, note: &Note) -> Result<(), QueueError> {
        let subject = format!("{NOTES}{key}");
        let publish = || self.publish(subject.clone(), note.to_bytes());
        self.runtime()
            .block_on(self.link.patient("tell how a video stands", publish))
    }

    /// The same where the next such word makes up for one that is lost: one short try.
    pub fn note_in_passing(&self, key: &Key, note: &Note) {
        let subject = format!("{NOTES}{key}");
        let publish = self.publish(subject, note.to_bytes());
        let _: Option<()> = self.runtime().block_on(timeout_of(publish));
    }

    /// A worker tells that it is there: one short try.
    pub fn present(&self, presence: &Presence) {
        let subject = format!("{WORKERS}{}", presence.worker);
        let publish = self.publish(subject, presence.to_bytes());
        let _: Option<()> = self.runtime().block_on(timeout_of(publish));
    }

    async fn publish(&self, subject: String, bytes: Vec<u8>) -> Result<(), Fault> {
        let sent = self.link.context.publish(subject, bytes.into()).await;
        sent.map_err(away)?.await.map(drop).map_err(away)
    }

    /// The last word on an item. It blocks.
    ///
    /// # Errors
    /// The server is away for too long.
    pub fn noted(&self, key: &Key) -> Result<Option<Note>, QueueError> {
        let ask = || self.last_note(key);
        self.runtime()
            .block_on(self.link.patient("ask how a video stands", ask))
    }

    /// The same in one short try; none if the server says nothing.
    #[must_use]
    pub fn noted_in_passing(&self, key: &Key) -> Option<Note> {
        let asked = self.runtime().block_on(timeout_of(self.last_note(key)));
        asked.flatten()
    }

    async fn last_note(&self, key: &Key) -> Result<Option<Note>, Fault> {
        let subject = format!("{NOTES}{key}");
        let found = self.streams.notes.get_last_raw_message_by_subject(&subject);
        match found.await {
            Ok(message) => Ok(Note::parsed(&message.payload)),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(away(error)),
        }
    }

    /// All words on items and workers from now on, the newest of each first.
    #[must_use]
    pub fn watch(&self) -> Watch {
        let (notes, workers) = (self.streams.notes.clone(), self.streams.workers.clone());
        Watch::start(self.runtime().handle(), notes, workers)
    }

    /// How much there is. It blocks.
    ///
    /// # Errors
    /// The server is away for too long.
    pub fn depth(&self) -> Result<Depth, QueueError> {
        let ask = || async {
            let work = self.streams.work.get_info().await.map_err(away)?;
            let dead = self.streams.dead.get_info().await.map_err(away)?;
            Ok(Depth {
                items: work.state.messages,
                dead: dead.state.messages,
            })
        };
        self.runtime()
            .block_on(self.link.patient("ask how much there is", ask))
    }

    /// Who takes items; `ack_wait` counts for the first worker of all.
    ///
    /// # Errors
    /// The server is away for too long, or refuses.
    pub fn taker(&self, ack_wait: Duration) -> Result<Taker<'_>, QueueError> {
        let made = self.streams.consumer(&self.link, ack_wait);
        Ok(Taker {
            queue: self,
            consumer: self.runtime().block_on(made)?,
        })
    }

    /// Sets aside what no worker can do. It blocks.
    ///
    /// # Errors
    /// The server is away for too long.
    pub fn letter(&self, delivery: &Delivery<'_>, why: &str) -> Result<(), QueueError> {
        let name = match delivery.key() {
            Some(key) => key.to_string(),
            None => format!("bad-{}", delivery.sequence),
        };
        let item: String = String::from_utf8_lossy(delivery.bytes())
            .chars()
            .take(KEPT)
            .collect();
        let letter = json!({
            "v": VERSION, "reason": why, "deliveries": delivery.count, "bytes": delivery.bytes().len(), "item": item,
        });
        let letter = letter.to_string().into_bytes();
        let publish = || self.publish(format!("{DEAD}{name}"), letter.clone());
        self.runtime()
            .block_on(self.link.patient("set a video aside", publish))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

async fn timeout_of<T>(call: impl Future<Output = Result<T, Fault>>) -> Option<T> {
    timeout(PASSING, call).await.ok()?.ok()
}

/// The stream's word for a second message of an item; its code is that of every message that cannot be stored.
fn is_there(error: &impl std::fmt::Display) -> bool {
    error.to_string().contains("maximum messages per subject")
}

/// Takes items.
pub struct Taker<'a> {
    queue: &'a Queue,
    consumer: Consumer<pull::Config>,
}

impl<'a> Taker<'a> {
    /// For so long an item is a worker's without a word of it.
    #[must_use]
    pub fn ack_wait(&self) -> Duration {
        self.consumer.cached_info().config.ack_wait
    }

    /// The next item, if there is one within `wait`. It blocks.
    ///
    /// # Errors
    /// The server is away; the same call works when it is back.
    pub fn take(&self, wait: Duration) -> Result<Option<Delivery<'a>>, QueueError> {
        let take = || async {
            let pull = self.consumer.batch().max_messages(1).expires(wait);
            let mut messages = pull.messages().await.map_err(away)?;
            match timeout(wait + PASSING, messages.next()).await {
                Ok(Some(Ok(message))) => Ok(Some(message)),
                Ok(Some(Err(error))) => Err(away(error)),
                Ok(None) => Ok(None),
                // A server that is there says when it has nothing.
                Err(_) => Err(away("no answer")),
            }
        };
        let runtime = self.queue.runtime();
        let message = runtime.block_on(self.queue.link.once("take a video", take))?;
        Ok(message.and_then(|it| Delivery::of(self.queue, it)))
    }
}

/// An item in a worker's hands.
pub struct Delivery<'a> {
    queue: &'a Queue,
    message: jetstream::Message,
    /// The how many-th it is, from 1.
    pub count: u64,
    sequence: u64,
}

impl<'a> Delivery<'a> {
    fn of(queue: &'a Queue, message: jetstream::Message) -> Option<Self> {
        let info = message.info().ok()?;
        let (count, sequence) = (
            u64::try_from(info.delivered).unwrap_or(1).max(1),
            info.stream_sequence,
        );
        Some(Self {
            queue,
            message,
            count,
            sequence,
        })
    }

    /// What lies in the queue: from anyone who may write to it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.message.payload
    }

    /// As its subject says it; none if that is none of ours.
    #[must_use]
    pub fn key(&self) -> Option<Key> {
        Key::parsed(self.message.subject.as_str().strip_prefix(WORK)?)
    }

    /// It is still being worked at: one short try. Says whether the server was told.
    pub fn progress(&self) -> bool {
        let told = async { self.message.ack_with(AckKind::Progress).await.map_err(away) };
        self.queue.runtime().block_on(timeout_of(told)).is_some()
    }

    /// It is done.
    ///
    /// # Errors
    /// The server is away for too long: it will be handed out again.
    pub fn ack(&self) -> Result<(), QueueError> {
        self.tell(|| AckKind::Ack)
    }

    /// It is handed out again, after a while.
    ///
    /// # Errors
    /// The server is away for too long: it will be handed out again anyway.
    pub fn back(&self, wait: Duration) -> Result<(), QueueError> {
        let wait = Some(wait).filter(|it| !it.is_zero());
        self.tell(|| AckKind::Nak(wait))
    }

    /// It is never handed out again.
    ///
    /// # Errors
    /// The server is away for too long: it will be handed out again.
    pub fn bury(&self) -> Result<(), QueueError> {
        self.tell(|| AckKind::Term)
    }

    fn tell(&self, kind: impl Fn() -> AckKind) -> Result<(), QueueError> {
        let tell = || async {
            let told = self.message.double_ack_with(kind()).await;
            told.map_err(away)
        };
        let link = &self.queue.link;
        self.queue
            .runtime()
            .block_on(link.patient("answer the queue", tell))
    }
}
