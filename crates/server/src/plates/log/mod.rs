//! Files of a run that grow line by line, bounded: a log for each component (contract §10), and dead letters.
//!
//! `voice` is what a run says into them and to whoever watches; `teller` tells what happens to vehicles.

pub(super) mod teller;
pub(super) mod voice;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use jiff::{Timestamp, tz::TimeZone};

use crate::log::one_line;

/// Bytes of one file.
const LONGEST: u64 = 5 << 20;
/// Files of one name: the one that is written, and older ones.
const FILES: u32 = 5;
/// Bytes of one line.
const LINE: usize = 8 << 10;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Info,
    Warning,
    Error,
}

impl Level {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

/// A file that lines are added to; when it is long, it becomes `NAME.1`, and the oldest one goes.
#[derive(Debug)]
pub(crate) struct Rotated {
    folder: PathBuf,
    name: String,
    file: File,
    length: u64,
    longest: u64,
}

/// One component's log.
#[derive(Debug)]
pub(crate) struct Log {
    component: String,
    file: Rotated,
}

impl Log {
    /// Goes on with `logs/COMPONENT.log`.
    pub(crate) fn open(folder: &Path, component: &str) -> io::Result<Self> {
        Self::with_longest(folder, component, LONGEST)
    }

    fn with_longest(folder: &Path, component: &str, longest: u64) -> io::Result<Self> {
        Ok(Self {
            component: component.into(),
            file: Rotated::with_longest(folder, &format!("{component}.log"), longest)?,
        })
    }

    /// Adds a line. A disk that is full loses it: the run goes on.
    pub(crate) fn write(&mut self, level: Level, said: &str) {
        let line = line(level, &self.component, said);
        drop(self.file.write(line.as_bytes()));
    }
}

impl Rotated {
    /// Goes on with a file.
    pub(crate) fn open(folder: &Path, name: &str) -> io::Result<Self> {
        Self::with_longest(folder, name, LONGEST)
    }

    fn with_longest(folder: &Path, name: &str, longest: u64) -> io::Result<Self> {
        let file = append(&folder.join(name))?;
        let length = file.metadata()?.len();
        Ok(Self {
            folder: folder.into(),
            name: name.into(),
            file,
            length,
            longest,
        })
    }

    /// Adds a line, whose end is part of it.
    pub(crate) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let length = line.len() as u64;
        if self.length > 0 && self.length + length > self.longest {
            // What cannot be renamed is written on.
            drop(self.rotate());
        }
        self.file.write_all(line)?;
        self.length += length;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let name = |n: u32| match n {
            0 => self.folder.join(&self.name),
            n => self.folder.join(format!("{}.{n}", self.name)),
        };
        for n in (0..FILES - 1).rev() {
            match fs::rename(name(n), name(n + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.file = append(&name(0))?;
        self.length = 0;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// `time [LEVEL] [process] message`, one line whatever was said.
pub(crate) fn line(level: Level, process: &str, said: &str) -> String {
    let time = Timestamp::now()
        .to_zoned(TimeZone::system())
        .strftime("%Y-%m-%d %H:%M:%S");
    let told = one_line(&said[..said.floor_char_boundary(LINE)]);
    format!("{time} [{}] [{process}] {told}\n", level.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_keeps_its_newest_lines_in_five_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::with_longest(folder.path(), "main", 100).unwrap();
        for n in 0..40 {
            log.write(Level::Info, &format!("line {n}"));
        }
        let files = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, FILES as usize);
        let newest = fs::read_to_string(folder.path().join("main.log")).unwrap();
        assert!(newest.ends_with("[INFO] [main] line 39\n"), "{newest}");
        let sizes = fs::read_dir(folder.path()).unwrap();
        for it in sizes {
            assert!(it.unwrap().metadata().unwrap().len() <= 100);
        }
    }

    #[test]
    fn what_is_said_stays_in_its_line() {
        let it = line(Level::Warning, "worker 0", "a\nb\u{1b}[2J");
        assert!(it.ends_with("[WARNING] [worker 0] a b [2J\n"), "{it}");
        assert_eq!(it.lines().count(), 1);
    }
}
