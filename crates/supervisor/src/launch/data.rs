//! The kernel's own bound on what a process maps to write.

use std::io;

use rustix::process::Resource;

use super::limit::lower;

/// Mapped to write and never touched: stacks of threads, arenas, what runtimes of GPUs set aside.
const UNTOUCHED: u64 = 16 << 30;

/// How much a process of a child may map to write that may take `memory` bytes. Beyond it the kernel refuses.
#[must_use]
pub fn hard_bound(memory: u64) -> u64 {
    memory.saturating_add(UNTOUCHED)
}

/// Bounds this process, and what it starts. A bound that is lower already stays.
pub(super) fn bound(memory: u64) -> io::Result<()> {
    if memory == 0 {
        return Ok(());
    }
    lower(Resource::Data, hard_bound(memory))
}
