//! `framerill trickle`: the server and both ends, as commands.

mod cutter;
mod metrics;
mod publish;
mod serve;
mod signal;
mod source;
mod subscribe;

pub(crate) use publish::{Publish, publish};
pub(crate) use serve::{Certificate, Serve, serve};
pub(crate) use signal::Stop;
pub(crate) use source::Source;
pub(crate) use subscribe::{Subscribe, subscribe};

use crate::failure::Failure;

/// One thread serves thousands of connections, and takes less CPU for small writes than several.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed("internal", error.to_string()))
}
