//! `ffmpeg` and `ffprobe` as child processes: watched, with a deadline, and never outliving their owner.

use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, Read},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// A program that moves nothing for so long is killed.
const STALL: Duration = Duration::from_secs(30);
/// No run takes more of those; half an hour.
const MOST_STALLS: u32 = 60;
/// Longest line of stderr that is kept whole.
const LONGEST_LINE_BYTES: u64 = 64 * 1024;
/// So many complaints are kept; the others are counted.
const KEPT_LINES: usize = 20;

/// Why the checker's tools gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// Not installed.
    #[error("cannot start `{program}`: {source}; `apt-get install ffmpeg` installs it")]
    Missing {
        /// What was called.
        program: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It ended with an error.
    #[error("`{program}` failed on `{subject}`: {said}")]
    Failed {
        /// What was called.
        program: &'static str,
        /// The file it worked on.
        subject: String,
        /// Its last words.
        said: String,
    },
    /// It was killed.
    #[error("`{program}` on `{subject}` stood still and was killed")]
    Stalled {
        /// What was called.
        program: &'static str,
        /// The file it worked on.
        subject: String,
    },
    /// A pipe or a process failed.
    #[error("cannot talk to `{program}`: {source}")]
    Pipe {
        /// What was called.
        program: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// What it said makes no sense.
    #[error("`{program}` said about `{subject}`: {said}")]
    Confused {
        /// What was called.
        program: &'static str,
        /// The file it worked on.
        subject: String,
        /// The words.
        said: String,
    },
}

/// Whether the checker can work on this machine.
#[must_use]
pub fn ffmpeg_is_here() -> bool {
    ["ffmpeg", "ffprobe"].iter().all(|program| {
        Command::new(program)
            .arg("-version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

/// What a tool complained about.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    /// The last ones.
    pub(crate) lines: VecDeque<String>,
    /// How many lines of level `error` or worse there were.
    pub(crate) errors: u64,
}

impl Complaints {
    fn take(&mut self, line: &str) {
        if line.contains("[error]") || line.contains("[fatal]") || line.contains("[panic]") {
            self.errors += 1;
        }
        if self.lines.len() == KEPT_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }

    fn last_words(&self) -> String {
        let words: Vec<_> = self.lines.iter().rev().take(4).rev().cloned().collect();
        words.join(" | ")
    }
}

struct Watched {
    /// `None` once its exit was collected: from then on its number may be another process's.
    child: Mutex<Option<Child>>,
    moved: AtomicU64,
    stalled: AtomicBool,
}

impl Watched {
    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kill(&self) {
        if let Some(child) = self.child().as_mut() {
            // It may have ended by itself in this moment.
            drop(child.kill());
        }
    }
}

/// A sign of life for the watchdog.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Watched>);

impl Progress {
    pub(crate) fn tick(&self) {
        self.0.moved.fetch_add(1, Ordering::Relaxed);
    }
}

/// A running tool.
pub(crate) struct Tool {
    program: &'static str,
    subject: String,
    pid: Pid,
    watched: Arc<Watched>,
    stop: Option<mpsc::Sender<()>>,
    watchdog: Option<JoinHandle<()>>,
    stderr: Option<JoinHandle<Complaints>>,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Option<ChildStdout>,
}

impl Tool {
    /// Starts `program`; `listen` gets each line of its stderr and says whether it was meant for it.
    pub(crate) fn start(
        program: &'static str,
        subject: &str,
        arguments: &[String],
        stdin: Stdio,
        mut listen: impl FnMut(&str) -> bool + Send + 'static,
    ) -> Result<Self, ToolError> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| ToolError::Missing { program, source })?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let lines = child.stderr.take().expect("stderr is piped");
        let pid = Pid::from_child(&child);
        let watched = Arc::new(Watched {
            child: Mutex::new(Some(child)),
            moved: AtomicU64::new(0),
            stalled: AtomicBool::new(false),
        });
        let (stop, stopped) = mpsc::channel();
        let guarded = Arc::clone(&watched);
        let watchdog = thread::spawn(move || watch(&guarded, &stopped));
        let stderr = thread::spawn(move || {
            let mut complaints = Complaints::default();
            each_line(lines, |line| {
                if !listen(line) {
                    complaints.take(line);
                }
            });
            complaints
        });
        Ok(Self {
            program,
            subject: subject.to_owned(),
            pid,
            watched,
            stop: Some(stop),
            watchdog: Some(watchdog),
            stderr: Some(stderr),
            stdin,
            stdout,
        })
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress(Arc::clone(&self.watched))
    }

    /// Waits for the end. `Ok` with what it complained about, whether it succeeded or not, if it ended by itself.
    pub(crate) fn finish(mut self) -> Result<(bool, Complaints), ToolError> {
        drop(self.stdin.take());
        drop(self.stdout.take());
        // The watchdog is still at work here, so that this ends.
        let waited = waitid(
            WaitId::Pid(self.pid),
            WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        );
        let program = self.program;
        waited.map_err(|error| ToolError::Pipe {
            program,
            source: error.into(),
        })?;
        let child = self.watched.child().take();
        let status = child
            .expect("only this takes it")
            .wait()
            .map_err(|source| ToolError::Pipe { program, source })?;
        self.stop_watching();
        let complaints = self
            .stderr
            .take()
            .and_then(|stderr| stderr.join().ok())
            .unwrap_or_default();
        if self.watched.stalled.load(Ordering::Relaxed) {
            return Err(ToolError::Stalled {
                program,
                subject: self.subject.clone(),
            });
        }
        Ok((status.success(), complaints))
    }

    /// Like [`Tool::finish`], but a failure of the program is an error.
    pub(crate) fn succeed(self) -> Result<Complaints, ToolError> {
        let (program, subject) = (self.program, self.subject.clone());
        match self.finish()? {
            (true, complaints) => Ok(complaints),
            (false, complaints) => Err(ToolError::Failed {
                program,
                subject,
                said: complaints.last_words(),
            }),
        }
    }

    fn stop_watching(&mut self) {
        drop(self.stop.take());
        if let Some(watchdog) = self.watchdog.take() {
            drop(watchdog.join());
        }
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        self.watched.kill();
        if let Some(mut child) = self.watched.child().take() {
            drop(child.wait());
        }
        self.stop_watching();
    }
}

fn watch(watched: &Watched, stopped: &mpsc::Receiver<()>) {
    let mut before = None;
    for _ in 0..MOST_STALLS {
        let moved = watched.moved.load(Ordering::Relaxed);
        if before == Some(moved) {
            break;
        }
        before = Some(moved);
        if stopped.recv_timeout(STALL) != Err(mpsc::RecvTimeoutError::Timeout) {
            return;
        }
    }
    watched.stalled.store(true, Ordering::Relaxed);
    watched.kill();
}

/// Calls `take` for each line, of bounded length, until the end or the first read error.
fn each_line(source: impl Read, mut take: impl FnMut(&str)) {
    let mut reader = BufReader::new(source);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader
            .by_ref()
            .take(LONGEST_LINE_BYTES)
            .read_until(b'\n', &mut line);
        if !matches!(read, Ok(bytes) if bytes > 0) {
            return;
        }
        take(String::from_utf8_lossy(&line).trim_end());
    }
}
