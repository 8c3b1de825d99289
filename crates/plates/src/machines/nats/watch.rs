//! Words on items and workers, as they come.

use std::time::Duration;

use async_nats::jetstream::{
    consumer::{DeliverPolicy, pull::OrderedConfig},
    stream::Stream,
};
use futures_util::StreamExt;
use tokio::{
    runtime::Handle,
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::streams::{NOTES, WORKERS};
use crate::machines::{Key, Note, Presence};

/// Words that wait; while it is full, the server waits.
const WAITING: usize = 1024;
/// Without a word for so long the newest ones are asked for anew: a server that was away forgot who listens.
const SILENCE: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(500);

/// One word.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// On an item.
    Item(Key, Note),
    /// Of a worker.
    Worker(Presence),
}

/// Words as they come; it ends with this value.
pub struct Watch {
    handle: Handle,
    words: Receiver<Seen>,
    tasks: [JoinHandle<()>; 2],
}

impl Watch {
    pub(super) fn start(handle: &Handle, notes: Stream, workers: Stream) -> Self {
        let (sender, words) = channel(WAITING);
        let tasks = [
            handle.spawn(listen(notes, sender.clone(), item)),
            handle.spawn(listen(workers, sender, worker)),
        ];
        Self {
            handle: handle.clone(),
            words,
            tasks,
        }
    }

    /// The next one within `wait`. It blocks.
    pub fn next(&mut self, wait: Duration) -> Option<Seen> {
        let words = &mut self.words;
        let next = async { timeout(wait, words.recv()).await.ok().flatten() };
        self.handle.block_on(next)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn item(subject: &str, bytes: &[u8]) -> Option<Seen> {
    let key = Key::parsed(subject.strip_prefix(NOTES)?)?;
    Some(Seen::Item(key, Note::parsed(bytes)?))
}

fn worker(subject: &str, bytes: &[u8]) -> Option<Seen> {
    subject.strip_prefix(WORKERS)?;
    Some(Seen::Worker(Presence::parsed(bytes)?))
}

/// For ever: whatever ends the one listening, another one begins.
async fn listen(stream: Stream, words: Sender<Seen>, of: fn(&str, &[u8]) -> Option<Seen>) {
    loop {
        let consumer = stream.create_consumer(OrderedConfig {
            deliver_policy: DeliverPolicy::LastPerSubject,
            filter_subject: ">".into(),
            ..OrderedConfig::default()
        });
        if let Ok(Ok(consumer)) = timeout(SILENCE, consumer).await
            && let Ok(mut messages) = consumer.messages().await
        {
            while let Ok(Some(Ok(message))) = timeout(SILENCE, messages.next()).await {
                if let Some(seen) = of(message.subject.as_str(), &message.payload)
                    && words.send(seen).await.is_err()
                {
                    return;
                }
            }
        }
        sleep(AGAIN).await;
    }
}
