//! Words for the terminal. Nobody may be there any more: a run goes on without a reader.

mod queue;

use std::{
    fmt::Display,
    io::{self, Write},
    os::fd::AsFd,
    panic,
    process::Stdio,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use queue::Queue;
use serde::Serialize;

use crate::failure::Failure;

/// The last lines of a server have this long.
const REST_WITHIN: Duration = Duration::from_millis(200);

/// Of a server: what it tells waits here for whoever reads its stderr.
static TELLING: OnceLock<Arc<Queue>> = OnceLock::new();

/// From now on [`tell`] waits for nobody: a log that is not read, or a disk that stalls below it, holds a server up
/// nowhere. Lines that have no room are dropped, and counted. What a thread says when it panics goes the same way.
pub(crate) fn never_wait() {
    // Without a thread lines are written as before.
    if let Ok(queue) = Queue::start(io::stderr()) {
        TELLING.get_or_init(|| queue);
        panic::set_hook(Box::new(|it| {
            let thread = thread::current();
            let name = thread.name().unwrap_or("without a name");
            tell(format_args!("thread `{name}` {it}"));
        }));
    }
}

/// Dropped, it lets the last lines go out, unless nobody takes them: by whatever way a command ends.
#[must_use = "it waits when it is dropped"]
pub(crate) struct LastLines;

impl Drop for LastLines {
    fn drop(&mut self) {
        if let Some(queue) = TELLING.get() {
            queue.finish(REST_WITHIN);
        }
    }
}

/// Part of an answer could not be written.
static IS_CUT_OFF: AtomicBool = AtomicBool::new(false);

/// Whether a line of the command's answer did not reach a stdout that somebody still has open.
pub(crate) fn is_cut_off() -> bool {
    IS_CUT_OFF.load(Ordering::Relaxed)
}

/// A line on stdout, the command's answer.
pub(crate) fn answer(line: impl Display) {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    match written {
        // Whoever read it had enough.
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => {
            if !IS_CUT_OFF.swap(true, Ordering::Relaxed) {
                tell(format_args!("framerill: cannot write to stdout: {error}"));
            }
        }
    }
}

/// A value on stdout as JSON, the command's answer.
pub(crate) fn answer_json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => answer(text),
        Err(error) => answer(format_args!(r#"{{"error": "{error}"}}"#)),
    }
}

/// Stderr once more, for a child's stdout.
pub(crate) fn stderr_of_child() -> Result<Stdio, Failure> {
    let copy = io::stderr().as_fd().try_clone_to_owned();
    copy.map(Stdio::from)
        .map_err(|error| Failure::cannot_start("internal", format!("stderr is closed: {error}")))
}

/// A line on stderr, for whoever watches.
pub(crate) fn tell(line: impl Display) {
    if let Some(queue) = TELLING.get() {
        return queue.push(line.to_string());
    }
    // Without a stderr there is nobody to tell that there is none.
    writeln!(io::stderr().lock(), "{line}").ok();
}
