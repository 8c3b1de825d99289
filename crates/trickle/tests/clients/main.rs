//! The clients against the crate's own server, and against peers that say what the test says.

#![allow(clippy::unwrap_used, reason = "tests")]

mod breaking;
mod channel;
mod others;
mod peer;
mod pressure;
mod restart;
mod rig;
mod scripted;
mod segments;
#[cfg(feature = "tls")]
mod tls;
