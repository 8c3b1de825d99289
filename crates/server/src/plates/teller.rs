//! What happens to vehicles, as JSON Lines for whoever listens to a run.
//!
//! A line is written before the run does anything that follows from it: where a file takes it, a run that is killed has told
//! all that its checkpoint knows of. A reader that is slow, or a file that takes nothing, stops no run: lines wait within a
//! bound, and what is beyond it is lost and counted.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::OpenOptionsExt,
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use framerill_plates::{
    flow::VehicleEvent,
    store::{Record, privacy::Privacy},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Bytes of lines that wait for a reader, or for a disk.
const MOST_WAITING: usize = 4 << 20;
/// What a pipe takes at once, where it takes anything (`PIPE_BUF`).
const PIECE: usize = 4096;
/// What the end of a run waits for a slow reader.
const REST_WITHIN: Duration = Duration::from_secs(1);

/// Where lines go.
#[derive(Debug)]
enum To {
    Stdout,
    File {
        path: PathBuf,
        /// None where it cannot be opened: it is tried again with the next line.
        file: Option<File>,
    },
}

/// Writes what happens to vehicles.
#[derive(Debug)]
pub(super) struct Teller {
    to: To,
    privacy: Privacy,
    lines: VecDeque<Vec<u8>>,
    /// Bytes of all lines.
    bytes: usize,
    /// Bytes of the first line that are written.
    begun: usize,
    written: u64,
    lost: u64,
    /// Why lines wait, or are lost.
    trouble: Option<String>,
    is_warned: bool,
}

impl Teller {
    /// Writes to the end of a file, which it makes unless it is there; to stdout for `-`.
    pub(super) fn new(path: &Path, privacy: Privacy) -> Self {
        let to = if path == Path::new("-") {
            To::Stdout
        } else {
            let path = path.to_owned();
            To::File { path, file: None }
        };
        let mut it = Self {
            to,
            privacy,
            lines: VecDeque::new(),
            bytes: 0,
            begun: 0,
            written: 0,
            lost: 0,
            trouble: None,
            is_warned: false,
        };
        // A name that cannot be written to is told at the start, not with the first vehicle.
        it.flush();
        it
    }

    /// Takes an event, and writes it if anybody takes it now.
    pub(super) fn tell(&mut self, event: VehicleEvent) {
        // A struct of plain values always is JSON.
        let mut line = serde_json::to_vec(&veiled(&self.privacy, event)).unwrap_or_default();
        line.push(b'\n');
        if self.bytes + line.len() > MOST_WAITING {
            self.lost += 1;
            let slow = || "nobody reads them fast enough".to_owned();
            self.trouble.get_or_insert_with(slow);
            return;
        }
        self.bytes += line.len();
        self.lines.push_back(line);
        self.flush();
    }

    /// Writes what waits, as far as somebody takes it.
    pub(super) fn flush(&mut self) {
        if let Err(error) = self.write() {
            self.trouble = Some(error.to_string());
        }
    }

    /// A sentence for the log, once.
    pub(super) fn warning(&mut self) -> Option<String> {
        let trouble = self.trouble.as_ref().filter(|_| !self.is_warned)?;
        self.is_warned = true;
        let to = match &self.to {
            To::Stdout => "stdout".to_owned(),
            To::File { path, .. } => format!("`{}`", path.display()),
        };
        Some(format!(
            "events do not reach {to}: {trouble}; the run goes on without them"
        ))
    }

    /// Gives the last lines a moment; those that nobody takes are lost.
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    pub(super) fn finish(&mut self) {
        let until = Instant::now() + REST_WITHIN;
        self.flush();
        while !self.lines.is_empty() && self.trouble.is_none() && Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            self.wait(left);
            self.flush();
        }
        if !self.lines.is_empty() {
            self.lost += self.lines.len() as u64;
            let slow = || "nobody reads them".to_owned();
            self.trouble.get_or_insert_with(slow);
            self.lines.clear();
            self.bytes = 0;
        }
    }

    /// Events that were written whole, and events that are lost.
    pub(super) fn counts(&self) -> [u64; 2] {
        [self.written, self.lost]
    }

    fn wait(&self, most: Duration) {
        let fd = match &self.to {
            To::Stdout => rustix::stdio::stdout(),
            To::File { file: Some(it), .. } => it.as_fd(),
            To::File { file: None, .. } => return,
        };
        is_ready(fd, most);
    }

    fn write(&mut self) -> io::Result<()> {
        if let To::File { path, file } = &mut self.to
            && file.is_none()
        {
            *file = Some(open(path)?);
        }
        let fd = match &self.to {
            To::Stdout => rustix::stdio::stdout(),
            To::File { file: Some(it), .. } => it.as_fd(),
            To::File { file: None, .. } => return Ok(()),
        };
        while let Some(line) = self.lines.front() {
            // Stdout is not ours alone, so that it stays as it is: a pipe that is ready takes this much without waiting.
            if !is_ready(fd, Duration::ZERO) {
                return Ok(());
            }
            let rest = &line[self.begun..];
            let piece = &rest[..rest.len().min(PIECE)];
            match rustix::io::write(fd, piece) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.begun += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
            if self.begun == line.len() {
                self.bytes -= line.len();
                self.begun = 0;
                self.written += 1;
                self.lines.pop_front();
            }
        }
        Ok(())
    }
}

fn is_ready(fd: BorrowedFd<'_>, within: Duration) -> bool {
    let within = Timespec::try_from(within).unwrap_or_default();
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
    // What cannot be asked says itself what is wrong with it.
    !matches!(poll(&mut fds, Some(&within)), Ok(0))
}

/// Opens a file for lines at its end. A line that a crash cut short is ended: what follows it stays readable.
fn open(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .create(true)
        .read(true)
        .append(true)
        // A pipe without a reader is no reason to wait.
        .custom_flags(i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default())
        .open(path)?;
    if file.metadata()?.is_file() && file.seek(SeekFrom::End(0))? > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            rustix::io::write(&file, b"\n")?;
        }
    }
    Ok(file)
}

/// The event as it may be told: a plate that is not stored in clear is told as its hash, or not at all. Pictures stay out.
fn veiled(privacy: &Privacy, mut event: VehicleEvent) -> VehicleEvent {
    if let Some(text) = event.text.take() {
        let named = Record::from_iter([("final_plate".to_owned(), text.into())]);
        let told = privacy.told(&named);
        event.text = told.and_then(|it| Some(it.get("final_plate")?.as_str()?.to_owned()));
    }
    event.record = event.record.and_then(|it| privacy.told(&it));
    if let Some(record) = &mut event.record {
        record.remove("crop");
    }
    event
}
