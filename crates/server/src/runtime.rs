//! The runtimes of commands: how many threads wait for sockets.

use tokio::runtime::{Builder, Runtime};

use crate::failure::Failure;

/// One thread serves thousands of connections, and takes less CPU for small writes than several.
pub(crate) fn of_one_thread() -> Result<Runtime, Failure> {
    build(&mut Builder::new_current_thread())
}

/// A second thread, so that a body of megabytes holds up no health check and no stream.
pub(crate) fn of_two_threads() -> Result<Runtime, Failure> {
    build(Builder::new_multi_thread().worker_threads(2))
}

fn build(with: &mut Builder) -> Result<Runtime, Failure> {
    let built = with.enable_all().build();
    built.map_err(|error| Failure::cannot_start("internal", error.to_string()))
}
