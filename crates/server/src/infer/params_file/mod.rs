//! The file of parameters that infer watches (`--params-file`): whatever lies in its place, the watch goes on.
//!
//! Read in this order: [`watch`] (the driver), `look` (one look at the file; it blocks).

mod look;
mod watch;

pub(super) use watch::watch;
