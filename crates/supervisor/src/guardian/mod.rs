//! The state of a live stream and of its worker as the network sees it, decided without a clock or a socket: rules of
//! §5 of the runner contract, with the product's rulings (never ONLINE for more than 4 s without a real output; a stream
//! stays through a worker restart; silence ends in OFFLINE; an ERROR is for good).
//!
//! Read in this order: [`State`] and [`Health`] (what is told), `limits` (every time, with its source), [`Input`] (what
//! happens), `observation` and `window` (what is kept of it), [`rules`] (the table, first match wins), [`Guardian`] (the
//! machine), [`Output`] (what the driver does), [`Status`] (the numbers of the status object).
//!
//! After every [`Guardian::handle`], call [`Guardian::poll`] until it returns `WakeAt`. Decisions use the monotonic time
//! of a [`Moment`], reports its wall clock; a wall clock that is set decides nothing. Inputs never expire a deadline;
//! only [`Input::Deadline`] does.
//!
//! ```text
//!                        StreamStarted (refused in ERROR)
//!        ┌────────────────────────────┬────────────────────────────────────────────┐
//!        │                            ▼                                            │
//!        │    nothing       ┌────── ONLINE ◀─────────┐ output, input, rates well   │
//!        │    for 4 s       ▼                        │                             │
//!     OFFLINE      DEGRADED_INFERENCE ◀──────▶ DEGRADED_INPUT                      │
//!        ▲    errors, restart, late output     input late, slow or silent          │
//!        │                  │                        │                             │
//!        ├──────────────────┴─ ended 3 s ago, or silent for 90 s                   │
//!        │                                                                         │
//!        └──────── LOADING ◀── (start); any state: not ready, restarting ──────────┘
//!                     │
//!        any state ───┴──▶ ERROR: no restart is left, or the stream's policy allows none. Terminal
//! ```
//!
//! * It kills and restarts nothing by itself. Late, hung, dead and the budget are the [`crate::lifecycle`]'s; the guardian
//!   is told, and asks for a restart only when a load exceeds its limit. So rules 5d and 6 give DEGRADED_INFERENCE, and
//!   their ERROR is the lifecycle's verdict that none is left.
//! * Rates are unknown until a window of this stream has closed; unknown rates decide nothing.
//! * Time that the driver slept is no silence and no load: a deadline more than a second late moves both limits on, and
//!   what happened meanwhile is in the inputs that follow.
//! * Inputs that have no meaning (of a former stream, a start in ERROR) change nothing and are counted
//!   ([`Guardian::ignored`]).

mod health;
mod input;
pub mod limits;
mod machine;
mod observation;
mod output;
pub mod rules;
mod state;
mod status;
mod window;

pub use health::Health;
pub use input::{Input, Moment, Restarts, StreamNumber};
pub use machine::Guardian;
pub use output::{Cause, Event, Output, StopReason};
pub use rules::Rule;
pub use state::State;
pub use status::{InferenceStatus, InputStatus, Status};
