//! Running processes, read from `/proc`.

use std::{collections::BTreeMap, fs, io};

use rustix::process::{Pid, Signal, kill_process};

/// A process as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its parent's number.
    pub parent: u32,
    /// The kernel's short name, at most 15 bytes.
    pub name: String,
    /// The state's letter; `Z` has ended and was not yet collected.
    pub state: char,
    /// Its command line.
    pub command: Vec<String>,
}

impl Process {
    /// The process of that number, if there is one.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (name, state, parent) = read_stat(&stat)?;
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = command
            .split(|&byte| byte == 0)
            .filter(|part| !part.is_empty())
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect();
        Some(Self {
            pid,
            parent,
            name: name.to_owned(),
            state,
            command,
        })
    }

    /// Whether `word` is its short name, the last part of its program's path, or one of its arguments.
    #[must_use]
    pub fn is_called(&self, word: &str) -> bool {
        let program = self
            .command
            .first()
            .and_then(|path| path.rsplit('/').next());
        self.name == word
            || program == Some(word)
            || self.command.iter().skip(1).any(|argument| argument == word)
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

/// Name, state and parent.
fn read_stat(stat: &str) -> Option<(&str, char, u32)> {
    // The name stands in brackets and may hold any character.
    let (head, tail) = stat.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let mut fields = tail.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((name, state, fields.next()?.parse().ok()?))
}

/// Every process that this one may see.
#[must_use]
pub fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Process::of)
        .collect()
}

/// Children of `pid`, in no order.
#[must_use]
pub fn children(pid: u32) -> Vec<Process> {
    let mut processes = all();
    processes.retain(|process| process.parent == pid);
    processes
}

/// Children of `pid`, their children, and so on; nearest first.
#[must_use]
pub fn descendants(pid: u32) -> Vec<Process> {
    let mut by_parent: BTreeMap<u32, Vec<Process>> = BTreeMap::new();
    for process in all() {
        by_parent.entry(process.parent).or_default().push(process);
    }
    let mut found = by_parent.remove(&pid).unwrap_or_default();
    let mut next = 0;
    while let Some(process) = found.get(next) {
        let younger = by_parent.remove(&process.pid).unwrap_or_default();
        found.extend(younger);
        next += 1;
    }
    found
}

/// Descendants of `pid` that are called `word` and run; see [`Process::is_called`].
#[must_use]
pub fn descendants_called(pid: u32, word: &str) -> Vec<Process> {
    let mut found = descendants(pid);
    found.retain(|process| process.is_running() && process.is_called(word));
    found
}

/// Whether a process of that number runs.
#[must_use]
pub fn is_running(pid: u32) -> bool {
    Process::of(pid).is_some_and(|process| process.is_running())
}

/// Whether each thread of a process was stopped by a signal.
#[must_use]
pub fn is_stopped(pid: u32) -> bool {
    let states = || {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let state = |thread: io::Result<fs::DirEntry>| {
            let stat = fs::read_to_string(thread.ok()?.path().join("stat")).ok()?;
            read_stat(&stat).map(|(_, state, _)| state)
        };
        threads.map(state).collect::<Option<Vec<_>>>()
    };
    states().is_some_and(|it| it.iter().all(|state| *state == 'T'))
}

/// `kill -9`.
///
/// # Errors
///
/// If there is no such process, or it is not ours.
pub fn kill_9(pid: u32) -> io::Result<()> {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let number = number.ok_or(io::ErrorKind::InvalidInput)?;
    Ok(kill_process(number, Signal::KILL)?)
}

#[cfg(test)]
mod tests {
    use std::{process::Command, time::Duration};

    use super::*;
    use crate::wait_until;

    #[test]
    fn a_child_is_seen_killed_and_gone() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep");
        let own = std::process::id();
        assert!(wait_until(Duration::from_secs(5), || {
            descendants_called(own, "sleep").len() == 1
        }));
        assert!(children(own).iter().any(|seen| seen.pid == child.id()));
        kill_9(child.id()).expect("it runs");
        assert!(wait_until(Duration::from_secs(5), || !is_running(
            child.id()
        )));
        child.wait().expect("it is ours");
        assert_eq!(Process::of(child.id()), None);
    }
}
