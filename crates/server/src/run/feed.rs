//! A run within another command: a video in real time, as segments into a pipe. Its children are this process's.

use std::{os::fd::OwnedFd, path::PathBuf, thread};

use framerill_worker::message::{Container, LinkPolicy, Sink};
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::Map;

use super::{
    Pace, Pipeline, Plan, Report,
    command::{Files, media_plan, no_frames},
    engine::{Ended, Engine},
    inbox::{Ender, Inbox},
    input::Input,
    progress::{Progress, Tell},
};
use crate::{exit::Exit, failure::Failure};

/// Restarts of its worker, which does nothing to a picture.
const MAX_RESTARTS: u32 = 3;

/// A run that feeds whoever started it. Dropped, its children are killed, and nobody waits for them.
pub(crate) struct Feed {
    ender: Ender,
}

impl Feed {
    /// Starts a thread that reads `input`, a file or a generator, and makes MPEG-TS with a keyframe every 2 s. Returns the
    /// pipe with its records (`schema/segments.md`). What it has to say goes to `tell`, and how it ended to `ended`, behind
    /// the pipe's end.
    pub(crate) fn start(
        input: &str,
        tell: Tell,
        ended: impl FnOnce(Result<(), Failure>) + Send + 'static,
    ) -> Result<(Self, OwnedFd), Failure> {
        let cannot = |what: &str, error: std::io::Error| {
            let text = format!("cannot make {what} for the source: {error}");
            Failure::cannot_start("source", text)
        };
        let pipe = pipe_with(PipeFlags::CLOEXEC);
        let (reads, writes) = pipe.map_err(|errno| cannot("a pipe", errno.into()))?;
        let inbox = Inbox::new();
        let ender = inbox.ender();
        let plan = plan(input);
        let run = move || ended(run(&plan, writes, inbox, Progress::told(tell)));
        let thread = thread::Builder::new().name("feed".into()).spawn(run);
        thread.map_err(|error| cannot("a thread", error))?;
        Ok((Self { ender }, reads))
    }

    /// Asks it to end; what it has still comes.
    pub(crate) fn stop(&self) {
        self.ender.stop(Exit::Terminated);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.ender.abandon();
    }
}

fn plan(input: &str) -> Plan {
    Plan {
        input: input.to_owned(),
        pipeline: Pipeline::BuiltIn("noop".to_owned()),
        params: Map::new(),
        output: PathBuf::from("-"),
        size: None,
        fps: None,
        policy: LinkPolicy::Latest,
        pace: Pace::RealTime,
        start: 0.0,
        duration: None,
        preview: None,
        max_restarts: MAX_RESTARTS,
        max_frame_time: None,
        worker_memory: None,
        python: None,
        in_process: false,
        reload: false,
    }
}

fn run(plan: &Plan, sink: OwnedFd, inbox: Inbox, mut progress: Progress) -> Result<(), Failure> {
    let mut files = Files::default();
    let (source, file) = Input::open(&plan.input)?.source();
    files.push(file);
    let sink = Sink {
        container: Container::Segments,
        fd: files.push(Some(sink)).unwrap_or(0),
        final_fd: None,
        name: "segments".to_owned(),
    };
    let media_plan = media_plan(plan, source, sink);
    let mut report = Report::default();
    let engine = Engine::start(plan, media_plan, files.0, inbox)?;
    match engine.run(&mut report, &mut progress)? {
        Ended::Done if report.frames.out == 0 => Err(no_frames()),
        Ended::Done | Ended::Interrupted(_) => Ok(()),
    }
}
