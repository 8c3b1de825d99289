//! A bound on memory that the kernel holds, as containers have one: whoever takes more is killed.

use std::{fs, io, path::PathBuf, process, time::Duration};

use crate::wait_until;

/// Where the memory of groups is bounded, in both versions of the kernel's control groups: its folder, and what is written
/// there, in order. What may be swapped is bounded, too, where the kernel counts it.
const VERSIONS: [(&str, [&str; 2]); 2] = [
    ("/sys/fs/cgroup", ["memory.max", "memory.swap.max"]),
    (
        "/sys/fs/cgroup/memory",
        ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"],
    ),
];
/// Files in which the kernel counts whom it killed, of either version.
const COUNTS: [&str; 2] = ["memory.events", "memory.oom_control"];
/// A process that was killed is collected by then.
const EMPTY_WITHIN: Duration = Duration::from_secs(10);

/// A control group. Dropped, it is removed, once its processes are gone.
#[derive(Debug)]
pub struct Bounded {
    folder: PathBuf,
}

impl Bounded {
    /// A group whose processes have so much memory together; none where this machine or this user has no such groups.
    #[must_use]
    pub fn to(bytes: u64) -> Option<Self> {
        VERSIONS
            .iter()
            .find_map(|(root, bounds)| Self::make(root, *bounds, bytes))
    }

    fn make(root: &str, [most, swap]: [&str; 2], bytes: u64) -> Option<Self> {
        let folder = PathBuf::from(root).join(format!("framerill-test-{}", process::id()));
        fs::create_dir(&folder).ok()?;
        let it = Self { folder };
        let is_there = it.folder.join(most).exists();
        if !is_there || fs::write(it.folder.join(most), bytes.to_string()).is_err() {
            return None;
        }
        let swap = (
            it.folder.join(swap),
            if swap.contains("memsw") { bytes } else { 0 },
        );
        // Where the kernel does not swap there is nothing to bound.
        if swap.0.exists() && fs::write(swap.0, swap.1.to_string()).is_err() {
            return None;
        }
        Some(it)
    }

    /// Takes a process in. What it starts from now on is in it as well; what it has does not count.
    ///
    /// # Errors
    ///
    /// If the kernel does not want it.
    pub fn take(&self, pid: u32) -> io::Result<()> {
        fs::write(self.folder.join("cgroup.procs"), pid.to_string())
    }

    /// How many of it the kernel killed for their memory.
    #[must_use]
    pub fn killed(&self) -> u64 {
        let text = COUNTS
            .iter()
            .find_map(|name| fs::read_to_string(self.folder.join(name)).ok());
        let text = text.unwrap_or_default();
        let count = text.lines().find_map(|it| it.strip_prefix("oom_kill "));
        count.and_then(|it| it.trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        // A group that stays is empty, and does no harm.
        let _is_gone = wait_until(EMPTY_WITHIN, || fs::remove_dir(&self.folder).is_ok());
    }
}
