//! What is published: stdin, or a video that media reads in real time.

use std::{
    io::{self, Read},
    process::{Child, Command, Stdio},
    thread,
};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc::{Receiver, channel};

use crate::{failure::Failure, program};

/// Reads that wait for the publisher; while there are so many, the source waits.
const WAITING: usize = 8;
const READ_BYTES: usize = 64 << 10;

/// Bytes of a source, read by a thread of their own.
pub(super) struct Source {
    reads: Receiver<io::Result<Bytes>>,
    /// The run that makes the transport stream.
    run: Option<Child>,
}

impl Source {
    /// `-` is stdin, as it is; anything else goes through media, in real time, as MPEG-TS with a keyframe every 2 s.
    pub(super) fn open(input: &str) -> Result<Self, Failure> {
        if input == "-" {
            let reads = read(io::stdin());
            return Ok(Self { reads, run: None });
        }
        let cannot = |error: io::Error| {
            Failure::cannot_start("no_program", format!("cannot start a run: {error}"))
        };
        let mut run = Command::new(program::this()?)
            .args(["run", input, "--pipeline", "noop", "--policy", "latest"])
            .args(["--quiet", "-o", "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(cannot)?;
        let stdout = run.stdout.take().expect("piped above");
        let reads = read(stdout);
        let run = Some(run);
        Ok(Self { reads, run })
    }

    /// The next bytes; none at the end.
    pub(super) async fn next(&mut self) -> Option<io::Result<Bytes>> {
        self.reads.recv().await
    }

    /// Asks it to end; what it has still comes.
    pub(super) fn stop(&mut self) {
        match &self.run {
            Some(run) => {
                let pid = i32::try_from(run.id()).ok().and_then(Pid::from_raw);
                // One that has ended needs no signal.
                pid.map(|pid| kill_process(pid, Signal::TERM).ok());
            }
            None => self.reads.close(),
        }
    }

    /// Whether it ended well. It has told itself why not.
    pub(super) fn ended_well(mut self) -> bool {
        let status = self.run.as_mut().map(Child::wait);
        status.is_none_or(|status| status.is_ok_and(|it| it.success()))
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(run) = &mut self.run {
            // A run that is left over has nobody to write for.
            drop(run.kill());
            drop(run.wait());
        }
    }
}

fn read(mut from: impl Read + Send + 'static) -> Receiver<io::Result<Bytes>> {
    let (reads, waiting) = channel(WAITING);
    thread::spawn(move || {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => Ok(Bytes::copy_from_slice(&buffer[..count])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let is_last = read.is_err();
            if reads.blocking_send(read).is_err() || is_last {
                return;
            }
        }
    });
    waiting
}
