//! The machine of a publisher: which segment is open, which is preconnected, what an answer means.
//!
//! ```text
//! the channel
//!   locating ──latest──► creating ──200──► running ──Close, all sent──► deleting ──► over
//!      (Start::Upcoming)   (create)  ◄─404──┘                                         ▲
//!      any ── Closed, 404 without `create`, refused, nothing reached for `give_up` ───┘
//!
//! the POST of a segment
//!   absent ──Open──► opening ──Opened──► waiting ──first byte──► sending ──Finished──► awaiting ──200──► sent
//!     ▲                 │ failed            │ failed                │ failed               │ failed
//!     └──── pause ──────┴───────────────────┘                       └──────► lost ◄────────┘
//!                                           └─ 200: the number is spent, the bytes move to the next one
//! ```
//!
//! The POST of the next segment is opened while the present one is written; at most two POSTs are open, further ones only
//! wait for their answers. Bytes go out in the order they came: a segment begins on the wire when all of the one
//! before has been taken by its connection.
//!
//! A segment of which no byte has left is tried again, for as long as [`Backpressure`] keeps it: with
//! [`Backpressure::LatestOnly`] until the next one begins. One that breaks off later is lost: it is reported, and its
//! number is closed on the server so that its readers go on.
//!
//! At the close the POST that stands ready is ended without a byte, behind the last segment, and then the channel is
//! deleted: one request after the other, so that no late POST makes the channel anew.
//!
//! After every [`Publisher::handle`], poll until [`Output::WakeAt`] or [`Output::Idle`]. No clock, no socket: times are
//! durations since a start that the driver chose.

mod body;
mod config;
mod exchange;
mod flow;
mod input;
mod machine;
mod output;
mod queue;
#[cfg(test)]
mod tests;

pub use config::{Backpressure, Config, Start};
pub use input::Input;
pub use machine::Publisher;
pub use output::{Counters, End, Event, ExchangeId, Loss, Output, Request};
