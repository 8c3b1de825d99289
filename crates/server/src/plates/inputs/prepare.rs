//! A video before it is read: its content, whether it is done, where to go on.

use std::{
    collections::BTreeSet,
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use framerill_plates::{
    flow::{self, FileTimes, FlowSettings, VideoFacts},
    run::Prepared,
    store::Store,
};
use rustix::fs::fstat;
use serde_json::Value;

use super::{
    Video,
    download::{Downloads, Got},
};
use crate::plates::{
    log::Level,
    readers::reader::{look, open},
    run::workdir,
};

/// What decides about a video.
pub(in crate::plates) type Flow = flow::Flow;

/// Words for a video that needs nothing done.
const DONE: [&str; 2] = ["complete", "partial"];

/// What all looks of a run share.
#[derive(Debug)]
pub(in crate::plates) struct Looks {
    pub(in crate::plates) flow: Arc<FlowSettings>,
    pub(in crate::plates) settings_hash: String,
    pub(in crate::plates) run_id: String,
    /// Read what is done once more.
    pub(in crate::plates) force: bool,
    /// Vehicles have rows before they are over.
    pub(in crate::plates) is_live: bool,
    pub(in crate::plates) checkpoints: PathBuf,
    /// None where the database cannot be asked.
    pub(in crate::plates) store: Option<Arc<Store>>,
    /// The content that videos must have, where a queue says it.
    pub(in crate::plates) wanted: Option<String>,
    /// Videos at addresses.
    pub(in crate::plates) downloads: Downloads,
    /// Contents that this run has begun.
    pub(in crate::plates) begun: Mutex<BTreeSet<String>>,
}

/// What came of a look.
#[derive(Debug)]
pub(in crate::plates) struct Looked {
    pub(in crate::plates) prepared: Prepared<Flow>,
    /// The open file and its content's hash, where it is to be read.
    pub(in crate::plates) file: Option<(OwnedFd, String)>,
    pub(in crate::plates) notes: Vec<String>,
}

impl Looks {
    /// Downloads the video where it is at an address, reads the file for its hash and asks the database. Takes as long as
    /// that takes; none where the run was stopped meanwhile.
    pub(in crate::plates) fn look(
        &self,
        video: &Video,
        tell: &dyn Fn(Level, String),
    ) -> Option<Looked> {
        let of = |prepared, notes| {
            let file = None;
            Some(Looked {
                prepared,
                file,
                notes,
            })
        };
        let Some(url) = &video.url else {
            return Some(self.look_at(video, &video.path));
        };
        let is_done = |content: &str| !self.force && self.is_done(content, None);
        match self.downloads.get(url, is_done, self.force, tell) {
            Ok(Got::File(path)) => Some(self.look_at(video, &path)),
            Ok(Got::Done(note)) => of(Prepared::Skip, vec![note]),
            Err(_) if self.downloads.is_stopped() => None,
            Err(error) => of(Prepared::Failed(error.to_string()), Vec::new()),
        }
    }

    /// The same of a file of this machine.
    fn look_at(&self, video: &Video, path: &Path) -> Looked {
        let mut notes = Vec::new();
        let of = |prepared, notes| Looked {
            prepared,
            file: None,
            notes,
        };
        let looked = match look(path) {
            Ok(looked) => looked,
            Err(failure) => return of(Prepared::Failed(failure.to_string()), notes),
        };
        let content = looked.content_sha256;
        if self.wanted.as_ref().is_some_and(|it| *it != content) {
            let what = "it is not the file that was submitted: it changed since";
            return of(Prepared::Failed(what.into()), notes);
        }
        let is_new = {
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            begun.insert(content.clone())
        };
        let shown = video.path.display();
        if !is_new {
            notes.push(format!(
                "`{shown}` has the content of another video of this run"
            ));
            return of(Prepared::Skip, notes);
        }
        let checkpoint = self.checkpoint(&content);
        if self.force {
            drop(fs::remove_file(&checkpoint));
            let forgotten = self
                .store
                .as_ref()
                .map(|it| it.forget(&content, &self.settings_hash));
            if let Some(Err(error)) = forgotten {
                notes.push(format!(
                    "the rows of `{shown}` stay until they are replaced: {error}"
                ));
            }
        } else if self.is_done(&content, Some(looked.size_bytes)) {
            notes.push(format!(
                "`{shown}` is done and unchanged: `--force` reads it again"
            ));
            return of(Prepared::Skip, notes);
        }
        let facts = VideoFacts {
            video_id: video.video_id.clone(),
            path: video.path.to_string_lossy().into_owned(),
            filename: video.filename.clone(),
            size_bytes: looked.size_bytes,
            content_sha256: content.clone(),
            settings_hash: self.settings_hash.clone(),
            run_id: self.run_id.clone(),
            times: times(&looked.file),
        };
        let resumed = read(&checkpoint).and_then(|state| {
            let resumed = Flow::resume(facts.clone(), Arc::clone(&self.flow), &state);
            resumed.map_err(|error| notes.push(error.to_string())).ok()
        });
        let (flow, from) = resumed.unwrap_or_else(|| (Flow::new(facts, Arc::clone(&self.flow)), 0));
        let flow = if self.is_live { flow.live() } else { flow };
        if from > 0 {
            notes.push(format!("`{shown}` goes on at frame {from}"));
        }
        Looked {
            prepared: Prepared::Read { flow, from },
            file: Some((looked.file, content)),
            notes,
        }
    }

    /// Whether all of this content was read: a file that was cut off while it was read, or was still being written, had another
    /// size in the end than it has when it is whole.
    fn is_done(&self, content: &str, size_bytes: Option<u64>) -> bool {
        let rows = self
            .store
            .as_ref()
            .map(|it| it.videos(content, &self.settings_hash));
        // A database that is away says nothing: the video is read once more, and its rows come out the same.
        let Some(Ok(rows)) = rows else {
            return false;
        };
        let is_done = |row: &serde_json::Map<String, Value>| {
            let status = row.get("status").and_then(Value::as_str);
            let size = row.get("size").and_then(Value::as_u64);
            let is_whole = size.is_none() || size_bytes.is_none() || size == size_bytes;
            is_whole && status.is_some_and(|it| DONE.contains(&it))
        };
        rows.iter().any(is_done)
    }

    /// Where a content's checkpoint lies.
    fn checkpoint(&self, content: &str) -> PathBuf {
        let settings = self.settings_hash.get(..16).unwrap_or(&self.settings_hash);
        self.checkpoints.join(format!("{content}-{settings}.json"))
    }

    /// Keeps where a later run goes on.
    pub(in crate::plates) fn keep(&self, content: &str, state: &Value) -> io::Result<()> {
        // What cannot be written as JSON comes as null: the last checkpoint stays.
        if state.is_null() {
            return Err(io::Error::other("its state cannot be written as JSON"));
        }
        let bytes = serde_json::to_vec(state).map_err(io::Error::other)?;
        workdir::replace(&self.checkpoint(content), &bytes)
    }

    /// A video that is over needs no checkpoint.
    pub(in crate::plates) fn drop_checkpoint(&self, content: &str) {
        // There may be none.
        drop(fs::remove_file(self.checkpoint(content)));
    }
}

/// Endings of files beside a video that say where it was taken, as cameras and users write them, and whether they are
/// subtitles.
const BESIDE: [(&str, bool); 4] = [
    ("nmea", false),
    ("NMEA", false),
    ("srt", true),
    ("SRT", true),
];

/// The file beside a video that says where it was taken; whether it is subtitles.
pub(in crate::plates) fn beside(video: &Path) -> Option<(OwnedFd, bool)> {
    let mut files = BESIDE.into_iter().map(|(ending, is_subtitles)| {
        let file = open(&video.with_extension(ending)).ok()?;
        Some((file, is_subtitles))
    });
    files.find_map(|it| it)
}

/// Of the file, and of now.
#[expect(
    clippy::disallowed_methods,
    reason = "driver: says when, for records; decides nothing by it"
)]
fn times(file: &OwnedFd) -> FileTimes {
    let begun = SystemTime::now().duration_since(UNIX_EPOCH);
    let begun_ms = i64::try_from(begun.unwrap_or_default().as_millis()).unwrap_or(i64::MAX);
    let modified_ms = fstat(file).ok().and_then(|it| {
        let ms = it.st_mtime.checked_mul(1000)?;
        ms.checked_add(i64::try_from(it.st_mtime_nsec).ok()? / 1_000_000)
    });
    FileTimes {
        begun_ms,
        modified_ms,
    }
}

fn read(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
