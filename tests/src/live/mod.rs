//! What stands around a live runner: an orchestrator, a camera, a viewer, and peers that misbehave.
//!
//! ```text
//!            Camera ── NAME ──▶ Channels ── NAME ──▶ framerill serve (Runner, driven by an Orchestrator)
//!                    (Sent)        ▲  │                   │
//!                                  │  └── NAME-out ──▶ Viewer ──▶ Verdict
//!                                  └────── NAME-out ──────┘
//! ```
//!
//! A [`Camera`](camera::Camera) replays a [`Clip`](clip::Clip), a marked source that was encoded beforehand, in real time
//! and notes when it wrote which picture. A [`Viewer`](viewer::Viewer) notes when each picture of the output came, and
//! keeps the bytes. A [`Verdict`](verdict::Verdict) decodes them and compares the two. Nothing is asked of the runner.
//!
//! Reading order: [`clip`], [`channels`], [`camera`], [`viewer`], [`verdict`]; then [`runner`], [`orchestrator`],
//! [`hostile`], [`stalled`], [`names`], [`usage`], [`bounded`].

pub mod bounded;
pub mod camera;
pub mod channels;
pub mod clip;
pub mod hostile;
pub mod names;
pub mod orchestrator;
pub mod rewrite;
pub mod runner;
pub mod stalled;
pub mod usage;
pub mod verdict;
pub mod viewer;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// The clock of this harness.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// What another thread noted; one that panicked left it whole.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
