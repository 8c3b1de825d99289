//! Bounds that the kernel holds a process to.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Bounds this process, and what it starts, to `most`. A bound that is lower already stays.
pub(super) fn lower(resource: Resource, most: u64) -> io::Result<()> {
    let now = getrlimit(resource);
    let lower = |it: Option<u64>| Some(it.map_or(most, |it| it.min(most)));
    let bounded = Rlimit {
        current: lower(now.current),
        maximum: lower(now.maximum),
    };
    Ok(setrlimit(resource, bounded)?)
}
