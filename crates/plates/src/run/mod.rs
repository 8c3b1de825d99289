//! A run: videos in, tasks out to workers and back, until everything is done.
//!
//! ```text
//!            ┌────────── stop, or every video is done ──────────┐
//! Running ───┘                                                  ▼
//!            Stopping (readers leave, 2 s) → Draining (nothing queued, nothing open; 60 s) → Terminating (workers leave,
//!            5 s, then are killed, 2 s) → Closing (the scheduler leaves, 2 s) → Finished
//!            a second signal: Terminating at once; a third: Finished at once
//! ```
//!
//! [`Machine`] decides all of it and has neither clock, process nor socket. After every [`handle`](Machine::handle), call
//! [`poll`](Machine::poll) until it says [`WakeAt`](Output::WakeAt) or [`Idle`](Output::Idle).

mod counters;
mod crew;
mod dead_letter;
mod end;
mod ending;
mod event;
mod flowing;
mod gate;
mod ids;
mod input;
mod machine;
mod output;
mod overflow;
mod readers;
mod reading;
mod settings;
mod snapshot;
mod tasks;
#[cfg(test)]
mod tests;
mod videos;
mod working;

pub use dead_letter::{DeadLetter, LetterKind};
pub use end::{RunEnd, Unfinished, Why};
pub use event::{Event, ODD};
pub use ids::{LeaseId, ReaderId, VideoNo, WorkerId};
pub use input::{Input, Outcome, Prepared, ReaderSaid, Signal, Takes, WorkerSaid, WorkerState};
pub use machine::Machine;
pub use output::Output;
pub use settings::{SettingError, Settings, Timing};
pub use snapshot::{CategoryRow, ReaderRow, Snapshot, Store, VideoRow, Videos, WorkerRow};
