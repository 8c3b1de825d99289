//! One process that was started: killed at most once it is there, reaped once.

use std::{
    io::{self, Read},
    process::{Child, ChildStdout, ExitStatus},
    sync::{Mutex, MutexGuard},
};

use rustix::{
    fs::{OFlags, fcntl_setfl},
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid},
};

use crate::{
    exit::{ExitReason, KillReason},
    launch::{NOT_STARTED, record::Record},
};

/// A record is one line.
const RECORD: u64 = 4096;

#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    done: Mutex<Done>,
}

/// What the parent has done to it.
#[derive(Debug, Default)]
struct Done {
    asked: bool,
    killed: Option<KillReason>,
    reaped: bool,
}

impl Process {
    pub(crate) fn new(pid: Pid) -> Self {
        Self {
            pid,
            done: Mutex::default(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// It was told to leave: an exit with code 0 is what the parent wants.
    pub(crate) fn ask(&self) {
        self.done().asked = true;
    }

    /// Kills its group: the program, or the shim and the init, and with the init the namespace. After the exit it does
    /// nothing; the number may be another's then.
    pub(crate) fn kill(&self, why: KillReason) {
        let mut done = self.done();
        if !done.reaped {
            done.killed.get_or_insert(why);
            self.kill_group();
        }
    }

    /// Waits for the end, takes the rest of the group along, and says how it was.
    pub(crate) fn wait(&self, mut child: Child) -> ExitReason {
        let record = child.stdout.take();
        self.wait_unreaped();
        let mut done = self.done();
        self.kill_group();
        let status = child.wait();
        done.reaped = true;
        match status {
            Ok(status) => self.reason(status, &done, record.and_then(read_record)),
            Err(error) => ExitReason::SpawnFailed {
                what: format!("its exit status is lost: {error}"),
            },
        }
    }

    fn reason(&self, status: ExitStatus, done: &Done, record: Option<Record>) -> ExitReason {
        let status = match record {
            Some(record) => match record.into_status() {
                Ok(status) => status,
                Err(what) => return ExitReason::SpawnFailed { what },
            },
            None if status.code() == Some(i32::from(NOT_STARTED)) && done.killed.is_none() => {
                let what = "the launch shim failed".into();
                return ExitReason::SpawnFailed { what };
            }
            None => status,
        };
        ExitReason::from_status(status, done.asked, done.killed)
    }

    /// While it is not reaped, its number and its group's are nobody else's.
    fn wait_unreaped(&self) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(self.pid), options) {}
    }

    fn kill_group(&self) {
        // No such group: all of it has ended.
        kill_process_group(self.pid, Signal::KILL).unwrap_or(());
    }

    fn done(&self) -> MutexGuard<'_, Done> {
        self.done
            .lock()
            .unwrap_or_else(|poison| poison.into_inner())
    }
}

/// Its writers have ended, or are about to be killed; whatever they had to say is in the pipe.
fn read_record(pipe: ChildStdout) -> Option<Record> {
    fcntl_setfl(&pipe, OFlags::NONBLOCK).ok()?;
    let mut text = Vec::new();
    match pipe.take(RECORD).read_to_end(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(_) => return None,
    }
    Record::parse(std::str::from_utf8(&text).ok()?)
}
