//! The streams of a queue, and what they are called.

use std::time::Duration;

use async_nats::jetstream::{
    consumer::{AckPolicy, pull},
    context::CreateStreamErrorKind,
    object_store,
    stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream},
};

use super::{
    fault::{Fault, QueueError, away},
    link::Link,
};
use crate::machines::MOST_BYTES;

pub(super) const WORK: &str = "framerill.plates.work.";
pub(super) const NOTES: &str = "framerill.plates.note.";
pub(super) const WORKERS: &str = "framerill.plates.worker.";
pub(super) const DEAD: &str = "framerill.plates.dead.";
/// Videos that were uploaded, by the key of their item.
const BUCKET: &str = "framerill-plates-videos";
/// The one consumer that all workers pull from.
const CONSUMER: &str = "plates-work";

const DAY: Duration = Duration::from_secs(86_400);
/// Notes of items are kept so long: the same command tells how they ended.
const NOTES_AGE: Duration = Duration::from_secs(30 * 86_400);
/// A worker that says nothing for so long is gone.
const WORKERS_AGE: Duration = Duration::from_secs(30);
/// Within it the server knows a message that is published twice.
const DUPLICATES: Duration = Duration::from_secs(120);
/// Letters at most; the oldest ones go first.
const LETTERS: i64 = 100_000;
/// Items that workers have at once, together.
const IN_FLIGHT: i64 = 10_000;

/// All streams.
pub(super) struct Streams {
    pub(super) work: Stream,
    pub(super) notes: Stream,
    pub(super) workers: Stream,
    pub(super) dead: Stream,
}

impl Streams {
    /// Makes those that are not there.
    pub(super) async fn open(link: &Link) -> Result<Self, QueueError> {
        let bytes = i32::try_from(MOST_BYTES).unwrap_or(i32::MAX);
        let of = |name: &str, subjects: &str| Config {
            name: name.into(),
            subjects: vec![format!("{subjects}*")],
            max_message_size: bytes,
            ..Config::default()
        };
        let work = Config {
            retention: RetentionPolicy::WorkQueue,
            // One message of an item at most: a second one is refused until the first is done.
            max_messages_per_subject: 1,
            discard: DiscardPolicy::New,
            discard_new_per_subject: true,
            duplicate_window: DUPLICATES,
            ..of("FRAMERILL_PLATES_WORK", WORK)
        };
        let notes = Config {
            max_messages_per_subject: 1,
            max_age: NOTES_AGE,
            ..of("FRAMERILL_PLATES_NOTES", NOTES)
        };
        let workers = Config {
            max_messages_per_subject: 1,
            max_age: WORKERS_AGE,
            duplicate_window: WORKERS_AGE,
            storage: StorageType::Memory,
            ..of("FRAMERILL_PLATES_WORKERS", WORKERS)
        };
        let dead = Config {
            max_messages: LETTERS,
            max_age: 90 * DAY,
            // A letter has the item in it, escaped.
            max_message_size: bytes * 8,
            ..of("FRAMERILL_PLATES_DEAD", DEAD)
        };
        Ok(Self {
            work: make(link, work).await?,
            notes: make(link, notes).await?,
            workers: make(link, workers).await?,
            dead: make(link, dead).await?,
        })
    }

    /// The consumer of all workers; `ack_wait` counts where it is not there yet.
    pub(super) async fn consumer(
        &self,
        link: &Link,
        ack_wait: Duration,
    ) -> Result<async_nats::jetstream::consumer::Consumer<pull::Config>, QueueError> {
        let config = || pull::Config {
            durable_name: Some(CONSUMER.into()),
            ack_policy: AckPolicy::Explicit,
            ack_wait,
            // Workers count: a letter says why.
            max_deliver: -1,
            max_ack_pending: IN_FLIGHT,
            ..pull::Config::default()
        };
        link.patient("make a consumer", || async {
            let made = self.work.get_or_create_consumer(CONSUMER, config()).await;
            made.map_err(away)
        })
        .await
    }
}

async fn make(link: &Link, config: Config) -> Result<Stream, QueueError> {
    link.patient("make its streams", || async {
        let made = link.context.get_or_create_stream(config.clone()).await;
        made.map_err(|error| match error.kind() {
            CreateStreamErrorKind::JetStream(it) if it.code() < 500 => {
                Fault::Broken(error.to_string())
            }
            _ => away(error),
        })
    })
    .await
}

/// The bucket of videos.
pub(super) async fn bucket(link: &Link) -> Result<object_store::ObjectStore, QueueError> {
    link.patient("make its bucket", || async {
        if let Ok(it) = link.context.get_object_store(BUCKET).await {
            return Ok(it);
        }
        let config = object_store::Config {
            bucket: BUCKET.into(),
            max_age: NOTES_AGE,
            ..object_store::Config::default()
        };
        link.context.create_object_store(config).await.map_err(away)
    })
    .await
}
