//! What is published: stdin, or a video that media reads in real time and cuts into segments.

use std::{
    io::{self, Read},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use bytes::Bytes;
use framerill_media::{Piece, Records};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    sync::mpsc::{Receiver, channel},
    time::Instant,
};

use super::cutter::Cutter;
use crate::{exit::Exit, failure::Failure, program};

/// Reads that wait for the publisher; while there are so many, the source waits.
const WAITING: usize = 8;
const READ_BYTES: usize = 64 << 10;

/// Bytes of a source, read by a thread of their own.
pub(crate) struct Source {
    reads: Receiver<io::Result<Bytes>>,
    form: Form,
    began: Instant,
}

/// Who says where a segment ends.
enum Form {
    /// Stdin: a transport stream is cut at its keyframes, anything else by the time.
    Stdin(Cutter),
    /// Media, in the run that makes the stream.
    Run(Child, Records),
}

impl Source {
    /// `-` is stdin; anything else goes through media, in real time, as MPEG-TS with a keyframe every 2 s, where a segment
    /// begins. What has no keyframes is cut after `longest`.
    pub(crate) fn open(input: &str, longest: Duration) -> Result<Self, Failure> {
        let began = Instant::now();
        if input == "-" {
            let reads = read(io::stdin());
            let form = Form::Stdin(Cutter::new(longest));
            return Ok(Self { reads, form, began });
        }
        let cannot = |error: io::Error| {
            Failure::cannot_start("no_program", format!("cannot start a run: {error}"))
        };
        let mut run = Command::new(program::this()?)
            .args(["run", input, "--pipeline", "noop", "--policy", "latest"])
            .args(["--quiet", "-o", "-", "--segments"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Ctrl-C is for this process, which asks the run to end.
            .process_group(0)
            .spawn()
            .map_err(cannot)?;
        let stdout = run.stdout.take().expect("piped above");
        let reads = read(stdout);
        let form = Form::Run(run, Records::default());
        Ok(Self { reads, form, began })
    }

    /// What came next; none at the end.
    pub(crate) async fn next(&mut self) -> Option<Result<Vec<Piece>, Failure>> {
        let cannot = |error: &dyn std::fmt::Display| {
            Failure::failed("source", format!("cannot read the source: {error}"))
        };
        let bytes = match self.reads.recv().await? {
            Ok(bytes) => bytes,
            Err(error) => return Some(Err(cannot(&error))),
        };
        Some(match &mut self.form {
            Form::Stdin(cutter) => Ok(cutter.push(self.began.elapsed(), &bytes)),
            Form::Run(_, records) => records.push(bytes).map_err(|error| cannot(&error)),
        })
    }

    /// What is left at the end.
    pub(super) fn rest(&mut self) -> Option<Piece> {
        match &mut self.form {
            Form::Stdin(cutter) => cutter.finish().map(Piece::Bytes),
            Form::Run(..) => None,
        }
    }

    /// Asks it to end; what it has still comes.
    pub(super) fn stop(&mut self) {
        match &self.form {
            Form::Run(run, _) => {
                let pid = i32::try_from(run.id()).ok().and_then(Pid::from_raw);
                // One that has ended needs no signal.
                pid.map(|pid| kill_process(pid, Signal::TERM).ok());
            }
            Form::Stdin(_) => self.reads.close(),
        }
    }

    /// How it ended. A run has told itself why; its code is the command's.
    pub(crate) fn exit(mut self) -> Exit {
        let Form::Run(run, records) = &mut self.form else {
            return Exit::Done;
        };
        let code = run.wait().ok().and_then(|status| status.code());
        match code.and_then(|code| u8::try_from(code).ok()) {
            Some(0) if records.finish().is_ok() => Exit::Done,
            Some(code @ 1..) => Exit::OfChild(code),
            _ => Exit::Failed,
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Form::Run(run, _) = &mut self.form {
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
