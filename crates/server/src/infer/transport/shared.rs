//! What the tasks of a transport share: whom they tell, and when they end.

use std::sync::{
    Arc,
    mpsc::{SyncSender, TrySendError},
};

use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep_until},
};

use super::{Counters, News, ending::Ending, progress::Progress};
use crate::{
    infer::engine::{Incoming, Number},
    log::Ids,
};

/// What tasks share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) number: Number,
    pub(super) owner: SyncSender<Incoming>,
    pub(super) ids: Arc<Ids>,
    pub(super) counters: Arc<Counters>,
    pub(super) progress: Arc<Progress>,
    /// All of it is to end then.
    pub(super) stop: watch::Receiver<Option<Ending>>,
    /// The channels are closed.
    pub(super) closed: watch::Sender<bool>,
}

impl Shared {
    /// Tells the engine; while its inbox is full, waits for room on a thread for that. Nothing of a stream goes on without
    /// the engine, and its end ends the wait.
    pub(super) async fn tell(&self, news: News) {
        let incoming = Incoming::Transport(self.number, news);
        if let Err(TrySendError::Full(incoming)) = self.owner.try_send(incoming) {
            let owner = self.owner.clone();
            // An engine that has ended needs no news.
            drop(spawn_blocking(move || owner.send(incoming).is_ok()).await);
        }
    }

    /// All of it is to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.borrow().is_some()
    }

    /// Returns once all of it is to end.
    pub(super) async fn stopped(&self) -> Ending {
        let mut stop = self.stop.clone();
        let said = stop.wait_for(Option::is_some).await;
        // Nobody left to say so is as good.
        let said = said.ok().and_then(|it| *it);
        said.unwrap_or_else(|| Ending::of(Instant::now()))
    }

    /// What comes of `work`; none once the stream has stopped and its moment `by` has passed.
    pub(super) async fn within<T>(
        &self,
        by: impl Fn(Ending) -> Instant,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let over = async { sleep_until(by(self.stopped().await)).await };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = over => None,
        }
    }
}
