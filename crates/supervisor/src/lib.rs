//! Child processes: spawn, watch, restart, drain, kill.
//!
//! Read in this order: [`exit`] (how a child ended), [`lifecycle`] (the machine that decides), [`Command`] and
//! [`isolation`] (what to start and how far apart), [`launch`] (the shim between a parent and its child),
//! [`Child`] (one running process), [`Supervised`] (the driver that runs the machine for an owner's loop).
//!
//! Invariants: no decision outside [`lifecycle`]; every queue and every wait is bounded; nothing here knows what a
//! picture is; `Drop` kills and never waits.

pub mod child;
mod command;
pub mod exit;
pub mod isolation;
pub mod launch;
pub mod lifecycle;
mod lines;
mod process;
mod spawner;
mod supervised;

pub use child::{Child, ChildId, Event, Notice, SpawnError};
pub use command::Command;
pub use exit::{ExitReason, KillReason};
pub use lifecycle::{Config, Lifecycle};
pub use supervised::{Supervised, Update};
