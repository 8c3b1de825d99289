//! What a parent and its children say to each other, and what a pipeline author in Rust writes.
//!
//! Read in this order: [`message`] (the child protocol's words), [`Channel`] (how they travel),
//! [`Pipeline`] (the author's trait).
//!
//! Invariant: this room spawns no process and decodes no video.

mod channel;
pub mod message;
mod pipeline;

pub use channel::{Channel, ChannelError};
pub use pipeline::{Answer, FrameMeta, Picture, Pipeline, PipelineKind};
