//! Trickle: live segments over plain HTTP/1.1, server and clients.
//!
//! Read in this order: [`wire`] (what stands on the wire: names, numbers, heads, bodies), [`relay`] (channels and their
//! segments: the server's machines), [`local`] (publisher and subscriber in the same process), [`publisher`] and
//! [`subscriber`] (the clients' machines), [`failure`] (what these know of an exchange), [`http`] (the drivers of all of
//! them).
//!
//! Invariants: nothing here knows what is inside a segment; outside [`http`] and [`local`] nothing awaits, owns a socket
//! or reads a clock; every queue and every wait is bounded or ends with its peer.

mod clock;
pub mod failure;
pub mod http;
pub mod local;
pub mod publisher;
pub mod relay;
mod retry;
pub mod subscriber;
pub mod wire;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
