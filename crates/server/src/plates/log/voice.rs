//! What a run says: into its log files, and to whoever watches.

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
};

use super::{Level, Log, line};
use crate::terminal;

/// Lines that the HUD shows.
const NEWEST: usize = 5;
/// Component of the orchestrator.
const MAIN: &str = "main";
/// Components at most: workers, readers, the scheduler.
const COMPONENTS: usize = 300;

/// The log of a run.
#[derive(Debug)]
pub(in crate::plates) struct Voice {
    folder: PathBuf,
    logs: BTreeMap<String, Option<Log>>,
    newest: VecDeque<String>,
    /// The HUD owns the terminal: lines are shown in it.
    is_drawn: bool,
    /// Only warnings and errors are shown.
    is_quiet: bool,
}

impl Voice {
    pub(in crate::plates) fn new(folder: PathBuf, is_drawn: bool, is_quiet: bool) -> Self {
        Self {
            folder,
            logs: BTreeMap::new(),
            newest: VecDeque::new(),
            is_drawn,
            is_quiet,
        }
    }

    /// The orchestrator says something.
    pub(in crate::plates) fn say(&mut self, level: Level, said: &str) {
        self.write(MAIN, level, said);
        self.show(MAIN, level, said);
    }

    /// Another component does; what is no warning stays in its file.
    pub(in crate::plates) fn component(&mut self, component: &str, level: Level, said: &str) {
        self.write(component, level, said);
        if level != Level::Info {
            self.show(component, level, said);
        }
    }

    /// The last lines, for the HUD on a terminal.
    pub(in crate::plates) fn newest(&self) -> Vec<String> {
        match self.is_drawn {
            true => self.newest.iter().cloned().collect(),
            false => Vec::new(),
        }
    }

    /// The HUD is over.
    pub(in crate::plates) fn undraw(&mut self) {
        self.is_drawn = false;
    }

    fn show(&mut self, component: &str, level: Level, said: &str) {
        if self.newest.len() == NEWEST {
            self.newest.pop_front();
        }
        self.newest.push_back(said.to_owned());
        let is_shown = !self.is_drawn && (level != Level::Info || !self.is_quiet);
        if is_shown {
            terminal::tell(line(level, component, said).trim_end());
        }
    }

    fn write(&mut self, component: &str, level: Level, said: &str) {
        if !self.logs.contains_key(component) {
            if self.logs.len() >= COMPONENTS {
                return;
            }
            // A log that cannot be opened is none: the run goes on.
            let log = Log::open(&self.folder, component).ok();
            self.logs.insert(component.to_owned(), log);
        }
        if let Some(Some(log)) = self.logs.get_mut(component) {
            log.write(level, said);
        }
    }
}
