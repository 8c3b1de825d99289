//! The demo's processes: started, listened to, ended. None of them outlives this one.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::mpsc::{SyncSender, sync_channel},
    thread,
    time::Duration,
};

use framerill_supervisor::{Child, ChildId, Command, Event, ExitReason, KillReason, Notice};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::{
    sync::mpsc,
    time::{Instant, Interval, MissedTickBehavior, interval, timeout_at},
};

use crate::{exit::Exit, failure::Failure, program, serve, signals::Stop};

const WAITING: usize = 256;
const TICK: Duration = Duration::from_millis(100);
/// Towards the end, whose last figures are there for a moment only.
const SHORT_TICK: Duration = Duration::from_millis(5);
/// Lines of a process that are kept for when it fails.
const KEPT: usize = 4;
/// A runner leaves in order within 6 s.
const LEAVE_WITHIN: Duration = Duration::from_secs(8);
/// Variables that say what this machine has. All others say who is served by what, which is not the demo's.
const OF_THE_MACHINE: [&str; 3] = ["FRAMERILL_PYTHON", "FRAMERILL_MODEL_DIR", "MODEL_DIR"];

fn foreign() -> impl Iterator<Item = &'static str> {
    serve::variables().filter(|it| !OF_THE_MACHINE.contains(it))
}

/// One of the demo's processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// `serve`, and everything below it.
    Runner,
    /// `trickle publish`.
    Source,
    /// `trickle subscribe`.
    Viewer,
    /// `run`, for the files.
    Files,
}

impl Part {
    const ALL: [Self; 4] = [Self::Runner, Self::Source, Self::Viewer, Self::Files];

    fn name(self) -> &'static str {
        match self {
            Self::Runner => "runner",
            Self::Source => "source",
            Self::Viewer => "viewer",
            Self::Files => "files",
        }
    }
}

/// What happened.
#[derive(Debug)]
pub(super) enum Came {
    /// A process said something as JSON.
    Said(Part, Value),
    Ended(Part, ExitReason),
    Signal(Exit),
    Tick,
}

/// All of them.
pub(super) struct Stage {
    program: PathBuf,
    folder: PathBuf,
    owner: SyncSender<Notice>,
    notices: mpsc::Receiver<Notice>,
    children: BTreeMap<Part, Child>,
    last_lines: BTreeMap<Part, VecDeque<String>>,
    log: File,
    signals: Stop,
    ticks: Interval,
}

impl Stage {
    /// An empty one, whose processes work in this folder. Within a runtime.
    pub(super) fn new(folder: &Path) -> Result<Self, Failure> {
        let cannot = |error: std::io::Error| {
            Failure::cannot_start("output_open", format!("cannot write the log: {error}"))
        };
        let log = File::create(folder.join("demo.log")).map_err(cannot)?;
        let (owner, incoming) = sync_channel::<Notice>(WAITING);
        let (tell, notices) = mpsc::channel(WAITING);
        let pass_on = move || {
            for notice in incoming {
                if tell.blocking_send(notice).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new()
            .name("notices".into())
            .spawn(pass_on)
            .map_err(cannot)?;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            program: program::this()?,
            folder: folder.to_owned(),
            owner,
            notices,
            children: BTreeMap::new(),
            last_lines: BTreeMap::new(),
            log,
            signals: Stop::listen()?,
            ticks,
        })
    }

    /// Starts `framerill` with these arguments as a part.
    pub(super) fn start(&mut self, part: Part, args: &[&str]) -> Result<(), Failure> {
        let mut command = Command::new(&self.program).args(args).cwd(&self.folder);
        for name in foreign() {
            command = command.env_remove(name);
        }
        let id = ChildId(part as u32);
        let child = Child::spawn(&command, id, 1, &self.owner)
            .map_err(|error| Failure::cannot_start("no_program", error.to_string()))?;
        self.last_lines.remove(&part);
        self.children.insert(part, child);
        Ok(())
    }

    /// What happens next; at the latest a tick.
    pub(super) async fn next(&mut self) -> Came {
        loop {
            let notice = tokio::select! {
                biased;
                exit = self.signals.next() => return Came::Signal(exit),
                notice = self.notices.recv() => notice,
                _ = self.ticks.tick() => return Came::Tick,
            };
            if let Some(came) = notice.and_then(|it| self.take(it)) {
                return came;
            }
        }
    }

    fn take(&mut self, notice: Notice) -> Option<Came> {
        let part = Part::ALL
            .into_iter()
            .find(|it| *it as u32 == notice.child.0)?;
        match notice.event {
            Event::LogLine(line) => {
                // A log that cannot be written stops no demo.
                writeln!(self.log, "[{}] {line}", part.name()).ok();
                if line.starts_with('{')
                    && let Ok(said) = serde_json::from_str(&line)
                {
                    return Some(Came::Said(part, said));
                }
                let lines = self.last_lines.entry(part).or_default();
                if lines.len() == KEPT {
                    lines.pop_front();
                }
                lines.push_back(line);
                None
            }
            Event::Exited(reason) => {
                self.children.remove(&part);
                Some(Came::Ended(part, reason))
            }
            Event::LogLeftOut(left_out) => {
                writeln!(self.log, "[{}] {left_out}", part.name()).ok();
                None
            }
            Event::Message(..) | Event::ChannelClosed(_) | Event::Overused(_) => None,
        }
    }

    /// Ticks come faster from now on.
    pub(super) fn hurry(&mut self) {
        self.ticks = interval(SHORT_TICK);
        self.ticks
            .set_missed_tick_behavior(MissedTickBehavior::Delay);
    }

    /// Asks a part to end in order.
    pub(super) fn ask_to_end(&self, part: Part) {
        let pid = self.children.get(&part).map(Child::pid);
        let pid = pid.and_then(|it| Pid::from_raw(i32::try_from(it).ok()?));
        // It is not collected before its end is told, so the number is its own.
        pid.map(|it| kill_process(it, Signal::INT).ok());
    }

    /// A part that failed, with its last words.
    pub(super) fn failure(&self, part: Part, what: &str) -> Failure {
        let lines = self.last_lines.get(&part);
        let said: Vec<_> = lines.into_iter().flatten().map(String::as_str).collect();
        let name = part.name();
        let text = match said.is_empty() {
            true => format!("the {name} {what}"),
            false => format!("the {name} {what}: {}", said.join(" / ")),
        };
        let log = self.folder.join("demo.log");
        Failure::failed("demo", text).hint(format!("{} has all lines", log.display()))
    }

    /// Ends everything: the runner in order, what is left by force. Returns when all of it is gone.
    pub(super) async fn clear(&mut self) {
        for part in [Part::Source, Part::Viewer, Part::Files] {
            if let Some(child) = self.children.get(&part) {
                child.kill(KillReason::StopTime);
            }
        }
        self.ask_to_end(Part::Runner);
        let mut until = Instant::now() + LEAVE_WITHIN;
        let mut is_forced = false;
        while !self.children.is_empty() {
            match timeout_at(until, self.notices.recv()).await {
                Ok(Some(notice)) => drop(self.take(notice)),
                Ok(None) => return,
                Err(_) if is_forced => return,
                Err(_) => {
                    is_forced = true;
                    until = Instant::now() + LEAVE_WITHIN;
                    for child in self.children.values() {
                        child.kill(KillReason::StopTime);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_serves_is_not_the_demos_and_the_machines_python_is() {
        let foreign: Vec<_> = foreign().collect();
        for name in [
            "AUTH_TOKEN",
            "FRAMERILL_MAX_RESTARTS",
            "FRAMERILL_VERIFY_TLS",
            "FRAMERILL_PARAMS_EVENTS",
            "FRAMERILL_TRICKLE",
        ] {
            assert!(foreign.contains(&name), "{name}");
        }
        for name in OF_THE_MACHINE {
            assert!(!foreign.contains(&name), "{name}");
        }
    }
}
