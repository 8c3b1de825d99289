//! What a runner that was killed leaves behind: channels that nobody ends. The next one does (runner contract §2.1).
//!
//! Each stream of the runner's route is noted in a file of the system's temporary folder. A runner that starts reads
//! these notes, ends the channels they name, and takes them away; notes of a runner that lives are its own.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::mpsc::{SyncSender, sync_channel},
    thread,
    time::Duration,
};

use framerill_trickle::http::client::{Publisher, PublisherOptions, Transport};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    asked::{Asked, Place},
    engine::Number,
};
use crate::{
    failure::Failure,
    log::{Level, log},
};

/// The contract's name, without its end.
const NAME: &str = "ai_runner_last_params";
/// Notes that are looked at.
const MOST_NOTES: usize = 1024;
/// Bytes of a note that are read.
const MOST: u64 = 32 << 20;
/// How long a channel may take to be ended.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Streams that wait to be noted; then the newest are not.
const WAITING: usize = 64;

/// Notes the streams of this runner, in order, on a thread of its own: a disk that stalls holds up nobody.
pub(super) struct Notes(SyncSender<Job>);

enum Job {
    Keep(Number, Value),
    Forget(Number),
}

impl Notes {
    pub(super) fn start() -> Result<Self, Failure> {
        let (jobs, waiting) = sync_channel(WAITING);
        let work = move || {
            let folder = std::env::temp_dir();
            for job in waiting {
                let done = match &job {
                    Job::Keep(number, note) => keep(&folder, *number, note),
                    Job::Forget(number) => forget(&folder, *number),
                };
                if let Err(error) = done {
                    log(
                        Level::Warning,
                        format_args!("streams cannot be noted: {error}"),
                    );
                }
            }
        };
        let started = thread::Builder::new().name("notes".into()).spawn(work);
        started.map(|_| Self(jobs)).map_err(|error| {
            Failure::cannot_start("thread", format!("cannot start a thread: {error}"))
        })
    }

    /// A stream begins.
    pub(super) fn keep(&self, number: Number, asked: &Asked) {
        self.tell(Job::Keep(number, note(number, asked)));
    }

    /// It ended in order.
    pub(super) fn forget(&self, number: Number) {
        self.tell(Job::Forget(number));
    }

    fn tell(&self, job: Job) {
        if self.0.try_send(job).is_err() {
            log(
                Level::Warning,
                "a stream is not noted: the disk is too slow",
            );
        }
    }
}

/// The request as it came, and whose it is.
fn note(number: Number, asked: &Asked) -> Value {
    json!({
        "subscribe_url": asked.source.as_text(), "publish_url": asked.sink.as_text(),
        "control_url": asked.control_url, "events_url": asked.events_url,
        "params": asked.params.clone().unwrap_or_default(), "request_id": asked.ids.request,
        "manifest_id": asked.ids.manifest, "stream_id": asked.ids.stream,
        "pid": std::process::id(), "stream": number,
    })
}

/// The contract's place, unless it is another runner's that lives.
fn first(folder: &Path) -> PathBuf {
    folder.join(format!("{NAME}.json"))
}

/// A place of this stream alone.
fn own(folder: &Path, number: &Value) -> PathBuf {
    folder.join(format!("{NAME}.{}.{number}.json", std::process::id()))
}

fn keep(folder: &Path, number: Number, note: &Value) -> io::Result<()> {
    let first = first(folder);
    match read(&first) {
        Some(other) if is_alive(&other) => return write(&own(folder, &json!(number)), note),
        // The stream before is still on its way out.
        Some(before) if is_own(&before) => fs::rename(&first, own(folder, &before["stream"]))?,
        _ => {}
    }
    write(&first, note)
}

fn forget(folder: &Path, number: Number) -> io::Result<()> {
    let number = json!(number);
    for place in [own(folder, &number), first(folder)] {
        let is_it = |note: &Value| is_own(note) && note["stream"] == number;
        if read(&place).is_some_and(|note| is_it(&note)) {
            fs::remove_file(place)?;
        }
    }
    Ok(())
}

fn is_own(note: &Value) -> bool {
    note["pid"] == json!(std::process::id())
}

/// Anew, and for this user only: nobody else chooses what is written to.
fn write(path: &Path, note: &Value) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, note.to_string().as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Notes of runners that live no more, taken away. It blocks.
pub(super) fn take() -> Vec<Value> {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else {
        return Vec::new();
    };
    let named = entries.filter_map(|it| it.ok().map(|it| it.path()));
    let is_note = |path: &PathBuf| {
        let name = path.file_name().map(|it| it.to_string_lossy().into_owned());
        name.is_some_and(|it| it.starts_with(NAME) && it.ends_with(".json"))
    };
    let left = named.filter(is_note).filter_map(|path| {
        let note = read(&path).filter(|note| !is_alive(note))?;
        // Whoever takes it away ends the channels.
        fs::remove_file(&path).ok().map(|()| note)
    });
    left.take(MOST_NOTES).collect()
}

/// A note of this user: what others write is not believed.
fn read(path: &Path) -> Option<Value> {
    let facts = fs::symlink_metadata(path).ok()?;
    let is_mine = facts.uid() == rustix::process::geteuid().as_raw();
    if !facts.is_file() || !is_mine || facts.len() > MOST {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Whether the runner that wrote it is there. A number that is this process's own was another's before.
fn is_alive(note: &Value) -> bool {
    let Some(pid) = note["pid"].as_u64() else {
        return false;
    };
    if pid == u64::from(std::process::id()) {
        return false;
    }
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0);
    words.any(|it| it == b"infer")
}

/// Ends the channels that notes name: what goes out, and the events.
pub(super) async fn end(notes: Vec<Value>, tls: Transport) {
    for note in notes {
        for name in ["publish_url", "events_url"] {
            let url = note[name].as_str().unwrap_or_default();
            if url.is_empty() || !matches!(Place::parse(url.to_owned()), Place::Trickle(_)) {
                continue;
            }
            let options = PublisherOptions {
                transport: tls.clone(),
                ..PublisherOptions::default()
            };
            let ended = match Publisher::connect(url, options) {
                Ok(publisher) => timeout(END_WITHIN, publisher.close()).await.is_ok(),
                Err(_) => false,
            };
            let what = if ended { "ended" } else { "could not be ended" };
            log(
                Level::Info,
                format_args!("a channel that was left behind {what}: {url}"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_of_a_process_that_lives_as_another_program_are_left_over() {
        let own = json!({"pid": std::process::id()});
        assert!(!is_alive(&own), "the number was another's before");
        assert!(!is_alive(&json!({"pid": 1})), "no runner");
        assert!(!is_alive(&json!({})));
    }

    #[test]
    fn a_note_is_written_whole_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("note.json");
        write(&path, &json!({"publish_url": "http://a/b"})).unwrap();
        assert_eq!(read(&path).unwrap()["publish_url"], "http://a/b");
        fs::write(&path, "{").unwrap();
        assert_eq!(read(&path), None);
    }

    #[test]
    fn the_newest_stream_has_the_contracts_place_and_each_forgets_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let note = |number: Number| json!({"pid": std::process::id(), "stream": number});
        keep(folder, 1, &note(1)).unwrap();
        keep(folder, 2, &note(2)).unwrap();
        assert_eq!(read(&first(folder)), Some(note(2)));
        assert_eq!(read(&own(folder, &json!(1))), Some(note(1)));
        forget(folder, 1).unwrap();
        assert_eq!(read(&first(folder)), Some(note(2)));
        forget(folder, 2).unwrap();
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
    }
}
