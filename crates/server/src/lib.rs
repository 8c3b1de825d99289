//! The command `framerill`: wiring of the other rooms, and what users see.
//!
//! Read in this order: [`cli`] (what can be asked for), [`run`] (a video through a pipeline), `serve` (the container
//! process of the live runner), `infer` (its streams), [`Failure`] and [`Exit`] (how things end), [`program`] (what is started).
//!
//! Invariant: this program never touches a pixel and links no FFmpeg; nothing points at this room.

mod bench;
pub mod cli;
mod contained;
mod deadlines;
mod demo;
mod environments;
mod exit;
mod exposition;
mod failure;
mod findings;
mod http;
mod infer;
mod init;
mod log;
mod memory_size;
mod near;
pub mod plates;
mod prepare;
pub mod program;
mod python;
mod question;
pub mod run;
mod runtime;
mod scaffold;
mod serve;
mod signals;
mod stream;
mod terminal;
mod trickle;
mod turn;

pub use exit::Exit;
pub use failure::Failure;
