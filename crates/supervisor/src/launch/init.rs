//! The inner half: pid 1 of a pid namespace. Starts the program, reaps what is left over, passes the end on.

use std::{
    ffi::OsStr,
    fs,
    io::{self, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{Command, ExitCode, Stdio},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Signal, WaitOptions, WaitStatus, set_parent_process_death_signal, wait},
};

use super::{
    NOT_STARTED, parcel,
    record::Record,
    shim::{stderr_as_stdout, tell},
    tasks,
};
use crate::isolation::Namespace;

pub(super) fn run(namespace: Namespace, processes: usize, program: &[&OsStr]) -> ExitCode {
    let Ok(record) = io::stdout().as_fd().try_clone_to_owned() else {
        return ExitCode::from(NOT_STARTED);
    };
    if let Err(error) = tasks::bound(namespace, processes) {
        // It runs without; whoever reads its log knows.
        drop(writeln!(
            io::stderr(),
            "cannot bound its processes: {error}"
        ));
    }
    tell(
        record,
        &run_to_end(program).unwrap_or_else(Record::SpawnFailed),
    )
}

/// The same for a program that has the streams of this process.
pub(super) fn run_open(program: &[&OsStr]) -> ExitCode {
    let ended = die_with_parent().and_then(|()| {
        let mut command = Command::new(program[0]);
        wait_for(spawn(command.args(&program[1..]))?)
    });
    match ended {
        Ok(record) => record.exit_code(),
        Err(why) => {
            drop(writeln!(io::stderr(), "{why}"));
            ExitCode::from(NOT_STARTED)
        }
    }
}

fn run_to_end(program: &[&OsStr]) -> Result<Record, String> {
    die_with_parent()?;
    let control = parcel::unpack(io::stdin())
        .map_err(|error| format!("cannot take the control socket over: {error}"))?;
    if is_hung_up(&control) {
        return Ok(Record::Exited(0));
    }
    wait_for(start(program, control)?)
}

fn die_with_parent() -> Result<(), String> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|errno| format!("cannot bind its life to its parent's: {errno}"))
}

/// Reaps whatever ends, until that one does.
fn wait_for(pid: u32) -> Result<Record, String> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((who, status))) if who.as_raw_nonzero().get().unsigned_abs() == pid => {
                return Ok(record_of(status));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(format!("cannot wait for the program: {errno}")),
        }
    }
}

/// The program has `control` alone then, and a group of its own: if it signals its group, that is not the shim's.
fn start(program: &[&OsStr], control: OwnedFd) -> Result<u32, String> {
    let mut command = Command::new(program[0]);
    command
        .args(&program[1..])
        .stdin(Stdio::from(control))
        .stdout(stderr_as_stdout()?)
        .process_group(0);
    spawn(&mut command)
}

fn spawn(command: &mut Command) -> Result<u32, String> {
    let child = command.spawn().map_err(|error| {
        let program = command.get_program();
        format!("cannot start `{}`: {error}", program.display())
    })?;
    Ok(child.id())
}

/// Whether the parent is gone already.
fn is_hung_up(control: &OwnedFd) -> bool {
    let mut control = [PollFd::new(control, PollFlags::RDHUP)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut control, Some(&at_once)).is_ok()
        && control[0]
            .revents()
            .intersects(PollFlags::RDHUP | PollFlags::HUP)
}

fn record_of(status: WaitStatus) -> Record {
    match status.terminating_signal() {
        Some(signal) => Record::Signal {
            signal,
            core: status.as_raw() & 0x80 != 0,
        },
        None => Record::Exited(
            status
                .exit_status()
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or(1),
        ),
    }
}

/// Whether this process is where `namespace` promises: not the first of it, and, with a `/proc` of its own, there.
pub(super) fn probe(namespace: Option<Namespace>) -> ExitCode {
    let own = std::process::id();
    let seen = fs::read_link("/proc/self").ok();
    let seen = seen.as_deref().and_then(|path| path.to_str()?.parse().ok());
    let is_apart = (2..100).contains(&own);
    let fits = match namespace {
        Some(Namespace::PidProc | Namespace::UserPidProc) => is_apart && seen == Some(own),
        Some(Namespace::Pid | Namespace::UserPid) => is_apart,
        Some(Namespace::None) => true,
        None => false,
    };
    ExitCode::from(u8::from(!fits))
}
