//! The rows of the wire specification: each test is named for its row. They speak raw bytes over real sockets.

#![allow(clippy::unwrap_used, reason = "tests")]

mod bad_input;
mod clients;
mod ending;
mod feed;
mod http;
mod local;
mod publishing;
mod races;
mod reading;
mod recovery;
#[cfg(feature = "tls")]
mod secure;
mod wire;
