//! What a process has used, as the kernel counts it.

use std::{fs, time::Duration};

/// CPU time of all threads of a process, to the nanosecond.
///
/// Threads that have ended are not in it; the servers measured here end none.
pub(super) fn cpu(pid: u32) -> Duration {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Duration::ZERO;
    };
    let on_cpu = |task: fs::DirEntry| -> Option<u64> {
        let stat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        stat.split_whitespace().next()?.parse().ok()
    };
    Duration::from_nanos(tasks.filter_map(|task| on_cpu(task.ok()?)).sum())
}

/// Largest resident memory so far, in bytes (`VmHWM`).
pub(super) fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0_u64) * 1024
}
