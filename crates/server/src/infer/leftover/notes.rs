//! The notes of this runner, kept on a thread of their own: a disk that stalls holds up nobody.

use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::note::{first, is_alive, is_own, note, own, read, turn, write};
use crate::{
    failure::Failure,
    infer::{asked::Asked, engine::Number},
    log::{Level, log},
};

/// The last notes have this long.
const REST_WITHIN: Duration = Duration::from_millis(200);

/// Notes the streams of this runner. Dropped, it lets the last notes go, unless the disk stalls.
pub(in crate::infer) struct Notes(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    wanted: Wanted,
    is_writing: bool,
    is_over: bool,
}

/// What is still to be done, by stream: a note, or none any more. It holds the streams that run and those that were
/// noted, and so never more than the disk does: nothing of it is dropped.
#[derive(Debug, Default)]
struct Wanted(BTreeMap<Number, Option<Value>>);

impl Wanted {
    fn keep(&mut self, number: Number, note: Value) {
        self.0.insert(number, Some(note));
    }

    fn forget(&mut self, number: Number) {
        // What is not written yet needs no more.
        if !matches!(self.0.remove(&number), Some(Some(_))) {
            self.0.insert(number, None);
        }
    }

    /// In the order in which streams began.
    fn next(&mut self) -> Option<(Number, Option<Value>)> {
        self.0.pop_first()
    }
}

impl Notes {
    pub(in crate::infer) fn start() -> Result<Self, Failure> {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        let write = move || writer.write(&std::env::temp_dir());
        let started = thread::Builder::new().name("notes".into()).spawn(write);
        started.map(|_| Self(shared)).map_err(|error| {
            Failure::cannot_start("thread", format!("cannot start a thread: {error}"))
        })
    }

    /// A stream begins.
    pub(in crate::infer) fn keep(&self, number: Number, asked: &Asked) {
        let note = note(number, asked);
        self.0.lock().wanted.keep(number, note);
        self.0.changed.notify_all();
    }

    /// It ended in order.
    pub(in crate::infer) fn forget(&self, number: Number) {
        self.0.lock().wanted.forget(number);
        self.0.changed.notify_all();
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_over = true;
        self.0.changed.notify_all();
        let is_busy = |state: &mut State| state.is_writing || !state.wanted.0.is_empty();
        let rest = self
            .0
            .changed
            .wait_timeout_while(state, REST_WITHIN, is_busy);
        if rest.is_ok_and(|(_, waited)| waited.timed_out()) {
            log(
                Level::Warning,
                "notes of streams that ended may be left: the disk is too slow",
            );
        }
    }
}

impl Shared {
    fn write(&self, folder: &Path) {
        while let Some((number, wanted)) = self.next() {
            let (done, what) = match wanted {
                Some(note) => (keep(folder, number, &note), "noted"),
                None => (forget(folder, number), "forgotten"),
            };
            if let Err(error) = done {
                log(
                    Level::Warning,
                    format_args!("stream {number} cannot be {what}: {error}"),
                );
            }
        }
    }

    fn next(&self) -> Option<(Number, Option<Value>)> {
        let mut state = self.lock();
        state.is_writing = false;
        self.changed.notify_all();
        loop {
            if let Some(next) = state.wanted.next() {
                state.is_writing = true;
                return Some(next);
            }
            if state.is_over {
                return None;
            }
            let woken = self.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep(folder: &Path, number: Number, note: &Value) -> io::Result<()> {
    let _turn = turn();
    let first = first(folder);
    match read(&first) {
        // The stream before is still on its way out.
        Some(before) if is_own(&before) => fs::rename(&first, own(folder, &before["stream"]))?,
        Some(other) if is_alive(&other) => return write(&own(folder, &json!(number)), note),
        _ => {}
    }
    write(&first, note)
}

fn forget(folder: &Path, number: Number) -> io::Result<()> {
    let _turn = turn();
    let number = json!(number);
    for place in [own(folder, &number), first(folder)] {
        let is_it = |note: &Value| is_own(note) && note["stream"] == number;
        if read(&place).is_some_and(|note| is_it(&note)) {
            fs::remove_file(place)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::note::sign, *};

    fn signed(number: Number) -> Value {
        let mut note = json!({});
        sign(&mut note, number);
        note
    }

    #[test]
    fn the_newest_stream_has_the_contracts_place_and_each_forgets_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        keep(folder, 1, &signed(1)).unwrap();
        keep(folder, 2, &signed(2)).unwrap();
        assert_eq!(read(&first(folder)), Some(signed(2)));
        assert_eq!(read(&own(folder, &json!(1))), Some(signed(1)));
        forget(folder, 1).unwrap();
        assert_eq!(read(&first(folder)), Some(signed(2)));
        forget(folder, 2).unwrap();
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
    }

    #[test]
    fn a_disk_that_stalls_loses_no_end_of_a_stream() {
        let mut wanted = Wanted::default();
        wanted.keep(0, signed(0));
        // The disk stalls over the first.
        wanted.next();
        for number in 1..10_000 {
            wanted.keep(number, signed(number));
            wanted.forget(number);
        }
        wanted.forget(0);
        wanted.keep(10_000, signed(10_000));
        assert_eq!(wanted.next(), Some((0, None)));
        assert_eq!(wanted.next(), Some((10_000, Some(signed(10_000)))));
        assert_eq!(wanted.next(), None);
    }

    #[test]
    fn the_last_notes_are_written_before_a_runner_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let shared = Arc::new(Shared::default());
        let (writer, into) = (Arc::clone(&shared), folder.path().to_owned());
        let writing = thread::spawn(move || writer.write(&into));
        let notes = Notes(shared);
        notes.0.lock().wanted.keep(1, signed(1));
        notes.0.lock().wanted.keep(2, signed(2));
        drop(notes);
        writing.join().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
