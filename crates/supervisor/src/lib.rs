//! Child processes: spawn, watch, restart, drain, kill.
//!
//! Read in this order: [`exit`] (how a child ended), [`lifecycle`] (the machine that decides), [`Command`] and
//! [`isolation`] (what to start and how far apart), [`launch`] (the shim between a parent and its child),
//! [`Child`] (one running process), [`Supervised`] (the driver that runs the machine for an owner's loop), [`guardian`]
//! (the machine that says how a live stream and its worker fare). What a child may take is in [`Limits`].
//!
//! Invariants: no decision outside [`lifecycle`] and [`guardian`]; every queue and every wait is bounded; nothing here knows what a
//! picture is; `Drop` kills and never waits.

pub mod child;
mod command;
pub mod exit;
mod family;
mod flood;
pub mod guardian;
pub mod isolation;
pub mod launch;
pub mod lifecycle;
mod lines;
mod process;
mod spawner;
mod supervised;
mod usage;

pub use child::{Child, ChildId, Event, Notice, SpawnError};
pub use command::Command;
pub use exit::{ExitReason, KillReason};
pub use flood::LeftOut;
pub use guardian::Guardian;
pub use lifecycle::{Config, Lifecycle};
pub use lines::MAX_LINE;
pub use supervised::{Supervised, Update};
pub use usage::{Limits, Overuse};
