//! A video before it is read: its content, whether it is done, where to go on.

use std::{
    collections::BTreeSet,
    fs,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use framerill_plates::{
    flow::{self, FlowSettings, VideoFacts},
    run::Prepared,
    store::Store,
};
use serde_json::Value;

use super::{inputs::Video, reader::look, workdir};

/// What decides about a video.
pub(super) type Flow = flow::Flow;

/// Words for a video that needs nothing done.
const DONE: [&str; 2] = ["complete", "partial"];

/// What all looks of a run share.
#[derive(Debug)]
pub(super) struct Looks {
    pub(super) flow: Arc<FlowSettings>,
    pub(super) settings_hash: String,
    pub(super) run_id: String,
    /// Read what is done once more.
    pub(super) force: bool,
    pub(super) checkpoints: PathBuf,
    /// None where the database cannot be asked.
    pub(super) store: Option<Arc<Store>>,
    /// Contents that this run has begun.
    pub(super) begun: Mutex<BTreeSet<String>>,
}

/// What came of a look.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) prepared: Prepared<Flow>,
    /// The open file and its content's hash, where it is to be read.
    pub(super) file: Option<(OwnedFd, String)>,
    pub(super) notes: Vec<String>,
}

impl Looks {
    /// Reads the file for its hash and asks the database. Takes as long as that takes.
    pub(super) fn look(&self, video: &Video) -> Looked {
        let mut notes = Vec::new();
        let of = |prepared, notes| Looked {
            prepared,
            file: None,
            notes,
        };
        let looked = match look(&video.path) {
            Ok(looked) => looked,
            Err(failure) => return of(Prepared::Failed(failure.to_string()), notes),
        };
        let content = looked.content_sha256;
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
        } else if self.is_done(&content) {
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
        };
        let resumed = read(&checkpoint).and_then(|state| {
            let resumed = Flow::resume(facts.clone(), Arc::clone(&self.flow), &state);
            resumed.map_err(|error| notes.push(error.to_string())).ok()
        });
        let (flow, from) = resumed.unwrap_or_else(|| (Flow::new(facts, Arc::clone(&self.flow)), 0));
        if from > 0 {
            notes.push(format!("`{shown}` goes on at frame {from}"));
        }
        Looked {
            prepared: Prepared::Read { flow, from },
            file: Some((looked.file, content)),
            notes,
        }
    }

    fn is_done(&self, content: &str) -> bool {
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
            status.is_some_and(|it| DONE.contains(&it))
        };
        rows.iter().any(is_done)
    }

    /// Where a content's checkpoint lies.
    fn checkpoint(&self, content: &str) -> PathBuf {
        let settings = self.settings_hash.get(..16).unwrap_or(&self.settings_hash);
        self.checkpoints.join(format!("{content}-{settings}.json"))
    }

    /// Keeps where a later run goes on.
    pub(super) fn keep(&self, content: &str, state: &Value) -> std::io::Result<()> {
        let bytes = serde_json::to_vec(state).unwrap_or_default();
        workdir::replace(&self.checkpoint(content), &bytes)
    }

    /// A video that is over needs no checkpoint.
    pub(super) fn drop_checkpoint(&self, content: &str) {
        // There may be none.
        drop(fs::remove_file(self.checkpoint(content)));
    }
}

fn read(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
