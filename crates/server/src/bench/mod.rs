//! Measurements that users can repeat.

mod host;
mod link;
mod pingpong;

pub(crate) use link::link;
pub(crate) use pingpong::echo;
