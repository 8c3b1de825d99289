//! What processes have used, as the kernel counts it.

use std::{collections::BTreeMap, fs, time::Duration};

/// A process below another one.
#[derive(Debug, Clone)]
pub(in crate::bench) struct Process {
    pub(in crate::bench) pid: u32,
    pub(in crate::bench) command: Vec<String>,
}

impl Process {
    /// Whether it holds a pipeline.
    pub(in crate::bench) fn is_worker(&self) -> bool {
        let named = |word: &String| word == "worker" || word == "framerill.worker";
        self.command.iter().skip(1).take(2).any(named)
    }
}

/// Everything below `pid`, nearest first.
pub(in crate::bench) fn below(pid: u32) -> Vec<Process> {
    let mut by_parent: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    for pid in pids {
        if let Some(parent) = fields(pid).get(1).and_then(|it| it.parse().ok()) {
            by_parent.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(by_parent.remove(&parent).unwrap_or_default());
        next += 1;
    }
    let command = |pid: u32| {
        let text = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words = text.split(|&byte| byte == 0).filter(|it| !it.is_empty());
        words
            .map(|it| String::from_utf8_lossy(it).into_owned())
            .collect()
    };
    found
        .into_iter()
        .skip(1)
        .map(|pid| Process {
            pid,
            command: command(pid),
        })
        .collect()
}

/// Fields of `/proc/PID/stat` from the state on.
fn fields(pid: u32) -> Vec<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace().map(ToOwned::to_owned).collect()
}

/// CPU time of a process, its ended threads and its ended children.
pub(crate) fn cpu(pid: u32) -> Duration {
    ticks(pid, &[11, 12, 13, 14])
}

/// CPU time of this process's ended children, and of theirs.
pub(crate) fn cpu_of_children() -> Duration {
    ticks(std::process::id(), &[13, 14])
}

/// The sum of such fields of `/proc/PID/stat`, counted from the state, which are in ticks of the kernel's clock.
fn ticks(pid: u32, indices: &[usize]) -> Duration {
    let fields = fields(pid);
    let ticks = |index: &usize| -> u64 {
        let text = fields.get(*index);
        text.and_then(|it| it.parse().ok()).unwrap_or(0)
    };
    let ticks: u64 = indices.iter().map(ticks).sum();
    Duration::from_secs(1) * u32::try_from(ticks).unwrap_or(u32::MAX)
        / u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100)
}

/// Proportional set size of a process, in bytes, without the pools of frames.
pub(in crate::bench) fn pss(pid: u32) -> u64 {
    let maps = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default();
    let (mut sum, mut in_pool) = (0, false);
    for line in maps.lines() {
        if let Some(rest) = line.strip_prefix("Pss:") {
            let kib = rest
                .split_whitespace()
                .next()
                .and_then(|it| it.parse().ok());
            sum += if in_pool { 0 } else { kib.unwrap_or(0_u64) };
        } else if line.split_once('-').is_some_and(|(from, _)| {
            !from.is_empty() && from.bytes().all(|byte| byte.is_ascii_hexdigit())
        }) {
            in_pool = line.contains("memfd:framerill");
        }
    }
    sum * 1024
}

/// The same of a whole tree.
pub(in crate::bench) fn pss_of_tree(pid: u32) -> u64 {
    let below: u64 = below(pid).iter().map(|it| pss(it.pid)).sum();
    pss(pid) + below
}

/// Proportional set size of a whole tree with the pools of frames, in bytes.
pub(crate) fn all_pss_of_tree(pid: u32) -> u64 {
    let pss = |pid: u32| {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = rollup.lines().find_map(|it| it.strip_prefix("Pss:"));
        let kib = line.and_then(|it| it.split_whitespace().next()?.parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    };
    let below: u64 = below(pid).iter().map(|it| pss(it.pid)).sum();
    pss(pid) + below
}
