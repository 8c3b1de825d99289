//! `framerill serve`: the container process of the live runner.
//!
//! It takes requests at :8000, keeps one `framerill infer` alive, and forwards to it. It knows nothing of streams or
//! pictures.
//!
//! Read in this order: [`settings`] (what it is told), [`routes`] (what it answers), [`request`], [`forward`] and
//! [`health`] (the three rules of the contract), [`streams`] (our own API), [`keeper`] and [`invocation`] (how infer lives,
//! and is called), [`diagnostics`] (what is logged when it does not), [`command`] (the wiring).

mod attend;
mod bearer;
mod command;
mod counters;
mod diagnostics;
pub(crate) mod dotenv;
mod forward;
mod hardware;
mod health;
mod invocation;
mod keeper;
mod metrics;
mod page;
mod pipeline;
mod problem;
mod proc;
mod provision;
mod refusal;
mod request;
mod restarts;
mod routes;
mod settings;
mod shared;
pub(crate) mod source;
mod streams;

pub(crate) use command::{Serve, serve, sources};
pub(crate) use settings::variables;
