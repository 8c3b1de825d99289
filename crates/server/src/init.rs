//! The first process of a container is a small init above the program that was asked for.
//!
//! Whatever is orphaned in a pid namespace becomes a child of its first process: a launch shim whose parent was killed, and
//! where pipelines get no namespace of their own, each process that one of them leaves behind. Nobody else can reap them. So
//! the first process starts this program again as its child, hands on what asks it to leave, and reaps everything. The kernel
//! kills the rest of a namespace with its first process: the child does not outlive it.

use std::{
    env,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{self, Command, ExitStatus},
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitOptions, kill_process, wait},
};
use signal_hook::{
    consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{exit::Exit, failure::Failure, program};

/// The number of the first process of a pid namespace.
const FIRST: u32 = 1;
/// What the program listens to. Any other signal would kill it, and is none of a first process's affair.
const HANDED_ON: [(i32, Signal); 3] = [
    (SIGINT, Signal::INT),
    (SIGTERM, Signal::TERM),
    (SIGHUP, Signal::HUP),
];

/// Does `work`, or as the first process stands above a child that does.
pub(crate) fn beneath(work: impl FnOnce() -> Result<Exit, Failure>) -> Result<Exit, Failure> {
    if process::id() == FIRST {
        stand_above()
    } else {
        work()
    }
}

fn stand_above() -> Result<Exit, Failure> {
    let cannot = |what: &str, error: std::io::Error| {
        Failure::cannot_start("init", format!("cannot {what}: {error}"))
    };
    // From before the start, so that no end is missed.
    let all = HANDED_ON.iter().map(|(number, _)| *number).chain([SIGCHLD]);
    let mut signals = Signals::new(all).map_err(|error| cannot("listen for signals", error))?;
    let mut args = env::args_os();
    let mut command = Command::new(program::this()?);
    if let Some(name) = args.next() {
        command.arg0(name);
    }
    let started = command.args(args).spawn();
    let child = started.map_err(|error| cannot("start this program again", error))?;
    let child = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    for signal in signals.forever() {
        let handed_on = HANDED_ON.iter().find(|(number, _)| *number == signal);
        match (handed_on, child) {
            // Until it is reaped its number is nobody else's; it may have ended.
            (Some((_, signal)), Some(child)) => kill_process(child, *signal).unwrap_or(()),
            _ => {
                if let Some(status) = reap(child) {
                    return Ok(Exit::of_child(code(status)));
                }
            }
        }
    }
    Err(Failure::failed("internal", "no signal can come any more"))
}

/// Takes in all that have ended: how the child did, if it is among them.
fn reap(child: Option<Pid>) -> Option<ExitStatus> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((who, status))) if Some(who) == child => {
                return Some(ExitStatus::from_raw(status.as_raw()));
            }
            Ok(Some(_)) | Err(Errno::INTR) => {}
            // Nobody has, or there is nobody.
            Ok(None) | Err(_) => return None,
        }
    }
}

/// As shells say it: 128 and the number of a signal.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    code.and_then(|it| u8::try_from(it).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_by_a_signal_is_128_and_its_number() {
        for (status, expected) in [
            (0, 0),
            (3 << 8, 3),
            (143 << 8, 143),
            (9, 137),
            (11 | 0x80, 139),
        ] {
            assert_eq!(code(ExitStatus::from_raw(status)), expected);
        }
    }

    #[test]
    fn what_is_not_the_first_process_does_the_work_itself() {
        assert_eq!(
            beneath(|| Ok(Exit::Interrupted)).ok(),
            Some(Exit::Interrupted)
        );
    }
}
