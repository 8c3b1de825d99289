//! What could not be done, and why.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{category::Category, task::TaskId};

/// Why it lies here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterKind {
    /// Two workers died with it in hand.
    Poison,
    /// It failed for good, or for the moment too often.
    Failed,
    /// The store does not take this row.
    RefusedRow,
}

/// A task, or a row of one, that was set aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Why, in one word.
    pub kind: LetterKind,
    /// Why, in one sentence.
    pub reason: String,
    /// Which task.
    pub task: TaskId,
    /// Its kind of work.
    pub category: Category,
    /// Its video, as shown to people.
    pub video_id: String,
    /// Its frame.
    pub frame_idx: Option<u64>,
    /// Its track.
    pub track_id: Option<u32>,
    /// How often it was begun.
    pub attempts: u32,
    /// The table and the row that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<(String, Map<String, Value>)>,
}
