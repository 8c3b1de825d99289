//! `framerill demo`: the live runner at work on a source that needs no file, all of it in processes of their own.
//!
//! ```text
//! trickle publish ──> channel `in` ──> serve: infer, media, worker ──> channel `out` ──> trickle subscribe ──> demo.ts
//! ```
//!
//! Read in this order: [`command`] (what comes after what), [`stage`] (the processes), [`files`] (what is left), [`figures`]
//! (what is told).

mod command;
mod figures;
mod files;
mod stage;

pub(crate) use command::{Demo, demo};
