//! What a tree of processes holds, read from `/proc`.

use std::fs;

use crate::process::descendants;

const LOOKS: u32 = 10;

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
    let pids = tree(pid);
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

/// The look of several that found the fewest descriptors: a request that is being answered has some, too.
#[must_use]
pub fn held_at_rest(pid: u32) -> Held {
    let more = (1..LOOKS).map(|_| held(pid));
    more.fold(held(pid), |least, it| {
        std::cmp::min_by_key(least, it, |it| it.descriptors)
    })
}

/// What each open descriptor of `pid` and its descendants leads to, for whoever reads a failure.
#[must_use]
pub fn open(pid: u32) -> Vec<String> {
    let of = |pid: u32| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let entries = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten();
        let targets = entries.filter_map(|it| fs::read_link(it.ok()?.path()).ok());
        let lines = targets.map(move |it| format!("{} {}", name.trim(), it.display()));
        lines.collect::<Vec<_>>()
    };
    tree(pid).into_iter().flat_map(of).collect()
}

/// It and everything below it that runs.
fn tree(pid: u32) -> Vec<u32> {
    let below = descendants(pid);
    let running = below.iter().filter(|it| it.is_running());
    std::iter::once(pid)
        .chain(running.map(|it| it.pid))
        .collect()
}

fn pss(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0_u64) * 1024
}
