//! What a runner that was killed leaves behind: channels that nobody ends. The next one does (runner contract §2.1).
//!
//! Each stream of the runner's route is noted in a file of the system's temporary folder. A runner that starts reads
//! these notes, ends the channels they name, and takes them away; notes of a runner that lives are its own.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use framerill_trickle::http::client::{Publisher, PublisherOptions, Transport};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::asked::{Asked, Place};
use crate::log::{Level, log};

/// The contract's name, for the first seat; others have a number.
const NAME: &str = "ai_runner_last_params";
/// Seats whose notes are looked for.
const SEATS: usize = 1024;
/// Bytes of a note that are read.
const MOST: u64 = 32 << 20;
/// How long a channel may take to be ended.
const END_WITHIN: Duration = Duration::from_secs(5);

fn path(seat: usize) -> PathBuf {
    let name = match seat {
        0 => format!("{NAME}.json"),
        seat => format!("{NAME}.{seat}.json"),
    };
    std::env::temp_dir().join(name)
}

/// Notes a stream; to be run where waiting does no harm.
pub(super) fn keep(seat: usize, asked: &Asked) -> impl FnOnce() + Send + 'static {
    let note = json!({
        "subscribe_url": asked.source.as_text(), "publish_url": asked.sink.as_text(),
        "control_url": asked.control_url, "events_url": asked.events_url,
        "params": asked.params.clone().unwrap_or_default(), "request_id": asked.ids.request,
        "manifest_id": asked.ids.manifest, "stream_id": asked.ids.stream, "pid": std::process::id(),
    });
    move || {
        if let Err(error) = write(&path(seat), &note) {
            log(
                Level::Warning,
                format_args!("the stream could not be noted: {error}"),
            );
        }
    }
}

/// Anew, and for this user only: nobody else chooses what is written to.
fn write(path: &Path, note: &Value) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, note.to_string().as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The stream ended in order.
pub(super) fn forget(seat: usize) -> impl FnOnce() + Send + 'static {
    // One that is not there is as good.
    move || drop(fs::remove_file(path(seat)))
}

/// Notes of runners that live no more, taken away. It blocks.
pub(super) fn take() -> Vec<Value> {
    let mut notes = Vec::new();
    for seat in 0..SEATS {
        let path = path(seat);
        match read(&path) {
            Some(note) if !is_alive(&note) => {
                // Whoever takes it away ends the channels.
                if fs::remove_file(&path).is_ok() {
                    notes.push(note);
                }
            }
            Some(_) => {}
            None if seat == 0 => {}
            None => break,
        }
    }
    notes
}

fn read(path: &Path) -> Option<Value> {
    let facts = fs::symlink_metadata(path).ok()?;
    if !facts.is_file() || facts.len() > MOST {
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
            if url.is_empty() || !matches!(place(url), Place::Trickle(_)) {
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

fn place(text: &str) -> Place {
    if text.contains("://") {
        Place::Trickle(text.to_owned())
    } else {
        Place::File(text.into())
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
}
