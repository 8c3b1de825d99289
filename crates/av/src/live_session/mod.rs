//! A live stream from bytes to bytes: it is read and decoded from the start, and goes on whether a worker is there or not.
//!
//! Machines: [`presenter`] (what is shown when), [`filler`] and [`overlay`] (what stands in), [`patience`]. Drivers:
//! [`ingress`] and [`egress`], a thread each; [`sink`] encodes and writes. [`state`] is what they share under the stream's lock.

mod egress;
mod filler;
mod ingress;
mod overlay;
mod patience;
mod presenter;
mod sink;
mod start;
mod state;
mod update;

pub(crate) use start::{Pending, open};
pub(crate) use state::LiveState;
pub(crate) use update::update;
