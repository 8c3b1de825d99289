//! What a parent and its children say to each other, and what a pipeline author in Rust writes.
//!
//! Read in this order: [`message`] (the child protocol's words), [`Channel`] (how they travel),
//! [`child`] (a child's side of the socket), [`Pipeline`] (the author's trait), [`filters`] (what is built in),
//! [`runtime`] (the Rust worker).
//!
//! Invariant: this room spawns no process and decodes no video.

mod channel;
pub mod child;
pub mod filters;
pub mod message;
mod pipeline;
pub mod runtime;
mod session;

pub use channel::{Channel, ChannelError};
pub use pipeline::{Answer, FrameMeta, Picture, Pipeline, PipelineKind};
pub use session::{Session, Verdict};
