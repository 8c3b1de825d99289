//! Measurements that users can repeat.

mod host;
mod link;
mod live;
mod pingpong;
mod python;
mod trickle;

pub(crate) use link::link;
pub(crate) use live::{Asked as Live, live, usage};
pub(crate) use pingpong::echo;
pub(crate) use python::python;
pub(crate) use trickle::{bare_relay, trickle};

use crate::failure::Failure;

/// A measurement that cannot be taken.
pub(crate) fn broken(what: impl std::fmt::Display) -> Failure {
    Failure::failed("bench", what.to_string())
}
