//! Who descends from whom, as `/proc` tells it.

use std::fs;

/// Every process below `pid`, parents before their children. Processes that end meanwhile are left out.
pub(crate) fn descendants(pid: u32) -> Vec<u32> {
    let parents = parents();
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        let children = parents.iter().filter(|(_, of)| *of == parent);
        found.extend(children.map(|(child, _)| *child));
        at += 1;
    }
    found.remove(0);
    found
}

/// The program itself, for the process that a parent waits for: itself, or the first child of its namespace's init.
pub(crate) fn program(
    pid: u32,
    namespace: framerill_supervisor::isolation::Namespace,
) -> Option<u32> {
    if !namespace.holds_grandchildren() {
        return Some(pid);
    }
    let parents = parents();
    let child_of = |pid| {
        parents
            .iter()
            .find(|(_, of)| *of == pid)
            .map(|(child, _)| *child)
    };
    child_of(child_of(pid)?)
}

/// Each process with its parent, in the order of their numbers.
fn parents() -> Vec<(u32, u32)> {
    let Ok(all) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut pairs: Vec<(u32, u32)> = all
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The name in brackets may hold anything, brackets too.
            let mut rest = stat.rsplit_once(") ")?.1.split(' ');
            let is_gone = rest.next()? == "Z";
            let parent = rest.next()?.parse().ok()?;
            (!is_gone).then_some((pid, parent))
        })
        .collect();
    pairs.sort_unstable();
    pairs
}
