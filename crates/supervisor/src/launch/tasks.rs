//! The kernel's own bound on how many processes and threads are in a child's namespace.
//!
//! Whoever counts a fork bomb competes with it for the CPU. A namespace that is full ends nothing, but refuses the next fork, so that
//! the machine stays usable until its owner ends it.

use std::{fs, io, num::NonZero, thread::available_parallelism};

use rustix::process::{Resource, geteuid};

use super::limit::lower;
use crate::isolation::Namespace;

/// Numbers of processes that a namespace gives out. One of its own per namespace since Linux 6.14; before, the machine's.
const PID_MAX: &str = "/proc/sys/kernel/pid_max";
const OWN_PID_MAX_SINCE: (u32, u32) = (6, 14);
/// `RLIMIT_NPROC` counts a user's processes per user namespace since then; before, everywhere.
const OWN_COUNT_SINCE: (u32, u32) = (5, 14);
/// The kernel takes no `pid_max` below 301, nor below eight for each CPU.
const LEAST: u64 = 512;

/// How many tasks a child may have that may have `processes`: each with a thread for every CPU, and two more.
fn most(processes: usize) -> u64 {
    let cpus = available_parallelism().map_or(1, NonZero::get);
    let most = processes.saturating_mul(cpus.saturating_add(2));
    u64::try_from(most).unwrap_or(u64::MAX).max(LEAST)
}

/// Bounds the namespace that this process is the first of, where this kernel and this user can. 0 processes is no limit.
pub(super) fn bound(namespace: Namespace, processes: usize) -> io::Result<()> {
    if processes == 0 {
        return Ok(());
    }
    let most = most(processes);
    match namespace {
        Namespace::PidProc | Namespace::Pid if is_since(OWN_PID_MAX_SINCE) => bound_numbers(most),
        // The kernel does not hold root to it.
        Namespace::UserPidProc | Namespace::UserPid
            if is_since(OWN_COUNT_SINCE) && !geteuid().is_root() =>
        {
            lower(Resource::Nproc, most)
        }
        _ => Ok(()),
    }
}

fn bound_numbers(most: u64) -> io::Result<()> {
    let now: u64 = fs::read_to_string(PID_MAX)?
        .trim()
        .parse()
        .map_err(io::Error::other)?;
    if most < now {
        fs::write(PID_MAX, most.to_string())?;
    }
    Ok(())
}

fn is_since(version: (u32, u32)) -> bool {
    let name = rustix::system::uname();
    name.release()
        .to_str()
        .ok()
        .and_then(version_of)
        .is_some_and(|it| it >= version)
}

/// The first two numbers of a kernel's release.
fn version_of(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|it: char| !it.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_compared_by_its_first_two_numbers() {
        assert_eq!(version_of("6.14.0-15-generic"), Some((6, 14)));
        assert_eq!(version_of("5.4"), Some((5, 4)));
        assert_eq!(version_of("6.18.44-fc"), Some((6, 18)));
        assert_eq!(version_of("6"), None);
        assert_eq!(version_of(""), None);
        assert!(version_of("6.9") < Some(OWN_PID_MAX_SINCE));
    }

    #[test]
    fn every_process_may_have_a_thread_for_each_cpu() {
        let cpus = available_parallelism().unwrap().get();
        assert_eq!(most(1000), 1000 * (cpus as u64 + 2));
        assert_eq!(most(1), LEAST);
        assert_eq!(most(usize::MAX), u64::MAX);
    }
}
