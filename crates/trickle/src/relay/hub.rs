//! Channels by their names.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::task::Waker;
use std::time::Instant;

use super::changefeed::{self, CHANGES};
use super::channel::Channel;
use super::counters::{Counters, Stats, add, take};
use super::handle::{Cell, Due};
use super::{AllowAll, Config, Policy};

/// Names of deleted channels that are remembered at most.
const REMEMBERED: usize = 1024;

/// All channels of a server. Clones are the same hub.
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

struct Inner {
    config: Config,
    policy: Arc<dyn Policy>,
    counters: Arc<Counters>,
    due: Arc<Due>,
    state: RwLock<State>,
    deleted: Mutex<VecDeque<(Instant, Arc<str>)>>,
}

#[derive(Default)]
struct State {
    channels: HashMap<Arc<str>, Arc<Cell>>,
    stopped: bool,
}

/// Why there is no such channel, although it was to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The name is empty.
    #[error("the name of a channel is empty")]
    NoName,
    /// The name is longer than its limit.
    #[error("the name of a channel is longer than {limit} bytes")]
    NameTooLong {
        /// The limit.
        limit: usize,
    },
    /// There are as many channels as there may be.
    #[error("there are {limit} channels, as many as there may be")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The hub is stopped.
    #[error("the hub is stopped")]
    Stopped,
}

impl Hub {
    /// A hub in which everybody may do everything.
    pub fn new(now: Instant, config: Config) -> Self {
        Self::with_policy(now, config, Arc::new(AllowAll))
    }

    /// A hub with hooks.
    pub fn with_policy(now: Instant, config: Config, policy: Arc<dyn Policy>) -> Self {
        let inner = Inner {
            policy,
            counters: Arc::default(),
            due: Arc::default(),
            state: RwLock::default(),
            deleted: Mutex::default(),
            config,
        };
        let hub = Self {
            inner: Arc::new(inner),
        };
        if hub.config().changefeed {
            let mut state = hub.write();
            hub.insert(&mut state, now, CHANGES, Some(changefeed::MIME));
        }
        hub
    }

    /// Settings of the hub.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        self.inner.counters.snapshot()
    }

    /// Whether there is such a channel.
    pub fn has(&self, name: &str) -> bool {
        self.read().channels.contains_key(name)
    }

    /// Names of all channels, in no order.
    pub fn names(&self) -> Vec<Arc<str>> {
        self.read().channels.keys().cloned().collect()
    }

    /// Creates a channel, whatever outsiders may do. One that exists is left as it is.
    pub fn create(&self, now: Instant, name: &str, mime: Option<&str>) -> Result<(), CreateError> {
        self.find_or_create(now, name, mime).map(|_| ())
    }

    /// Closes a channel and forgets it. False if there is none.
    pub fn delete(&self, now: Instant, name: &str) -> bool {
        let Some(name) = self.remove(now, name) else {
            return false;
        };
        let mut deleted = self.deleted();
        if deleted.len() == REMEMBERED {
            deleted.pop_front();
        }
        deleted.push_back((now, name));
        true
    }

    /// Closes channels that were idle for too long. To be called each [`Config::sweep_interval`].
    pub fn sweep(&self, now: Instant) {
        let timeout = self.config().idle_timeout;
        let is_idle = |cell: &Cell| cell.with(|channel| channel.is_idle(now, timeout));
        let idle: Vec<_> = {
            let state = self.read();
            let mortal = state
                .channels
                .iter()
                .filter(|(name, _)| !name.starts_with('_'));
            mortal
                .filter(|(_, cell)| is_idle(cell))
                .map(|(name, _)| name.clone())
                .collect()
        };
        for name in idle {
            self.remove(now, &name);
        }
    }

    /// Does what is due. To be called at the time that [`Hub::due`] gave.
    pub fn tick(&self, now: Instant) {
        self.inner.due.tick(now);
    }

    /// When [`Hub::tick`] has something to do. The waker is called when that becomes earlier.
    pub fn due(&self, waker: &Waker) -> Option<Instant> {
        self.inner.due.next(waker)
    }

    /// Closes all channels, without a word in the changefeed. Nothing is created any more.
    pub fn stop(&self) {
        let channels = {
            let mut state = self.write();
            state.stopped = true;
            std::mem::take(&mut state.channels)
        };
        take(&self.inner.counters.channels, channels.len() as u64);
        channels
            .into_values()
            .for_each(|cell| cell.with(Channel::end));
    }

    /// Whether [`Hub::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.read().stopped
    }

    pub(crate) fn policy(&self) -> &dyn Policy {
        self.inner.policy.as_ref()
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<Cell>> {
        self.read().channels.get(name).cloned()
    }

    pub(crate) fn find_or_create(
        &self,
        now: Instant,
        name: &str,
        mime: Option<&str>,
    ) -> Result<Arc<Cell>, CreateError> {
        if let Some(cell) = self.find(name) {
            return Ok(cell);
        }
        let limits = &self.config().limits;
        if name.is_empty() {
            return Err(CreateError::NoName);
        }
        if name.len() > limits.name_bytes {
            return Err(CreateError::NameTooLong {
                limit: limits.name_bytes,
            });
        }
        let mut state = self.write();
        if let Some(cell) = state.channels.get(name) {
            return Ok(cell.clone());
        }
        if state.stopped {
            return Err(CreateError::Stopped);
        }
        if state.channels.len() >= limits.channels {
            return Err(CreateError::TooMany {
                limit: limits.channels,
            });
        }
        Ok(self.insert(&mut state, now, name, mime))
    }

    /// Whether the channel was deleted a moment ago.
    pub(crate) fn was_deleted(&self, now: Instant, name: &str) -> bool {
        let memory = self.config().memory;
        let mut deleted = self.deleted();
        while deleted
            .front()
            .is_some_and(|(at, _)| now.saturating_duration_since(*at) > memory)
        {
            deleted.pop_front();
        }
        deleted.iter().any(|(_, deleted)| **deleted == *name)
    }

    fn insert(&self, state: &mut State, now: Instant, name: &str, mime: Option<&str>) -> Arc<Cell> {
        let counters = &self.inner.counters;
        // A value that no header can hold is none.
        let mime = mime
            .filter(|mime| !mime.is_empty() && !mime.contains(char::is_control))
            .map(Arc::from);
        let channel = Channel::counted(now, mime, self.config(), counters.clone());
        let cell = Cell::new(channel, self.inner.due.clone());
        state.channels.insert(name.into(), cell.clone());
        add(&counters.channels, 1);
        self.announce(state, now, "added", name);
        cell
    }

    fn remove(&self, now: Instant, name: &str) -> Option<Arc<str>> {
        let mut state = self.write();
        let (name, cell) = state.channels.remove_entry(name)?;
        take(&self.inner.counters.channels, 1);
        self.announce(&state, now, "removed", &name);
        drop(state);
        cell.with(Channel::end);
        Some(name)
    }

    /// Writes to the changefeed, under the lock of the names, so that events come in the order of what they tell.
    fn announce(&self, state: &State, now: Instant, key: &str, name: &str) {
        if self.config().changefeed
            && let Some(changes) = state.channels.get(CHANGES)
        {
            changes.with(|channel| changefeed::publish(channel, now, key, name));
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.inner
            .state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.inner
            .state
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn deleted(&self) -> std::sync::MutexGuard<'_, VecDeque<(Instant, Arc<str>)>> {
        self.inner
            .deleted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
