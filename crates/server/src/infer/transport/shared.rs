//! What the tasks of a transport share: whom they tell, and when they end.

use std::{
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{Counters, News, ending::Ending, progress::Progress};
use crate::{
    infer::engine::{Incoming, Number},
    log::Ids,
};

/// How often a full inbox of the engine is tried again.
const AGAIN: Duration = Duration::from_millis(2);

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
    /// Tells the engine; waits while its inbox is full.
    pub(super) async fn tell(&self, news: News) {
        let mut incoming = Incoming::Transport(self.number, news);
        loop {
            match self.owner.try_send(incoming) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(back)) => incoming = back,
            }
            sleep(AGAIN).await;
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
