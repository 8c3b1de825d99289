//! The machine of a subscriber: which segment comes next, what an answer means, when to ask again.
//!
//! ```text
//! the next segment
//!   pausing ──Get──► opening ──Sent──► waiting ──200──► ready ──its turn──► reading ──End──► delivered
//!     ▲                 │ failed          │ 20 s: the same again              │ failed
//!     │                 ▼                 │ 470: what the hint says           ▼
//!     └──── pause ──────┴─────────────────┘                               truncated
//!
//! the channel
//!   running ── Closed ──► over            404 after a success: over
//!           ── 404 at first, or after trouble: waited for, for `absence`
//! ```
//!
//! The next segment is asked for as soon as the head of the present one is there, so two GETs are in flight; only the
//! body of the present one is read, so that segments come in order and a slow caller slows nobody else.
//!
//! What is missing is said: [`Event::Gap`] for numbers that were not to be had, `complete: false` for a segment that
//! broke off, [`Event::Restarted`] for numbers that went back. A number is delivered once.
//!
//! After every [`Subscriber::handle`], poll until [`Output::WakeAt`] or [`Output::Idle`]. No clock, no socket: times are
//! durations since a start that the driver chose.

mod answer;
mod config;
mod input;
mod machine;
mod output;
#[cfg(test)]
mod tests;

pub use config::{Config, Join};
pub use input::Input;
pub use machine::Subscriber;
pub use output::{End, Event, GetId, Output};
