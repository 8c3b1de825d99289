//! The outer half: dies with its parent, then becomes the program, or `unshare` around it.

use std::{
    env,
    ffi::OsStr,
    fs::File,
    io::{self, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::CommandExt,
    },
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use super::{
    INIT, INIT_OPEN, NOT_STARTED, Own, Streams, data, oom, own_executable, parcel, record::Record,
};
use crate::isolation::Namespace;

pub(super) fn run(parent: i32, namespace: Namespace, own: Own, program: &[&OsStr]) -> ExitCode {
    let Ok(record) = io::stdout().as_fd().try_clone_to_owned() else {
        return ExitCode::from(NOT_STARTED);
    };
    let Err(why) = become_program(parent, namespace, own, Streams::Child, program) else {
        return ExitCode::SUCCESS;
    };
    tell(record, &Record::SpawnFailed(why))
}

pub(super) fn run_open(parent: i32, namespace: Namespace, program: &[&OsStr]) -> ExitCode {
    let own = Own {
        oom_raise: 0,
        memory: 0,
        processes: 0,
    };
    if let Err(why) = become_program(parent, namespace, own, Streams::Own, program) {
        drop(writeln!(io::stderr(), "{why}"));
    }
    ExitCode::from(NOT_STARTED)
}

/// Leaves a record for the parent.
pub(super) fn tell(to: OwnedFd, record: &Record) -> ExitCode {
    // A parent that no longer reads needs no record.
    drop(File::from(to).write_all(record.to_string().as_bytes()));
    record.exit_code()
}

/// Returns only why it failed; `Ok` when the parent is gone and there is nobody to tell.
fn become_program(
    parent: i32,
    namespace: Namespace,
    own: Own,
    streams: Streams,
    program: &[&OsStr],
) -> Result<(), String> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|errno| format!("cannot bind its life to its parent's: {errno}"))?;
    if getppid().map(|pid| pid.as_raw_nonzero().get()) != Some(parent) {
        return Ok(());
    }
    let done = [
        ("raise oom_score_adj", oom::raise(own.oom_raise)),
        ("bound its memory", data::bound(own.memory)),
    ];
    for (what, done) in done {
        if let Err(error) = done {
            // It runs without; whoever reads its log knows.
            drop(writeln!(io::stderr(), "cannot {what}: {error}"));
        }
    }
    let (mut command, name) = if namespace == Namespace::None {
        (plain(streams, program)?, program[0])
    } else {
        (
            inside(namespace, own.processes, streams, program)?,
            OsStr::new("unshare"),
        )
    };
    let error = command.exec();
    Err(format!("cannot start `{}`: {error}", name.display()))
}

fn plain(streams: Streams, program: &[&OsStr]) -> Result<Command, String> {
    let mut command = Command::new(program[0]);
    command.args(&program[1..]);
    if streams == Streams::Child {
        command.stdout(stderr_as_stdout()?);
    }
    Ok(command)
}

fn inside(
    namespace: Namespace,
    processes: usize,
    streams: Streams,
    program: &[&OsStr],
) -> Result<Command, String> {
    let own = own_executable().map_err(|error| format!("cannot find its own file: {error}"))?;
    let mut command = Command::new(find_unshare());
    if streams == Streams::Child {
        let parcel = parcel::pack(io::stdin())
            .map_err(|error| format!("cannot pass the control socket on: {error}"))?;
        command.stdin(Stdio::from(parcel));
    }
    command
        .args(["--pid", "--fork", "--kill-child=SIGKILL"])
        .args(namespace.unshare_flags())
        .arg("--")
        .arg(own)
        .arg("launch");
    match streams {
        Streams::Child => command.args([INIT, namespace.as_str(), &processes.to_string()]),
        Streams::Own => command.arg(INIT_OPEN),
    };
    command.args(program);
    Ok(command)
}

/// stdout is the shim's; what the program prints there joins its log.
pub(super) fn stderr_as_stdout() -> Result<Stdio, String> {
    let stderr = io::stderr().as_fd().try_clone_to_owned();
    stderr
        .map(Stdio::from)
        .map_err(|error| format!("cannot copy stderr: {error}"))
}

/// A child's own `PATH` may lack the folders of the system.
fn find_unshare() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/bin".into(), "/bin".into()])
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("unshare"))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| "unshare".into())
}
