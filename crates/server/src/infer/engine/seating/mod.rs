//! Who sits where: which stream has which seat and which worker, and what becomes of workers that nobody has. Pure.
//!
//! Read in this order: [`Key`] (whom a worker is for), [`Input`] and [`Output`], `machine` (what is known), `starts` (how a
//! stream gets its seat), `workers` (which worker is whose).
//!
//! ```text
//! start    asked ── seat, worker ──> worker added ──> parameters checked ──> begins ──> accepted
//!            └────────┴─────────────────┴────────────────────┴──────────────────┴────> refused, why
//! seat     free ──accepted──> taken ──ended──> free, until its channels are closed ──closed──> free
//! worker   added ──> ready <──> busy ──no seat and no start has it──> told to leave ──gone──> forgotten
//!                      └─────────┴──failed for good──> over; above capacity 1 the seat's next stream has a fresh one
//! ```
//!
//! After every [`Seating::handle`], poll until `WakeAt` or `Idle`. `AddWorker` and `Begin` are answered before anything else
//! comes in.

mod key;
mod machine;
mod message;
mod starts;
#[cfg(test)]
mod tests;
mod workers;

pub(super) use key::{Key, Scope};
pub(super) use machine::Seating;
pub(super) use message::{Failure, Input, Load, Output, StartId, Suspect, Wanted};
pub(super) use workers::MOVED;
