//! A program that works for a while: its lines as they come, a deadline, and an end when this one is told to stop.

use std::{
    collections::VecDeque,
    io::Read,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{exit::Exit, failure::Failure, signals::Told};

/// How many of its last lines are kept.
const KEPT: usize = 40;
/// The longest line; the rest of it is another one.
const MAX_LINE_BYTES: usize = 1000;
/// How often its end is looked for while it says nothing.
const TICK: Duration = Duration::from_millis(50);
/// After its end, what is still in its pipes comes within this.
const REST_WITHIN: Duration = Duration::from_secs(1);

enum Event {
    Line(String),
    /// A pipe is empty for good.
    End,
    Stop(Exit),
}

/// Listens for signals from now on, so that what is begun can be cleared away.
pub(super) struct Subprocesses {
    tell: SyncSender<Event>,
    events: std::sync::mpsc::Receiver<Event>,
    /// After this all of them are late.
    deadline: Instant,
    within: Duration,
    _told: Told,
}

/// What a program left.
pub(super) struct Done {
    pub(super) status: ExitStatus,
    last: VecDeque<String>,
}

impl Subprocesses {
    pub(super) fn begin(within: Duration) -> Result<Self, Failure> {
        let (tell, events) = sync_channel(256);
        let stop = tell.clone();
        let told = Told::listen(move |exit| stop.send(Event::Stop(exit)).is_ok())?;
        Ok(Self {
            tell,
            events,
            deadline: now() + within,
            within,
            _told: told,
        })
    }

    /// Runs it to its end.
    pub(super) fn run(
        &mut self,
        command: &mut Command,
        say: impl FnMut(&str),
    ) -> Result<Done, Failure> {
        self.run_by(now, command, say)
    }

    /// The same by another clock.
    fn run_by(
        &mut self,
        now: impl Fn() -> Instant,
        command: &mut Command,
        mut say: impl FnMut(&str),
    ) -> Result<Done, Failure> {
        let shown = command.get_program().to_string_lossy().into_owned();
        let cannot = |error: std::io::Error| {
            Failure::cannot_start("no_program", format!("cannot run `{shown}`: {error}"))
        };
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Its own children end with it.
            .process_group(0)
            .spawn()
            .map_err(cannot)?;
        let mut pipes = 0;
        if let Some(out) = child.stdout.take() {
            listen(out, self.tell.clone());
            pipes += 1;
        }
        if let Some(err) = child.stderr.take() {
            listen(err, self.tell.clone());
            pipes += 1;
        }
        let mut last = VecDeque::new();
        let mut ended: Option<(ExitStatus, Instant)> = None;
        loop {
            match self.events.recv_timeout(TICK) {
                Ok(Event::Line(line)) => {
                    say(&line);
                    if last.len() == KEPT {
                        last.pop_front();
                    }
                    last.push_back(line);
                }
                Ok(Event::End) => pipes -= 1,
                Ok(Event::Stop(exit)) => {
                    end(&mut child);
                    return Err(stopped(exit));
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            match ended {
                Some((status, rest)) if pipes == 0 || now() > rest => {
                    return Ok(Done { status, last });
                }
                Some(_) => {}
                None => {
                    ended = child
                        .try_wait()
                        .map_err(cannot)?
                        .map(|it| (it, now() + REST_WITHIN))
                }
            }
            if ended.is_none() && now() > self.deadline {
                end(&mut child);
                let text = format!(
                    "`{shown}` was ended: installing took longer than {} s",
                    self.within.as_secs()
                );
                return Err(Failure::failed("install_late", with_last(text, &last))
                    .hint("give it longer: `framerill pipelines install --timeout`"));
            }
        }
    }

    /// Whether this was told to stop between two programs.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match self.events.try_iter().find_map(|it| match it {
            Event::Stop(exit) => Some(exit),
            _ => None,
        }) {
            Some(exit) => Err(stopped(exit)),
            None => Ok(()),
        }
    }
}

impl Done {
    /// A failure with the last lines that it said.
    pub(super) fn failure(&self, code: &str, what: &str) -> Failure {
        Failure::failed(
            code,
            with_last(format!("{what} ({})", self.status), &self.last),
        )
    }
}

/// The code of a failure that somebody asked for.
pub(super) const INTERRUPTED: &str = "interrupted";

fn stopped(exit: Exit) -> Failure {
    Failure {
        exit,
        ..Failure::failed(
            INTERRUPTED,
            "installing was interrupted; what was there is as it was",
        )
    }
}

/// The end of what it said, on one line.
fn with_last(text: String, last: &VecDeque<String>) -> String {
    let said: Vec<_> = last
        .iter()
        .map(|it| it.trim())
        .filter(|it| !it.is_empty())
        .collect();
    let from = said.len().saturating_sub(6);
    match said.get(from..) {
        Some(said) if !said.is_empty() => format!("{text}; its last lines: {}", said.join(" / ")),
        _ => text,
    }
}

fn end(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // It is not reaped yet, so that the number is its own.
    if group.is_none_or(|it| kill_process_group(it, Signal::KILL).is_err()) {
        child.kill().ok();
    }
    child.wait().ok();
}

fn listen(mut pipe: impl Read + Send + 'static, tell: SyncSender<Event>) {
    thread::spawn(move || {
        let mut bytes = [0; 8192];
        let mut line = Vec::new();
        while let Ok(count @ 1..) = pipe.read(&mut bytes) {
            for byte in &bytes[..count] {
                let is_end = matches!(byte, b'\n' | b'\r');
                if !is_end {
                    line.push(*byte);
                }
                if (is_end && !line.is_empty()) || line.len() >= MAX_LINE_BYTES {
                    let text = plain(&String::from_utf8_lossy(&line));
                    line.clear();
                    if tell.send(Event::Line(text)).is_err() {
                        return;
                    }
                }
            }
        }
        if !line.is_empty() {
            tell.send(Event::Line(plain(&String::from_utf8_lossy(&line))))
                .ok();
        }
        tell.send(Event::End).ok();
    });
}

/// Without colours and what else moves a terminal.
fn plain(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line.chars();
    while let Some(letter) = rest.next() {
        if letter == '\u{1b}' {
            // A sequence ends with a letter.
            rest.by_ref().find(char::is_ascii_alphabetic);
        } else if !letter.is_control() || letter == '\t' {
            plain.push(letter);
        }
    }
    plain
}

#[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, fs};

    use super::*;

    const WITHIN: Duration = Duration::from_secs(600);

    #[test]
    fn lines_come_as_they_are_said_and_the_last_ones_are_in_the_failure() {
        let script = "seq 100; printf '\\033[31mred\\033[0m\\n' >&2; exit 3";
        let mut said = Vec::new();
        let mut subprocesses = Subprocesses::begin(WITHIN).unwrap();
        let done = subprocesses.run(Command::new("sh").args(["-c", script]), |line| {
            said.push(line.to_owned());
        });
        assert_eq!(said.len(), 101);
        assert!(said.contains(&"red".to_owned()), "{said:?}");
        let failure = done.unwrap().failure("x", "it failed");
        assert!(
            failure.message.contains("100") && !failure.message.contains("/ 1 /"),
            "{failure}"
        );
    }

    #[test]
    fn what_takes_too_long_is_ended_with_all_its_children() {
        let mut subprocesses = Subprocesses::begin(WITHIN).unwrap();
        let (begin, late) = (now(), subprocesses.deadline + TICK);
        // Time is over with its first line.
        let time = Cell::new(begin);
        let mut pid = 0;
        let mut shell = Command::new("sh");
        let done = subprocesses.run_by(
            || time.get(),
            shell.args(["-c", "sleep 600 & echo $!; wait"]),
            |line| {
                pid = line.parse().unwrap();
                time.set(late);
            },
        );
        let failure = done.err().unwrap();
        assert_eq!(failure.code, "install_late");
        assert!(failure.message.ends_with(&format!(": {pid}")), "{failure}");
        let stat = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let is_gone = || stat().is_empty() || stat().contains(") Z");
        // It was killed, and dies when its turn comes.
        let patience = now() + Duration::from_secs(60);
        while !is_gone() && now() < patience {
            thread::park_timeout(TICK);
        }
        assert!(is_gone(), "{}", stat());
    }
}
