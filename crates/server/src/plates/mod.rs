//! `framerill plates run`: videos in, one record for every vehicle with a readable plate out.
//!
//! This process is the orchestrator: it owns the queue, the leases and the references to frames, and touches no pixel. It
//! starts readers (`framerill-media`), workers (`framerill plates-worker`) and the scheduler, and does what
//! [`framerill_plates::run`] decides.
//!
//! Read in this order: `settings` (what it is told), `inputs` (which videos, and where from), `log` (what it says), `status` (how
//! it stands: on a terminal, in a file, over HTTP), [`readers`] (the processes that decode), `run` (the loop, its workers and its
//! folder); then what is beside a run: `records` and `models`, `doctor`, [`pictures`] (stills, clips and picture files),
//! `image` (`plates image`), `api` (`plates serve`), `machines` (the same on many machines), `bench`.

pub(crate) mod api;
pub(crate) mod bench;
pub(crate) mod doctor;
pub(crate) mod image;
mod inputs;
mod log;
pub(crate) mod machines;
pub(crate) mod models;
pub mod pictures;
pub mod readers;
pub(crate) mod records;
mod run;
mod settings;
mod status;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

pub(crate) use run::command::{Asked, run};
pub(crate) use status::status;

#[cfg(test)]
use crate::serve::source::Name;

/// All settings that have a flag.
#[cfg(test)]
pub(crate) fn settings() -> &'static [Name] {
    settings::ALL
}

/// A worker's process. Returns its exit code.
pub(crate) fn worker() -> u8 {
    heed_no_signal();
    framerill_plates::worker::run()
}

/// The scheduler's process. Returns its exit code.
pub(crate) fn scheduler() -> u8 {
    heed_no_signal();
    status::scheduler::run()
}

/// The orchestrator alone reacts to signals (contract §9).
fn heed_no_signal() {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // Without it a signal ends this process, and another one takes its place.
        drop(signal_hook::flag::register(
            signal,
            std::sync::Arc::default(),
        ));
    }
}
