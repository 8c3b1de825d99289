//! A live stream out of a pipe: decoded pictures and whole packets of sound on one running timeline, with no delay of its
//! own.
//!
//! [`LiveSource`] reads. Times are the source's own, in ticks of 1/90000 s, until it jumps; from there on they run on from
//! the last one.

mod item;
mod source;

pub(crate) use item::{LiveCounts, LiveEnd, LiveFormat, LiveItem};
pub(crate) use source::LiveSource;
