//! `framerill trickle`: the server and both ends, as commands.

mod cutter;
mod metrics;
mod publish;
mod serve;
mod source;
mod subscribe;

pub(crate) use publish::{Publish, publish};
pub(crate) use serve::{Certificate, Serve, serve};
pub(crate) use source::Source;
pub(crate) use subscribe::{Subscribe, subscribe};
