//! What all handlers share.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::http::request::Parts;
use tokio::{
    sync::{Semaphore, SemaphorePermit, watch},
    time::timeout,
};

use super::{counters::Counters, hardware::Hardware, keeper::Infer, settings::Settings};
use crate::{
    http::loopback::{self, Foreign, is_loopback},
    turn::Turn,
};

/// Bytes of a request: room for pictures in base64 and for large graphs.
pub(super) const BODY_MOST: usize = 16 << 20;
/// Long bodies that are read at the same time: a bound of memory.
const STARTS: usize = 8;
/// Bytes of a body that waits for no other.
const SHORT: u64 = 1 << 20;
/// How long the next one waits.
const START_TURN_WITHIN: Duration = Duration::from_secs(5);

/// Too many long bodies are read at the same time.
pub(super) struct NoTurn;

/// What handlers share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) infer: watch::Receiver<Infer>,
    pub(super) counters: Counters,
    hardware: OnceLock<Hardware>,
    pub(super) asking_hardware: Turn,
    pub(super) reading_proc: Turn,
    starts: Semaphore,
}

impl Shared {
    pub(super) fn new(settings: Settings, infer: watch::Receiver<Infer>) -> Arc<Self> {
        Arc::new(Self {
            settings,
            infer,
            counters: Counters::default(),
            hardware: OnceLock::new(),
            asking_hardware: Turn::default(),
            reading_proc: Turn::default(),
            starts: Semaphore::new(STARTS),
        })
    }

    /// Whether a request may come from there: to a server on loopback only this machine's do, or those that have to bring
    /// the token, which no page of another site knows.
    pub(super) fn check_caller(&self, head: &Parts) -> Result<(), Foreign> {
        if !is_loopback(&self.settings.host) || self.settings.token.is_some() {
            return Ok(());
        }
        loopback::check(&head.uri, &head.headers)
    }

    /// A turn to read a body of this length, if it is known. What is short, or too long to be read, costs no memory that has
    /// to be shared out, and waits for nobody's long one.
    pub(super) async fn turn(
        &self,
        length: Option<u64>,
    ) -> Result<Option<SemaphorePermit<'_>>, NoTurn> {
        if length.is_some_and(|it| it <= SHORT || it > BODY_MOST as u64) {
            return Ok(None);
        }
        match timeout(START_TURN_WITHIN, self.starts.acquire()).await {
            Ok(Ok(turn)) => Ok(Some(turn)),
            _ => Err(NoTurn),
        }
    }

    /// Opens NVML. It blocks.
    pub(super) fn hardware(&self) -> &Hardware {
        self.hardware.get_or_init(Hardware::open)
    }
}
