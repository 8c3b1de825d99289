//! What a child and all that it started take of the machine, and how much of it they may. Pure; `family` looks.

use std::fmt;

use crate::exit::KillReason;

const MIB: u64 = 1 << 20;

/// How much a child may take, with all that it started. By default nothing bounds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processes, the shims around it included.
    pub processes: Option<usize>,
}

/// What it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of memory that nobody else could have: its own and its part of what it shares, in memory or swapped out. Files that
    /// it maps are left out, since the kernel takes them back.
    pub memory: u64,
    /// Processes.
    pub processes: usize,
}

/// What it took too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overuse {
    /// Memory, in bytes.
    Memory {
        /// What it used.
        used: u64,
        /// What it may use.
        allowed: u64,
    },
    /// Processes.
    Processes {
        /// How many it had, as far as they were counted.
        used: usize,
        /// How many it may have.
        allowed: usize,
    },
}

impl Limits {
    /// Whether there is anything to watch.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.memory.is_some() || self.processes.is_some()
    }

    /// Whether `usage` is more than half of what is allowed.
    pub(crate) fn is_near(&self, usage: &Usage) -> bool {
        let memory = self.memory.is_some_and(|it| usage.memory > it / 2);
        memory || self.processes.is_some_and(|it| usage.processes > it / 2)
    }

    /// What is too much of `usage`.
    #[must_use]
    pub fn exceeded(&self, usage: &Usage) -> Option<Overuse> {
        let (memory, processes) = (usage.memory, usage.processes);
        let of_memory = self.memory.filter(|allowed| memory > *allowed);
        let of_processes = self.processes.filter(|allowed| processes > *allowed);
        // Of processes first: they are what the memory is in.
        match (of_processes, of_memory) {
            (Some(allowed), _) => Some(Overuse::Processes {
                used: processes,
                allowed,
            }),
            (None, Some(allowed)) => Some(Overuse::Memory {
                used: memory,
                allowed,
            }),
            (None, None) => None,
        }
    }
}

impl Overuse {
    /// Why it is killed.
    #[must_use]
    pub fn kill_reason(&self) -> KillReason {
        match self {
            Self::Memory { .. } => KillReason::MemoryLimit,
            Self::Processes { .. } => KillReason::ProcessLimit,
        }
    }

    /// The code of it, for counting.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Memory { .. } => "memory_limit",
            Self::Processes { .. } => "process_limit",
        }
    }
}

impl fmt::Display for Overuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory { used, allowed } => write!(
                f,
                "it used {} MiB of memory ({used} bytes) and may use {} MiB ({allowed} bytes)",
                used / MIB,
                allowed / MIB
            ),
            Self::Processes { used, allowed } => {
                write!(f, "it had {used} processes and may have {allowed}")
            }
        }
    }
}

/// Bytes that a process has at most, from `/proc/PID/status`: what several processes share counts in each of them.
pub(crate) fn resident(status: &str) -> u64 {
    sum(status, &["RssAnon:", "RssShmem:", "VmSwap:"]).0
}

/// Bytes that a process has, from `/proc/PID/smaps_rollup`: of what several share, each has its part. None where the kernel does
/// not tell it.
pub(crate) fn proportional(rollup: &str) -> Option<u64> {
    let (bytes, found) = sum(rollup, &["Pss_Anon:", "Pss_Shmem:", "SwapPss:"]);
    (found >= 2).then_some(bytes)
}

fn sum(text: &str, keys: &[&str]) -> (u64, usize) {
    let of = |line: &str| -> Option<u64> {
        let rest = keys.iter().find_map(|key| line.strip_prefix(key))?;
        rest.split_whitespace().next()?.parse().ok()
    };
    let kib: Vec<u64> = text.lines().filter_map(of).collect();
    (kib.iter().sum::<u64>() * 1024, kib.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tpython\nVmRSS:\t  900 kB\nRssAnon:\t     500 kB\nRssFile:\t     300 kB\nRssShmem:\t     100 kB\nVmSwap:\t       7 kB\n";
    const ROLLUP: &str = "00400000-7ffd ---p 00000000 00:00 0   [rollup]\nRss:  900 kB\nPss: 400 kB\nPss_Anon: 250 kB\nPss_File: 100 kB\nPss_Shmem: 50 kB\nSwap: 7 kB\nSwapPss: 3 kB\n";

    #[test]
    fn files_do_not_count_and_what_is_swapped_out_does() {
        assert_eq!(resident(STATUS), 607 * 1024);
        assert_eq!(proportional(ROLLUP), Some(303 * 1024));
    }

    #[test]
    fn a_kernel_that_does_not_tell_parts_tells_nothing() {
        assert_eq!(
            proportional("Rss: 900 kB\nPss: 400 kB\nSwapPss: 3 kB\n"),
            None
        );
        assert_eq!((proportional(""), resident("")), (None, 0));
    }

    #[test]
    fn only_what_is_above_a_limit_is_too_much_and_no_limit_is_none() {
        let usage = Usage {
            memory: 512 * MIB,
            processes: 3,
        };
        let limits = |memory, processes| Limits { memory, processes };
        assert_eq!(Limits::default().exceeded(&usage), None);
        assert!(!Limits::default().is_near(&usage));
        assert!(!limits(Some(1024 * MIB), Some(6)).is_near(&usage));
        assert!(limits(Some(1023 * MIB), None).is_near(&usage));
        assert!(limits(None, Some(5)).is_near(&usage));
        assert_eq!(limits(Some(512 * MIB), Some(3)).exceeded(&usage), None);
        let memory = limits(Some(511 * MIB), Some(3)).exceeded(&usage);
        let told = memory.map(|it| (it.code(), it.to_string()));
        let text =
            "it used 512 MiB of memory (536870912 bytes) and may use 511 MiB (535822336 bytes)";
        assert_eq!(told, Some(("memory_limit", text.to_owned())));
        let both = limits(Some(1), Some(2)).exceeded(&usage);
        let told = both.map(|it| (it.kill_reason(), it.to_string()));
        let text = "it had 3 processes and may have 2".to_owned();
        assert_eq!(told, Some((KillReason::ProcessLimit, text)));
    }
}
