//! The server: one task for each connection.
//!
//! Read in this order: [`Server`], [`Config`], [`Observer`], [`Unbound`], then the private parts: `listener` (accept,
//! keep house, stop), `connection` (requests one after the other), `get` and `post` (the two exchanges that last),
//! `pipe`, `seats` and `alarm` (sockets, places and timers); pure are `target`, `answer` and `outbox`.
//!
//! What the server decides about channels is in [`crate::relay`]. Here stands what depends on a peer: whether it is
//! still there, whether it takes what it is sent, whether its connection carries another request.

mod alarm;
mod answer;
mod config;
mod connection;
mod get;
mod listener;
mod outbox;
mod pipe;
mod post;
mod seats;
#[cfg(feature = "tls")]
mod secure;
mod shared;
mod target;
mod unbound;

pub use config::Config;
pub use listener::{Observer, Server, ServerStats};
pub use unbound::Unbound;
