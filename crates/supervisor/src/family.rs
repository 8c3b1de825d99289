//! What a child and all that it started take now, as `/proc` tells it. A driver.
//!
//! The usual look adds up what each process has at most, which costs some ten microseconds a process. Only when that is too much
//! is asked what each has of what they share, which the kernel has to walk through their pages for.

use std::{
    collections::{HashMap, VecDeque},
    ffi::OsStr,
    fs,
    path::Path,
    sync::OnceLock,
};

use crate::usage::{Limits, Usage, proportional, resident};

/// A child and everything below it.
#[derive(Debug)]
pub(crate) struct Family {
    root: u32,
    /// Of its pid namespace, once it is known: it has a `/proc` of its own.
    init: Option<u32>,
}

impl Family {
    pub(crate) fn new(root: u32) -> Self {
        Self { root, init: None }
    }

    /// What it takes, as far as `limits` asks for it.
    pub(crate) fn usage(&mut self, limits: &Limits) -> Usage {
        let most = limits.processes.unwrap_or(usize::MAX);
        if let Some(processes) = self.in_namespace()
            && (processes > most || limits.memory.is_none())
        {
            let memory = 0;
            return Usage { memory, processes };
        }
        let members = members(self.root, most);
        self.init = self.init.or_else(|| init_among(&members));
        let mut memory = 0;
        if let Some(allowed) = limits.memory {
            memory = members.iter().map(|pid| resident_of(*pid)).sum();
            if memory > allowed {
                memory = members.iter().map(|pid| memory_of(*pid)).sum();
            }
        }
        let processes = members.len();
        Usage { memory, processes }
    }

    /// How many it is, by the names in a folder alone: while thousands are born, nobody has the time to look at each.
    fn in_namespace(&self) -> Option<usize> {
        let names = fs::read_dir(format!("/proc/{}/root/proc", self.init?)).ok()?;
        let is_number = |name: &OsStr| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
        let names = names.flatten().filter(|it| is_number(&it.file_name()));
        Some(names.count())
    }
}

/// The first of a pid namespace that has a `/proc` of its own.
fn init_among(members: &[u32]) -> Option<u32> {
    let own = fs::read_link("/proc/self/ns/pid").ok()?;
    let is_elsewhere = |pid: &&u32| {
        let theirs = fs::read_link(format!("/proc/{pid}/ns/pid"));
        theirs.is_ok_and(|it| it != own)
    };
    let init = *members.iter().find(is_elsewhere)?;
    // With its parent's `/proc` everybody is there, this process too.
    let proc = format!("/proc/{init}/root/proc");
    let is_own = fs::read_link(format!("{proc}/self")).is_err();
    (is_own && Path::new(&format!("{proc}/1")).exists()).then_some(init)
}

fn resident_of(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    status.map_or(0, |it| resident(&it))
}

fn memory_of(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
    let part = rollup.ok().and_then(|it| proportional(&it));
    part.unwrap_or_else(|| resident_of(pid))
}

/// `root` and what it started, and so on; no more than one above `most`.
fn members(root: u32, most: usize) -> Vec<u32> {
    let parents = (!lists_children()).then(children_of_all);
    let (mut found, mut next) = (Vec::new(), VecDeque::from([root]));
    while let Some(pid) = next.pop_front() {
        found.push(pid);
        if found.len() > most {
            break;
        }
        match &parents {
            Some(all) => next.extend(all.get(&pid).into_iter().flatten()),
            None => next.extend(children(pid)),
        }
    }
    found
}

/// Whether this kernel lists a process's children (`CONFIG_PROC_CHILDREN`).
fn lists_children() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| Path::new("/proc/thread-self/children").exists())
}

/// A child belongs to the thread that started it.
fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let of_thread = |path: &Path| fs::read_to_string(path.join("children")).unwrap_or_default();
    let lists = threads
        .into_iter()
        .flatten()
        .flatten()
        .map(|it| of_thread(&it.path()));
    lists.flat_map(|it| numbers(&it)).collect()
}

fn numbers(text: &str) -> Vec<u32> {
    let words = text.split_whitespace();
    words.filter_map(|it| it.parse().ok()).collect()
}

/// Where the kernel lists no children: everybody's, by their parents.
fn children_of_all() -> HashMap<u32, Vec<u32>> {
    let mut all: HashMap<u32, Vec<u32>> = HashMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for entry in entries {
        let Some(pid) = entry.file_name().to_str().and_then(|it| it.parse().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if let Some(parent) = parent_in(&stat) {
            all.entry(parent).or_default().push(pid);
        }
    }
    all
}

/// The fourth field; the second is a name in brackets, which may hold anything.
fn parent_in(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{
        process::{Command, id},
        thread,
        time::{Duration, Instant},
    };

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a process is looked at")]
    fn wait_until(is_so: impl Fn() -> bool) -> bool {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if is_so() {
                return true;
            }
            thread::park_timeout(Duration::from_millis(2));
        }
        false
    }

    #[test]
    fn a_name_may_hold_brackets_and_blanks() {
        assert_eq!(parent_in("12 (a) b) (c) S 7 12 12 0"), Some(7));
        assert_eq!(parent_in("12"), None);
    }

    #[test]
    fn what_a_child_started_is_of_the_family_either_way_of_looking() {
        let mut shell = Command::new("sh");
        let mut started = shell.args(["-c", "sleep 60 & wait"]).spawn().unwrap();
        let pid = started.id();
        let is_whole = || members(pid, 10).len() == 2;
        assert!(wait_until(is_whole), "{:?}", members(pid, 10));
        let by_scan = children_of_all();
        assert_eq!(by_scan[&pid].len(), 1);
        assert!(by_scan[&id()].contains(&pid));
        assert_eq!(members(pid, 1).len(), 2, "one above the most");
        let limits = Limits {
            memory: Some(0),
            processes: None,
        };
        let used = Family::new(pid).usage(&limits);
        assert!(
            used.processes == 2 && (1..64 << 20).contains(&used.memory),
            "{used:?}"
        );
        for member in members(pid, 10).into_iter().rev() {
            let member = rustix::process::Pid::from_raw(i32::try_from(member).unwrap()).unwrap();
            rustix::process::kill_process(member, rustix::process::Signal::KILL).unwrap();
        }
        started.wait().unwrap();
    }
}
