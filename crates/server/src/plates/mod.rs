//! `framerill plates run`: videos in, one record for every vehicle with a readable plate out.
//!
//! This process is the orchestrator: it owns the queue, the leases and the references to frames, and touches no pixel. It
//! starts readers (`framerill-media`), workers (`framerill plates-worker`) and the scheduler, and does what
//! [`framerill_plates::run`] decides.
//!
//! Read in this order: `settings` and `config` (what it is told), `inputs`, `address` and `download` (which videos, and where
//! from), `workdir` and `logs` (its own folder), `snapshot`, `hud` and `scheduler` (how it stands), `driver` (the loop) over
//! `crew`, `readers` and `watcher` (its children) and `teller` (who listens), `command` (the wiring), `board` (the same over HTTP); `records` and `models` (what else is asked for),
//! [`excerpt`] (stills and clips), `album` and `still_reader` (picture files), `api` (`plates serve`), `image` (`plates image`),
//! `machines` (the same on many machines), `bench`.

mod address;
mod album;
pub(crate) mod api;
pub(crate) mod bench;
mod board;
mod command;
mod config;
mod crew;
pub(crate) mod doctor;
mod download;
mod driver;
pub mod excerpt;
mod hud;
pub(crate) mod image;
mod inbox;
mod inputs;
mod logs;
pub(crate) mod machines;
pub(crate) mod models;
mod out;
mod prepare;
pub mod reader;
mod readers;
pub(crate) mod records;
mod scheduler;
mod settings;
mod shown;
mod snapshot;
mod status;
mod still_reader;
mod teller;
mod voice;
mod watcher;
mod workdir;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

pub(crate) use command::{Asked, run};
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
    scheduler::run()
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
