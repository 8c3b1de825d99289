//! Programs that are started for one thing: a question to a Python, an installation. Whatever they run, an author's `setup.py`
//! or the import of a module, ends with them, and they end with this process.

use std::{
    path::Path,
    process::{Child, Command},
};

use framerill_supervisor::{isolation, launch};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::program;

/// A command for `program` that dies with the thread that spawns it, and with it all that it starts, as far as this machine
/// allows that ([`isolation`]).
pub(crate) fn command(program: &Path) -> Command {
    let is_there = program.is_file()
        || program
            .to_str()
            .is_some_and(|it| program::on_path(it).is_some());
    // What is not there is told by whoever starts it, in its own words.
    let opened = is_there.then(|| launch::open(program, isolation::probe().namespace));
    opened
        .and_then(Result::ok)
        .unwrap_or_else(|| Command::new(program))
}

/// What such a command runs, for messages.
pub(crate) fn shown(command: &Command) -> String {
    launch::program_of(command).to_string_lossy().into_owned()
}

/// Ends one that has a process group of its own, and what is in it.
pub(crate) fn end(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // It is not reaped yet, so that the number is its own.
    if group.is_none_or(|it| kill_process_group(it, Signal::KILL).is_err()) {
        child.kill().ok();
    }
    child.wait().ok();
}
