//! Channels and segments: what the server decides, without sockets and clocks.
//!
//! Read in this order: [`segment`] (bytes that are appended to and read from), [`channel`] (the window of segments and
//! all rules about numbers), [`Hub`] (channels by name), [`Reader`] and [`Writer`] (what a connection holds),
//! [`gate`] (what outsiders may do), [`Limits`], [`Policy`], [`Stats`].
//!
//! Invariants: one lock for each channel, and the hub's lock is never taken inside one; time is an argument; wakers are
//! called after the lock is released; whatever waits is woken by bytes, by an end, or by the end of its channel.

mod changefeed;
pub mod channel;
mod config;
mod counters;
pub mod gate;
mod handle;
mod hub;
mod limits;
mod parked;
mod policy;
pub mod segment;
mod window;

pub use config::Config;
pub use counters::{Stats, WAIT_BOUNDS};
pub use handle::{Append, Finish, ReadHead, ReadStep, Reader, Standing, Writer};
pub use hub::{CreateError, Hub};
pub use limits::Limits;
pub use policy::{AllowAll, Caller, Policy, Refusal};
