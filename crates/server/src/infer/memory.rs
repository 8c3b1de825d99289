//! Memory of this process and of its children, as the kernel counts it.

use std::{collections::BTreeMap, fs};

use super::engine::ChildView;

/// Of one role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// Proportional set size, bytes: shared pages count by their share.
    pub(super) pss: u64,
}

/// Of every role; it blocks.
pub(super) fn read(children: &[ChildView]) -> BTreeMap<&'static str, Memory> {
    let mut all: BTreeMap<&'static str, Memory> = BTreeMap::new();
    let own = [("infer", std::process::id())];
    let children = children.iter().filter_map(|it| Some((it.role, it.pid?)));
    for (role, pid) in own.into_iter().chain(children) {
        all.entry(role).or_default().pss += tree(pid);
    }
    all
}

/// Of a process and, where a child is behind a shim, of what it started.
fn tree(pid: u32) -> u64 {
    let own = pss(pid);
    if pid == std::process::id() {
        return own;
    }
    let children =
        fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|it| it.parse().ok());
    own + children.map(tree).sum::<u64>()
}

fn pss(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|it| it.strip_prefix("Pss:"));
    let kib: Option<u64> = line.and_then(|it| it.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory() {
        assert!(read(&[])["infer"].pss > 100_000);
    }
}
