//! The one thread that starts all children.
//!
//! The kernel sends a parent's death to its children when the *thread* that started them ends. So they are all started
//! from a thread that ends with the process and never before.

use std::{
    io,
    process::{Child, Command},
    sync::{
        OnceLock,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};

/// How many starts may wait for the thread.
const WAITING: usize = 64;
/// A start that takes longer (a program on a file system that hangs) is given up.
const WITHIN: Duration = Duration::from_secs(5);

type Request = (Command, SyncSender<io::Result<Child>>);

/// Starts `command` from the thread. It is to have a process group of its own.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    let (reply, answer) = sync_channel(1);
    let busy = |_| io::Error::new(io::ErrorKind::WouldBlock, "too many children wait to start");
    thread_of_the_process()?
        .try_send((command, reply))
        .map_err(busy)?;
    answer
        .recv_timeout(WITHIN)
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the start took too long"))?
}

fn thread_of_the_process() -> io::Result<&'static SyncSender<Request>> {
    static SPAWNER: OnceLock<Result<SyncSender<Request>, io::ErrorKind>> = OnceLock::new();
    let started = SPAWNER.get_or_init(|| {
        let (requests, todo) = sync_channel(WAITING);
        thread::Builder::new()
            .name("spawner".into())
            .spawn(move || run(&todo))
            .map(|_| requests)
            .map_err(|error| error.kind())
    });
    started.as_ref().map_err(|kind| (*kind).into())
}

fn run(todo: &Receiver<Request>) {
    while let Ok((mut command, reply)) = todo.recv() {
        let started = command.spawn();
        // Its copy of the control socket goes with it.
        drop(command);
        if let Err(unwanted) = reply.send(started) {
            kill(unwanted.0);
        }
    }
}

/// Nobody waits for this child any more. It is not reaped: that could take as long as its start did.
fn kill(started: io::Result<Child>) {
    let pid = started.ok().and_then(|child| pid_of(&child));
    if let Some(pid) = pid {
        // It may have ended by itself.
        kill_process_group(pid, Signal::KILL).unwrap_or(());
    }
}

/// The process's number in the form that calls take.
pub(crate) fn pid_of(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}
