//! A run: the loop around [`framerill_plates::run`], and what is its own.
//!
//! [`command`] does the wiring, `driver` is the loop, `inbox` what comes to it; `crew` are the workers, and `workdir` is the
//! run's own folder.

pub(super) mod command;
mod crew;
pub(super) mod driver;
pub(super) mod inbox;
pub(super) mod workdir;
