//! The drivers: sockets, clocks and tasks. They decide nothing about the protocol.

pub mod client;
pub mod server;
