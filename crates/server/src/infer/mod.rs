//! `framerill infer`: the inner process of the live runner. Streams, the guardian, trickle clients, status and events.
//!
//! Read in this order: [`settings`] (what it is told), [`asked`] (a stream that is asked for, out of [`fields`]), [`engine`] (streams and
//! the processes behind them), [`transport`] (their way to the network), [`routes`] (what is answered), [`status`], [`event`] and
//! [`metrics`] (what is told), [`params_file`] (parameters from a file), [`leftover`] (what a killed one leaves),
//! [`command`] (the wiring).
//!
//! Invariants: no pixel comes here; the event loop waits for nothing but sockets; a handler never waits for a child.

mod asked;
mod base_params;
mod command;
mod digest;
mod engine;
mod event;
mod fields;
pub(crate) mod json;
mod leftover;
mod memory;
mod metrics;
mod params_file;
mod refusal;
mod routes;
mod settings;
mod status;
mod transport;

pub(crate) use asked::Asked;
pub(crate) use command::{Infer, infer};
#[cfg(test)]
pub(crate) use refusal::Refusal;
pub(crate) use refusal::STARTING;
pub(crate) use settings::Settings;
