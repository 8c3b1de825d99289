//! A note: a stream's request in a file, and which runner wrote it. All of it blocks.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};

use crate::infer::{asked::Asked, engine::Number};

/// The contract's name, without its end.
const NAME: &str = "ai_runner_last_params";
/// Bytes of a note that are read.
const MOST: u64 = 32 << 20;

/// Whoever looks at a note and then changes it has all of them to itself: two threads of this process do.
static TURN: Mutex<()> = Mutex::new(());

pub(super) fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The request as it came, and whose it is.
pub(super) fn note(number: Number, asked: &Asked) -> Value {
    let mut note = json!({
        "subscribe_url": asked.source.as_text(), "publish_url": asked.sink.as_text(),
        "control_url": asked.control_url.as_deref().unwrap_or_default(),
        "events_url": asked.events_url.as_deref().unwrap_or_default(),
        "params": asked.params.clone().unwrap_or_default(), "request_id": asked.ids.request,
        "manifest_id": asked.ids.manifest, "stream_id": asked.ids.stream,
    });
    sign(&mut note, number);
    note
}

/// Says whose it is: the number of a process comes again, in a container always; its start does not.
pub(super) fn sign(note: &mut Value, number: Number) {
    note["pid"] = json!(std::process::id());
    note["started"] = json!(started("self"));
    note["stream"] = json!(number);
}

/// When a process started: which boot, and how long after it.
fn started(process: &str) -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in brackets, may hold anything; the first field behind it is the third of proc(5).
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().nth(22 - 3)?;
    Some(format!("{}+{ticks}", boot.trim()))
}

pub(super) fn is_own(note: &Value) -> bool {
    note["pid"] == json!(std::process::id()) && note["started"] == json!(started("self"))
}

/// Whether the runner that wrote it is there.
pub(super) fn is_alive(note: &Value) -> bool {
    if is_own(note) {
        return true;
    }
    let Some(pid) = note["pid"].as_u64() else {
        return false;
    };
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0);
    words.any(|it| it == b"infer") && note["started"] == json!(started(&pid.to_string()))
}

/// The contract's place, unless it is another runner's that lives.
pub(super) fn first(folder: &Path) -> PathBuf {
    folder.join(format!("{NAME}.json"))
}

/// A place of this stream alone.
pub(super) fn own(folder: &Path, number: &Value) -> PathBuf {
    folder.join(format!("{NAME}.{}.{number}.json", std::process::id()))
}

/// All notes of a folder, whoever wrote them.
pub(super) fn all(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let named = fs::read_dir(folder).into_iter().flatten();
    let named = named.filter_map(|it| it.ok().map(|it| it.path()));
    named.filter(|path| {
        let name = path.file_name().map(|it| it.to_string_lossy().into_owned());
        name.is_some_and(|it| it.starts_with(NAME) && it.ends_with(".json"))
    })
}

/// Anew, and for this user only: nobody else chooses what is written to.
pub(super) fn write(path: &Path, note: &Value) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, note.to_string().as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// A note of this user: what others write is not believed.
pub(super) fn read(path: &Path) -> Option<Value> {
    let facts = fs::symlink_metadata(path).ok()?;
    let is_mine = facts.uid() == rustix::process::geteuid().as_raw();
    if !facts.is_file() || !is_mine || facts.len() > MOST {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_knows_its_own_notes_from_those_of_one_that_had_its_number() {
        let mut own = json!({});
        sign(&mut own, 1);
        assert!(is_own(&own) && is_alive(&own));
        own["started"] = json!("another boot+7");
        assert!(!is_own(&own) && !is_alive(&own));
    }

    #[test]
    fn notes_of_a_process_that_lives_as_another_program_are_left_over() {
        let no_runner = json!({"pid": 1, "started": started("1")});
        assert!(!is_alive(&no_runner));
        assert!(!is_alive(&json!({})));
    }

    #[test]
    fn a_side_channel_that_nobody_asked_for_is_an_empty_url() {
        let body = json!({
            "subscribe_url": "http://a/i", "publish_url": "http://a/o", "events_url": "http://a/e",
        });
        let asked = Asked::from_runner(body.to_string().as_bytes()).unwrap();
        let note = note(7, &asked);
        assert_eq!(
            (&note["control_url"], &note["events_url"]),
            (&json!(""), &json!("http://a/e"))
        );
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
