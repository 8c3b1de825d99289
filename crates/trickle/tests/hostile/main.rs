//! Peers who mean harm, in the numbers that they come in. The server is a process of its own, so that its memory can be
//! measured; beside each attack a publisher and a subscriber of another channel go on, and must not notice.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what was measured is told"
)]

mod bystander;
mod numbers;
mod requests;
#[cfg(feature = "tls")]
mod secure;
mod server;
mod sizes;
mod slow;
#[allow(dead_code, reason = "its rig is for a server in the same process")]
#[path = "../rows/wire.rs"]
mod wire;
