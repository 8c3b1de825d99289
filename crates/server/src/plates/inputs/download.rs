//! Videos at addresses, while they are read: each is downloaded once, bounded by a size and by the room on the disk.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use framerill_plates::fetch::{self, Answer, Came, FetchError, Version};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::address::Address;
use crate::{
    failure::Failure,
    plates::{
        log::Level,
        run::workdir::{UNFINISHED, replace},
    },
};

/// Bytes that stay free.
const RESERVE: u64 = 256 << 20;
/// The room is looked at after so many bytes.
const LOOK_EVERY: u64 = 16 << 20;
/// Bytes that are read at once, and how many of them wait.
const PIECE: usize = 1 << 18;
const PIECES: usize = 4;
/// While a server says nothing, whether the run is stopped is looked at so often.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Between two lines about one download.
const LINE: Duration = Duration::from_secs(10);
/// A server that sends less than [`LEAST`] in such a time is left.
const STALL: Duration = Duration::from_secs(60);
const LEAST: u64 = 64 << 10;

/// What a download comes to.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::plates) enum Got {
    /// It is here.
    File(PathBuf),
    /// Its content was read before: one sentence.
    Done(String),
}

/// Why there is none, of an address as it may be shown.
fn failed(url: &Address, what: &str) -> Failure {
    let text = format!("`{}` cannot be downloaded: {what}", url.shown());
    Failure::failed("download", text)
}

/// What is kept of a download when the file is gone.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    url: String,
    content_sha256: String,
    #[serde(flatten)]
    version: Version,
}

/// The downloads of a work directory.
#[derive(Debug)]
pub(in crate::plates) struct Downloads {
    folder: PathBuf,
    /// Bytes of one.
    most: u64,
    keeps: bool,
    is_stopped: AtomicBool,
}

impl Downloads {
    /// With 0 for no limit. Touches nothing.
    pub(in crate::plates) fn new(folder: &Path, most: u64, keeps: bool) -> Self {
        Self {
            folder: folder.to_owned(),
            most: if most == 0 { u64::MAX } else { most },
            keeps,
            is_stopped: AtomicBool::new(false),
        }
    }

    /// Whatever is under way ends soon.
    pub(in crate::plates) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    pub(in crate::plates) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Downloads a video unless it is here, or was read and is the same there as it was. With `anew` it is downloaded in any
    /// case. It blocks.
    pub(in crate::plates) fn get(
        &self,
        url: &Address,
        is_done: impl Fn(&str) -> bool,
        anew: bool,
        tell: &dyn Fn(Level, String),
    ) -> Result<Got, Failure> {
        let path = self.path(url);
        let note = self.note(url).filter(|it| is_done(&it.content_sha256));
        let shown = url.shown();
        let Some(note) = note.filter(|_| !anew) else {
            if !anew && path.is_file() {
                tell(Level::Info, format!("`{shown}` was downloaded before"));
                return Ok(Got::File(path));
            }
            return self.came(url, self.ask(url, None)?, tell);
        };
        let done = |why: &str| {
            Got::Done(format!(
                "`{shown}` is done and {why}: `--force` reads it again"
            ))
        };
        if !note.version.is_known() {
            // Nobody can say whether it is the same.
            return self.came(url, self.ask(url, None)?, tell);
        }
        match self.ask(url, Some(&note.version)) {
            Ok(Answer::Unchanged) => Ok(done("unchanged")),
            Ok(answer) => self.came(url, answer, tell),
            Err(error) => {
                tell(Level::Warning, error.to_string());
                Ok(done("cannot be asked for now"))
            }
        }
    }

    /// A video is over: its file goes, unless files are kept.
    pub(in crate::plates) fn finished(&self, url: &Address) {
        if !self.keeps {
            // What stays costs its bytes.
            drop(fs::remove_file(self.path(url)));
        }
    }

    fn path(&self, url: &Address) -> PathBuf {
        self.folder.join(url.stored())
    }

    fn note_path(&self, url: &Address) -> PathBuf {
        self.folder.join(format!("{}.json", url.key()))
    }

    fn note(&self, url: &Address) -> Option<Note> {
        serde_json::from_slice(&fs::read(self.note_path(url)).ok()?).ok()
    }

    fn ask(&self, url: &Address, known: Option<&Version>) -> Result<Answer, Failure> {
        // One byte more than allowed tells that there are more.
        let most = self.most.saturating_add(1);
        let (full, known) = (url.full().to_owned(), known.cloned());
        let (answered, answers) = sync_channel(1);
        let ask = move || drop(answered.send(fetch::get(&full, known.as_ref(), most)));
        elsewhere(url, ask)?;
        let answer = self.next(url, &answers)?;
        let Some(answer) = answer else {
            return Err(failed(url, "nobody asks any more"));
        };
        // No message of a library tells a login.
        let told = |error: FetchError| error.to_string().replace(url.full(), url.shown());
        answer.map_err(|error| failed(url, &told(error)))
    }

    fn came(
        &self,
        url: &Address,
        answer: Answer,
        tell: &dyn Fn(Level, String),
    ) -> Result<Got, Failure> {
        let shown = || url.shown().to_owned();
        let here = |error: io::Error| failed(url, &format!("cannot write it: {error}"));
        let Answer::Came(came) = answer else {
            return Err(failed(url, "the server says that nothing changed"));
        };
        fs::create_dir_all(&self.folder).map_err(here)?;
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(&self.folder)
            .map_err(here)?;
        let version = came.version.clone();
        let content_sha256 = self.copy(url, came, file.as_file_mut(), tell)?;
        file.as_file().sync_all().map_err(here)?;
        let path = self.path(url);
        file.persist(&path).map_err(|it| here(it.error))?;
        let note = Note {
            url: shown(),
            content_sha256,
            version,
        };
        let note = serde_json::to_vec(&note).unwrap_or_default();
        replace(&self.note_path(url), &note).map_err(here)?;
        Ok(Got::File(path))
    }

    /// Copies what comes, and says its hash.
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    fn copy(
        &self,
        url: &Address,
        came: Came,
        into: &mut File,
        tell: &dyn Fn(Level, String),
    ) -> Result<String, Failure> {
        let shown = || url.shown().to_owned();
        let size = came
            .total
            .map_or_else(|| "of unknown size".to_owned(), mebibytes);
        tell(Level::Info, format!("downloads `{}`, {size}", shown()));
        self.has_room(url, came.total.unwrap_or(0))?;
        let (mut hash, mut bytes) = (Sha256::new(), 0_u64);
        let pieces = pieces(url, came.body)?;
        let (mut looked, mut told) = (0, Instant::now());
        let mut pace = (Instant::now(), 0);
        while let Some(piece) = self.next(url, &pieces)? {
            let cut = |error: io::Error| format!("it was cut off after {bytes} bytes: {error}");
            let piece = piece.map_err(|error| failed(url, &cut(error)))?;
            bytes += piece.len() as u64;
            self.is_small(url, bytes)?;
            if bytes - looked >= LOOK_EVERY {
                looked = bytes;
                self.has_room(url, 0)?;
            }
            hash.update(&piece);
            into.write_all(&piece)
                .map_err(|error| failed(url, &format!("cannot write it: {error}")))?;
            if pace.0.elapsed() > STALL {
                if bytes - pace.1 < LEAST {
                    return Err(failed(url, "it comes too slowly"));
                }
                pace = (Instant::now(), bytes);
            }
            if told.elapsed() > LINE {
                told = Instant::now();
                let line = format!("downloads `{}`: {} of {size}", shown(), mebibytes(bytes));
                tell(Level::Info, line);
            }
        }
        if let Some(total) = came.total.filter(|it| *it != bytes) {
            let what = format!("it was cut off after {bytes} of {total} bytes");
            return Err(failed(url, &what));
        }
        tell(
            Level::Info,
            format!("downloaded `{}`, {bytes} bytes", shown()),
        );
        let digest = hash.finalize();
        Ok(digest.iter().map(|it| format!("{it:02x}")).collect())
    }

    /// What a thread that waits for a server has next; none at its end. A run that is stopped does not wait.
    fn next<T>(&self, url: &Address, from: &Receiver<T>) -> Result<Option<T>, Failure> {
        loop {
            let next = from.recv_timeout(LOOK_AGAIN);
            if self.is_stopped() {
                return Err(failed(url, "the run was stopped"));
            }
            match next {
                Ok(it) => return Ok(Some(it)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Whether so many bytes may come, and have room.
    fn has_room(&self, url: &Address, bytes: u64) -> Result<(), Failure> {
        self.is_small(url, bytes)?;
        let disk = rustix::fs::statvfs(&self.folder)
            .map_err(|errno| failed(url, &format!("cannot see the room for it: {errno}")))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < bytes.saturating_add(RESERVE) {
            let what =
                format!("there is no room: {free} bytes are free, and {RESERVE} of them stay so");
            return Err(failed(url, &what));
        }
        Ok(())
    }

    fn is_small(&self, url: &Address, bytes: u64) -> Result<(), Failure> {
        if bytes > self.most {
            let what = format!(
                "it has more than the {} bytes of `--max-download`",
                self.most
            );
            return Err(failed(url, &what));
        }
        Ok(())
    }
}

/// Reads a body on a thread of its own: a server that says nothing keeps that one alone.
fn pieces(
    url: &Address,
    mut body: Box<dyn Read + Send>,
) -> Result<Receiver<io::Result<Vec<u8>>>, Failure> {
    let (tell, pieces) = sync_channel(PIECES);
    let read = move || {
        let mut buffer = vec![0; PIECE];
        loop {
            let piece = match body.read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => Ok(buffer.get(..read).unwrap_or_default().to_vec()),
                Err(error) => Err(error),
            };
            let is_over = piece.is_err();
            if tell.send(piece).is_err() || is_over {
                return;
            }
        }
    };
    elsewhere(url, read)?;
    Ok(pieces)
}

fn elsewhere(url: &Address, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let thread = thread::Builder::new().name("download".into());
    let started = thread.spawn(work);
    started
        .map(drop)
        .map_err(|error| failed(url, &format!("cannot start a thread: {error}")))
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}
