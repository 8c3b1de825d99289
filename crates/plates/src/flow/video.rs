//! What a flow is told.

use serde::{Deserialize, Serialize};

use super::{FileTimes, FlowOutput, Key, Taken};
use crate::{
    category::Category,
    task::{Failure, FrameSlot, Output},
};

/// What is known of a video before its first frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoFacts {
    /// As shown to people; unique in a run.
    pub video_id: String,
    /// Where it was read, exactly as found.
    pub path: String,
    /// The last part of `path`.
    pub filename: String,
    /// Of the file.
    pub size_bytes: u64,
    /// Of the file, in hexadecimal: records are keyed by it.
    pub content_sha256: String,
    /// Of all settings that can change a record, in hexadecimal: records are keyed by it.
    pub settings_hash: String,
    /// Which run reads it; for people.
    pub run_id: String,
    /// Of the file, and of this run's work on it.
    pub times: FileTimes,
}

/// A sampled frame whose pixels lie in the frame store. The flow holds it until it says [`FlowOutput::Release`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrameArrived {
    /// In decode order from 0; greater than that of every frame before.
    pub frame_idx: u64,
    /// Presentation time in ms; none where the container has none.
    pub ts_ms: Option<f64>,
    /// Frames a second of the video, as its container says; none where it says nothing.
    pub fps: Option<f64>,
    /// Its pixels.
    pub slot: FrameSlot,
}

/// How reading a video ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceStatus {
    /// Every frame was read.
    Complete,
    /// Some could not be read: it is truncated or corrupt.
    Partial,
    /// Not one frame could be read.
    Failed,
    /// The run stops: what was delivered is to be settled, written and kept in a checkpoint; open tracks stay open, and
    /// there is no summary.
    Stopped,
}

/// How reading a video ended, with counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceEnd {
    /// How.
    pub status: SourceStatus,
    /// One sentence where it is not complete.
    pub reason: Option<String>,
    /// Frames that were decoded, sampled or not, from the video's beginning.
    pub decoded: u64,
    /// Frames or packets that could not be decoded.
    pub failed: u64,
    /// As the container says it.
    pub fps: Option<f64>,
    /// Of the video, as far as known.
    pub duration_ms: Option<f64>,
    /// Of the file when its reader ended: another one than before, where it was still written or was cut off meanwhile.
    #[serde(default)]
    pub size_bytes: Option<u64>,
}

/// The decisions about one video. Pure: neither clock nor file. What it says depends on the order of frames alone, never on
/// the order in which results come in.
///
/// After every call, [`next`](Self::next) is called until it says none.
pub trait VideoFlow {
    /// A reader opened the file: before its first frame, and again whenever it is opened anew.
    fn opened(&mut self, taken: Taken);

    /// A worker had a task of this video in hand for so many microseconds. It changes no record but the time that stages took.
    fn spent(&mut self, category: Category, micros: u64);

    /// A frame arrived. Frames come in order.
    fn frame(&mut self, frame: FrameArrived);

    /// A sampled frame that will never come.
    fn lost(&mut self, frame_idx: u64);

    /// What came of a task that was spawned as `key`: exactly once for each. A failure is for good.
    fn done(&mut self, key: Key, outcome: Result<Output, Failure>);

    /// No frame comes any more.
    fn ended(&mut self, end: SourceEnd);

    /// Some seconds have passed since the last [`FlowOutput::Checkpoint`]: one is wanted as soon as there is a frame up to
    /// which everything is written.
    fn want_checkpoint(&mut self);

    /// What to do next.
    fn next(&mut self) -> Option<FlowOutput>;
}
