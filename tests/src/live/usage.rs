//! What a tree of processes holds, read from `/proc`.

use std::fs;

use crate::process::descendants;

/// What a process and everything below it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Processes.
    pub processes: usize,
    /// Open descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// Proportional set size, in bytes.
    pub pss_bytes: u64,
}

/// Of `pid` and its descendants. What ends meanwhile counts for nothing.
#[must_use]
pub fn held(pid: u32) -> Held {
    let below = descendants(pid);
    let pids: Vec<u32> = std::iter::once(pid)
        .chain(below.iter().filter(|it| it.is_running()).map(|it| it.pid))
        .collect();
    let entries = |folder: &str| -> usize {
        let count =
            |pid: &u32| fs::read_dir(format!("/proc/{pid}/{folder}")).map_or(0, Iterator::count);
        pids.iter().map(count).sum()
    };
    Held {
        processes: pids.len(),
        descriptors: entries("fd"),
        threads: entries("task"),
        pss_bytes: pids.iter().map(|&pid| pss(pid)).sum(),
    }
}

fn pss(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0_u64) * 1024
}
