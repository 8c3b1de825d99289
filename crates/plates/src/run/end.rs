//! How a run came out.

use serde::{Deserialize, Serialize};

use super::{ids::VideoNo, input::Signal};
use crate::{
    category::Category,
    flow::{VideoEnd, VideoStatus},
    task::TaskId,
};

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Every video is done.
    Done,
    /// Someone asked for it.
    Stopped(Signal),
    /// It cannot go on (a model that does not load, no memory for frames): one sentence.
    CannotGoOn(String),
}

/// A task that was open at the end. With a checkpoint, the next run does it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// Which.
    pub task: TaskId,
    /// Its kind of work.
    pub category: Category,
    /// Its video, as shown to people.
    pub video_id: String,
    /// Its frame.
    pub frame_idx: Option<u64>,
}

/// How a run came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunEnd {
    /// Why it ended.
    pub why: Why,
    /// All videos that came to an end, in the order of the list.
    pub videos: Vec<(VideoNo, VideoEnd)>,
    /// Videos that were not begun.
    pub not_begun: u64,
    /// Tasks and rows that were set aside.
    pub dead_letters: u64,
    /// Tasks that were open; none after a clean end.
    pub unfinished: Vec<Unfinished>,
}

impl RunEnd {
    /// 0 done, 1 a video or a task failed, 3 could not go on, 130 and 143 interrupted. A video that could be read only in
    /// part fails a run that is `strict`.
    #[must_use]
    pub fn exit_code(&self, strict: bool) -> u8 {
        let has = |status| self.videos.iter().any(|(_, end)| end.status == status);
        match &self.why {
            Why::CannotGoOn(_) => 3,
            Why::Stopped(Signal::Interrupt) => 130,
            Why::Stopped(Signal::Terminate) => 143,
            Why::Done => u8::from(
                has(VideoStatus::Failed)
                    || (strict && has(VideoStatus::Partial))
                    || self.dead_letters > 0
                    || !self.unfinished.is_empty(),
            ),
        }
    }
}
