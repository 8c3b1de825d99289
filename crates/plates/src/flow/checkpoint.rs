//! What is kept of a video so that a later run goes on where this one ended.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    VideoFacts,
    counts::Counts,
    join::Resting,
    ledger::{Ledger, Write},
    lineage::Lineages,
    machine::Flow,
    plan::Planner,
    rows::Record,
    settings::FlowSettings,
    view::{Moment, View},
};

/// Of the state's layout: one of another version is not read.
const VERSION: u32 = 1;

/// All there is to know of the frames that are settled; nothing in it comes from a later frame.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Settled {
    /// The last one.
    pub last: Option<Moment>,
    /// How many.
    pub seq: u64,
    /// Frames a second, as the container says.
    pub fps: Option<f64>,
    /// After the last one, or, between two checkpoints, after an earlier one.
    pub tracker: Value,
    pub lineages: Lineages,
    pub resting: Resting,
    /// The tracks after each of the last frames, newest last.
    views: VecDeque<Vec<View>>,
    pub planner: Planner,
    /// Rows of `vehicles` that wait for an older one of theirs, by vehicle: the newest of each.
    #[serde(default)]
    pub behind: BTreeMap<u32, Record>,
    pub ledger: Ledger,
    pub counts: Counts,
    /// When the first run began with it, in ms since 1970.
    #[serde(default)]
    pub begun_ms: Option<i64>,
    /// What workers took for tasks, in microseconds by category.
    #[serde(default)]
    pub stage_us: BTreeMap<String, u64>,
    /// The frame of the last checkpoint.
    pub checkpoint_frame: u64,
}

impl Settled {
    /// Keeps what plans may know after this frame.
    pub(super) fn look(&mut self, lag: usize) {
        self.views.push_back(self.lineages.views());
        while self.views.len() > lag {
            self.views.pop_front();
        }
    }

    /// The tracks as they were `lag` frames before the one that has `ahead` unsettled frames before it.
    pub(super) fn view(&self, lag: usize, ahead: usize) -> &[View] {
        let newer = lag.saturating_sub(1 + ahead);
        let at = self.views.len().checked_sub(1 + newer);
        at.map_or(&[], |at| &self.views[at])
    }
}

#[derive(Serialize, Deserialize)]
struct Checkpoint {
    version: u32,
    content_sha256: String,
    settings_hash: String,
    settled: Settled,
    /// Rows that no store had taken yet.
    unwritten: Vec<Write>,
}

/// A checkpoint cannot be gone on from. The video is done from its beginning instead: its records come out the same.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It is none, or a damaged one.
    #[error(
        "reading the checkpoint of `{video_id}` failed: {reason}; the video is read from its beginning"
    )]
    Unreadable {
        /// Of which video.
        video_id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is of another file, of other settings or of another version of this program.
    #[error(
        "the checkpoint of `{video_id}` has another {what}; the video is read from its beginning"
    )]
    Other {
        /// Of which video.
        video_id: String,
        /// What differs.
        what: &'static str,
    },
}

impl Flow {
    /// What [`resume`](Self::resume) needs.
    pub(super) fn state(&self) -> Value {
        let it = Checkpoint {
            version: VERSION,
            content_sha256: self.video.content_sha256.clone(),
            settings_hash: self.video.settings_hash.clone(),
            settled: self.settled.clone(),
            unwritten: self.unwritten().cloned().collect(),
        };
        serde_json::to_value(it).unwrap_or_default()
    }

    /// Goes on from a checkpoint. Says the first frame that is wanted, too: frames before it are settled.
    ///
    /// # Errors
    /// When the state is damaged, or of another file or other settings.
    pub fn resume(
        video: VideoFacts,
        settings: Arc<FlowSettings>,
        checkpoint: &Value,
    ) -> Result<(Self, u64), CheckpointError> {
        let video_id = video.video_id.clone();
        let it = match Checkpoint::deserialize(checkpoint) {
            Ok(it) => it,
            Err(e) => {
                let reason = e.to_string();
                return Err(CheckpointError::Unreadable { video_id, reason });
            }
        };
        let differs = [
            (it.version != VERSION, "version"),
            (it.content_sha256 != video.content_sha256, "content"),
            (it.settings_hash != video.settings_hash, "hash of settings"),
        ];
        if let Some((_, what)) = differs.into_iter().find(|(is_other, _)| *is_other) {
            return Err(CheckpointError::Other { video_id, what });
        }
        let wanted = it
            .settled
            .last
            .map_or(0, |it| it.frame_idx.saturating_add(1));
        let mut flow = Self::of(video, settings, it.settled);
        flow.write(it.unwritten);
        flow.write_behind();
        Ok((flow, wanted))
    }
}
