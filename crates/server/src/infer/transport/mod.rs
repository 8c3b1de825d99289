//! One stream's way to and from the network: compressed bytes in and out, control, events. On the event loop.
//!
//! Read in this order: [`Transport`] (the handle), [`News`] and [`Counters`] (what it tells), `tasks` (all of them) and
//! `shared` (what they have in common), `ingest`, `egress`, `control`, `events` (each), `wire`, `reader` and `sink` (both
//! ends of `egress`), `disk` (a sink that is a file), `ending`, `progress`, `queue`, `replay`, `told`, `trouble`, `written`
//! (pure).
//!
//! Invariants: nothing here decodes; a peer that is slow or gone holds up nothing but itself; [`Transport::stop`] fixes
//! one moment by which all of it has ended, whatever its peers do (`deadlines`).

mod control;
mod counters;
mod disk;
mod egress;
mod ending;
mod events;
mod handle;
mod ingest;
mod news;
mod outlet;
mod progress;
mod queue;
mod reader;
mod replay;
mod shared;
mod sink;
mod tasks;
#[cfg(test)]
mod tests;
mod told;
mod trouble;
mod wire;
mod written;

pub(super) use control::{CONTROL_MOST, Latest};
pub(super) use counters::Counters;
pub(super) use handle::{Opening, Transport};
pub(super) use news::News;
pub(super) use written::unwrapped;

use self::{shared::Shared, told::told, wire::Wire};
