//! The life of one child, decided without a clock, a process or a socket.
//!
//! After every [`Lifecycle::handle`], call [`Lifecycle::poll`] until it returns `WakeAt` or `Idle`. All times are counted
//! from one moment that the driver chooses. Inputs never expire a deadline; only [`Input::Deadline`] does, so a driver
//! that hands in what is queued first never kills a child whose heartbeat lies in the queue.
//!
//! ```text
//!            Spawn            Hello            Ready
//!  (new) ─▶ spawning ─▶ starting ─▶ loading ─────────▶ ready ◀──┐ Ready
//!              ▲            │          │                │ └─▶ reloading
//!              │ WakeAt     │          │                │        │
//!           backoff         ├──────────┴────────────────┴────────┤
//!              ▲            │ exit, fatal error, protocol,       │ StopRequested
//!              │ restart    │ no hello/load/beat/output in time  ▼
//!              │ left       ▼                                 draining ─▶ leaving ─▶ killing
//!              └───────── lost ◀─ killing ◀─ leaving             │ drain      │ exit_time │ kill_time
//!                           │ none left                          ▼            ▼           ▼
//!                           ▼                                 ─────────── stopped ────────────
//!                        failed
//! ```
//!
//! * *Late* is an event and kills nothing; *hung* kills. A worker is hung when frames wait and none is answered for
//!   `max_frame_time` (`first_frame_time` for the first after a load), or when no heartbeat came for `heartbeat_time`.
//!   Loading, reloading and work that a heartbeat declares as busy are long work: only their own deadlines count then.
//! * What the child did while the supervisor itself could not run (stopped, starved) is not held against it: a
//!   [`Input::Deadline`] that comes more than a second late moves the watch on once and kills nothing.
//! * A child that could not be spawned at all, or refused its first load for what it was asked to do, is not tried again.
//! * Inputs that have no meaning in a state change nothing and are counted ([`Lifecycle::ignored`]).

mod budget;
mod config;
mod input;
mod liveness;
mod machine;
mod output;

pub use config::Config;
pub use input::Input;
pub use machine::Lifecycle;
pub use output::{Event, Fault, Output, Reason, State};
