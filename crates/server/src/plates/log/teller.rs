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
pub(in crate::plates) struct Teller {
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
    pub(in crate::plates) fn new(path: &Path, privacy: Privacy) -> Self {
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
    pub(in crate::plates) fn tell(&mut self, event: VehicleEvent) {
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
    pub(in crate::plates) fn flush(&mut self) {
        if let Err(error) = self.write() {
            self.trouble = Some(error.to_string());
        }
    }

    /// A sentence for the log, once.
    pub(in crate::plates) fn warning(&mut self) -> Option<String> {
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
    pub(in crate::plates) fn finish(&mut self) {
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
    pub(in crate::plates) fn counts(&self) -> [u64; 2] {
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

#[cfg(test)]
mod tests {
    use framerill_plates::{flow::EventKind, store::privacy::HashKey};
    use serde_json::{Value, json};

    use super::*;

    fn event(n: u32) -> VehicleEvent {
        let record =
            json!({"final_plate": "AB123", "readings": [], "crop": "anBn", "frame_idx": 3});
        VehicleEvent {
            id: format!("c-s-1-{n}"),
            event: EventKind::End,
            content_sha256: "c".into(),
            video_id: "v".into(),
            track_id: 1,
            global_id: "v:1".into(),
            frame_idx: 9,
            ts_ms: 360.0,
            seen: [3, 9],
            text: Some("AB123".into()),
            conf: Some(0.9),
            is_uncertain: false,
            is_certain: true,
            outcome: None,
            record: record.as_object().cloned(),
        }
    }

    #[test]
    fn lines_come_after_what_is_there_and_one_that_was_cut_short_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        std::fs::write(&path, "{}\n{\"id").unwrap();
        for n in 0..2 {
            let mut it = Teller::new(&path, Privacy::default());
            it.tell(event(n));
            it.finish();
            assert_eq!((it.counts(), it.warning()), ([1, 0], None));
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Option<Value>> =
            (text.lines().map(|it| serde_json::from_str(it).ok())).collect();
        let [Some(_), None, Some(first), Some(second)] = lines.as_slice() else {
            panic!("{text}");
        };
        assert_eq!(
            (&first["id"], &second["id"]),
            (&"c-s-1-0".into(), &"c-s-1-1".into())
        );
        assert_eq!(
            (&first["text"], first["record"].get("crop")),
            (&"AB123".into(), None)
        );
    }

    #[test]
    fn a_pipe_that_nobody_reads_holds_nobody_up_and_takes_no_memory_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        let mut it = Teller::new(&path, Privacy::default());
        for n in 0..30_000 {
            it.tell(event(n));
            assert!(it.bytes <= MOST_WAITING);
        }
        assert!(it.warning().is_some_and(|it| it.contains("fast enough")));
        assert_eq!(it.warning(), None, "once");
        it.finish();
        let [written, lost] = it.counts();
        assert_eq!(written + lost, 30_000);
        assert!(written > 0 && lost > 0, "{written} {lost}");
    }

    #[test]
    fn a_plate_is_told_as_it_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "0123456789abcdef").unwrap();
        let key = Some(HashKey::read(&file).unwrap());
        let allowed = Some(["OTHER1".to_owned()].into());
        let hashed = veiled(&Privacy { key, allowed: None }, event(0));
        assert!(hashed.text.is_some_and(|it| it.starts_with("hmac-sha256:")));
        let told = serde_json::to_string(&hashed.record).unwrap();
        assert!(
            told.contains("hmac-sha256:") && !told.contains("AB123"),
            "{told}"
        );
        let unlisted = veiled(&Privacy { key: None, allowed }, event(0));
        assert_eq!((unlisted.text, unlisted.record), (None, None));
    }
}
