//! The shim between a parent and its child: it confines itself, then becomes the child.
//!
//! ```text
//! no namespace:  parent ── launch --parent PID … ══exec══▶ PROGRAM
//! namespace:     parent ── launch --parent PID … ══exec══▶ unshare ── launch --init (pid 1) ── PROGRAM (pid 2)
//! ```
//!
//! * The shim asks the kernel to be killed with the thread that started it, and checks that its parent is still the one
//!   it was told, so no gap is left. `exec` keeps that wish. `unshare --kill-child` hands it on to the namespace's init,
//!   and with its init a namespace dies, whole. An init that finds the control socket hung up does not begin.
//! * Neither `unshare` nor the init holds the control socket while the program runs, so the parent sees its end as soon as
//!   the program lets go of it; it passes through `unshare` inside another socket's queue.
//! * The shim raises its `oom_score_adj`, which all that comes after it inherits: where memory runs out, a child goes before
//!   its parent. Raising takes no right.
//! * The shim bounds what a process of the child's may map to write ([`hard_bound`]), where its memory is limited: what grows
//!   faster than its owner looks is refused by the kernel, and fails where it is asked for. The address space itself is not
//!   bounded, since runtimes of GPUs reserve far more of it than they use.
//! * The init bounds how many processes and threads its namespace takes, where their number is limited: a fork bomb is refused by
//!   the kernel before it starves whoever counts it. Root's namespaces have such a bound since Linux 6.14, others since 5.14.
//! * The init is not the program itself: pid 1 ignores the signals that its own namespace sends.
//! * The shim's stdout is a pipe that carries one `Record` and nothing else: how the program ended, or why it
//!   did not begin. An exit code cannot say that a signal did it; the record can. The program's stdout is its stderr.
//!
//! What is no child of the protocol, a program that answers one question or installs something, is launched as it is
//! ([`open`]): its streams are its own, and it dies as the others do.
//!
//! An executable offers this as `launch`, its first argument, before it parses anything else.

mod data;
mod init;
mod limit;
mod oom;
mod parcel;
pub(crate) mod record;
mod shim;
mod tasks;

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
    process::{self, ExitCode},
};

pub use data::hard_bound;

use crate::{isolation::Namespace, usage::Limits};

/// Exit code when the program could not be started; the record says why.
pub(crate) const NOT_STARTED: u8 = 127;
/// The argument that makes `launch` check the namespace it finds itself in.
pub(crate) const PROBE: &str = "--probe";
const PARENT: &str = "--parent";
const INIT: &str = "--init";
const OPEN: &str = "--open";
const INIT_OPEN: &str = "--init-open";

/// What the shim does to itself, and with that to all that comes after it.
#[derive(Clone, Copy)]
struct Own {
    oom_raise: u16,
    /// Bytes of memory that the child may take; 0 is no limit.
    memory: u64,
    /// Processes that it may have; 0 is no limit.
    processes: usize,
}

impl Own {
    fn parse(
        oom_raise: Option<&str>,
        memory: Option<&str>,
        processes: Option<&str>,
    ) -> Option<Self> {
        Some(Self {
            oom_raise: oom_raise?.parse().ok()?,
            memory: memory?.parse().ok()?,
            processes: processes?.parse().ok()?,
        })
    }
}

/// Whose streams a program gets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Streams {
    /// A child's: the control socket is its stdin, its stdout joins its stderr, and the shim leaves a record on its own stdout.
    Child,
    /// Those of the shim, and no record.
    Own,
}

/// The `launch` subcommand: takes the arguments after `launch`. Returns only when nothing became of it, or as the init of
/// a namespace whose program has ended.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let words: Vec<&OsStr> = args.iter().map(OsString::as_os_str).collect();
    let text = |at: usize| words.get(at).and_then(|word| word.to_str());
    match (text(0), words.get(1..)) {
        (Some(PARENT), Some([_, _, _, _, _, program @ ..])) if !program.is_empty() => {
            let parent = text(1).and_then(|pid| pid.parse().ok());
            let namespace = text(2).and_then(Namespace::parse);
            let own = Own::parse(text(3), text(4), text(5));
            match (parent, namespace, own) {
                (Some(parent), Some(namespace), Some(own)) => {
                    shim::run(parent, namespace, own, program)
                }
                _ => ExitCode::from(2),
            }
        }
        (Some(OPEN), Some([_, _, program @ ..])) if !program.is_empty() => {
            let parent = text(1).and_then(|pid| pid.parse().ok());
            match (parent, text(2).and_then(Namespace::parse)) {
                (Some(parent), Some(namespace)) => shim::run_open(parent, namespace, program),
                _ => ExitCode::from(2),
            }
        }
        (Some(INIT_OPEN), Some(program)) if !program.is_empty() => init::run_open(program),
        (Some(INIT), Some([_, _, program @ ..])) if !program.is_empty() => {
            let namespace = text(1).and_then(Namespace::parse);
            match (namespace, text(2).and_then(|it| it.parse().ok())) {
                (Some(namespace), Some(processes)) => init::run(namespace, processes, program),
                _ => ExitCode::from(2),
            }
        }
        (Some(PROBE), _) => init::probe(text(1).and_then(Namespace::parse)),
        _ => ExitCode::from(2),
    }
}

/// The arguments that come before the program.
pub(crate) fn shim_args(namespace: Namespace, oom_raise: u16, limits: &Limits) -> [String; 7] {
    [
        "launch".into(),
        PARENT.into(),
        process::id().to_string(),
        namespace.as_str().into(),
        oom_raise.to_string(),
        limits.memory.unwrap_or(0).to_string(),
        limits.processes.unwrap_or(0).to_string(),
    ]
}

/// A command that runs `program` with whatever streams, folder and variables it is given, and that dies, with all that it
/// starts as far as `namespace` allows it, with the thread that spawns it. To end it, kill its process group.
pub fn open(program: impl AsRef<OsStr>, namespace: Namespace) -> io::Result<process::Command> {
    let mut command = process::Command::new(own_executable()?);
    command
        .args(["launch", OPEN])
        .arg(process::id().to_string())
        .arg(namespace.as_str())
        .arg(program);
    Ok(command)
}

/// The program that a command made by [`open`] runs, else its own.
#[must_use]
pub fn program_of(command: &process::Command) -> &OsStr {
    let words: Vec<_> = command.get_args().take(5).collect();
    match words[..] {
        [launch, open, _, _, program] if launch == "launch" && open == OPEN => program,
        _ => command.get_program(),
    }
}

/// This process's executable, also after its file was replaced.
pub(crate) fn own_executable() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?.into_os_string().into_vec();
    let path = path.strip_suffix(b" (deleted)").unwrap_or(&path);
    Ok(OsStr::from_bytes(path).into())
}
