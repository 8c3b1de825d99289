//! What becomes of vehicles, for whoever wants to hear it while a video is read.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    VideoFacts,
    rows::{self, Record, Stamp},
};
use crate::vote::Final;

/// What happened to a vehicle. Each has one `New`, then any number of `Update`, then one `End` after which nothing comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// It has its number: its first row is written.
    New,
    /// Its plate has another text, or has become certain or uncertain.
    Update,
    /// It is over.
    End,
}

impl EventKind {
    /// As it is spelled on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Update => "update",
            Self::End => "end",
        }
    }
}

/// What a vehicle's end came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventOutcome {
    /// It has a row in `vehicles`.
    Plate,
    /// Its plate was seen and has no final text.
    Unreadable,
    /// No plate of it was seen.
    NoPlate,
    /// It turned out to be a part of another vehicle: rows that it has keep their number, and its plate is that one's.
    Joined,
}

/// Something that happened to a vehicle. What a video's events are, and their order, depends on its frames alone: a run that
/// goes on from a checkpoint says those after it once more, with the same ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VehicleEvent {
    /// Of this event of this vehicle of this content under these settings: one that comes twice has the same.
    pub id: String,
    /// What happened.
    pub event: EventKind,
    /// Of the file.
    pub content_sha256: String,
    /// As shown to people.
    pub video_id: String,
    /// As in all rows.
    pub track_id: u32,
    /// `video_id:track_id`.
    pub global_id: String,
    /// The frame that brought it about; it never goes back within a video.
    pub frame_idx: u64,
    /// Its presentation time in ms.
    pub ts_ms: f64,
    /// Frames in which the vehicle was seen first and last so far.
    pub seen: [u64; 2],
    /// Its plate as it is known now; null for none.
    pub text: Option<String>,
    /// Agreement of the readings, 0 to 1.
    pub conf: Option<f64>,
    /// The readings disagree.
    pub is_uncertain: bool,
    /// More readings would not change it. Always so at the end.
    pub is_certain: bool,
    /// At the end: what it came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<EventOutcome>,
    /// At the end, with a plate: its row of `vehicles`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Map<String, Value>>,
}

/// A plate as it is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Spoken {
    text: String,
    conf: f64,
    is_uncertain: bool,
    is_certain: bool,
}

impl Spoken {
    pub(super) fn of(plate: &Final, is_certain: bool) -> Self {
        Self {
            text: plate.text.clone(),
            conf: plate.conf,
            is_uncertain: plate.is_uncertain,
            is_certain,
        }
    }

    /// Nothing has changed that is worth telling: every reading moves the confidence a little.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        let of = |it: &Self| (it.is_uncertain, it.is_certain);
        self.text == other.text && of(self) == of(other)
    }
}

/// What was told of a vehicle so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    /// How many events.
    pub count: u32,
    /// Its plate.
    pub plate: Option<Spoken>,
}

/// What is to be told, before it is known of which video it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Happened {
    pub kind: EventKind,
    pub track_id: u32,
    /// Its number among those of its vehicle, from 0 on.
    pub count: u32,
    pub seen: [Stamp; 2],
    pub plate: Option<Spoken>,
    pub outcome: Option<EventOutcome>,
    pub record: Option<Record>,
}

impl Happened {
    /// The event, brought about by the frame `at`. `ts_ms` is that frame's time.
    pub(super) fn into_event(self, video: &VideoFacts, at: u64, ts_ms: f64) -> VehicleEvent {
        let part = |hash: &str| hash.chars().take(16).collect::<String>();
        let plate = self.plate.as_ref();
        VehicleEvent {
            id: format!(
                "{}-{}-{}-{}",
                part(&video.content_sha256),
                part(&video.settings_hash),
                self.track_id,
                self.count
            ),
            event: self.kind,
            content_sha256: video.content_sha256.clone(),
            video_id: video.video_id.clone(),
            track_id: self.track_id,
            global_id: rows::global_id(&video.video_id, self.track_id),
            frame_idx: at,
            ts_ms,
            seen: self.seen.map(|it| it.frame_idx),
            conf: plate.map(|it| it.conf).filter(|it| it.is_finite()),
            is_uncertain: plate.is_some_and(|it| it.is_uncertain),
            is_certain: plate.is_some_and(|it| it.is_certain),
            text: self.plate.map(|it| it.text),
            outcome: self.outcome,
            record: self.record,
        }
    }
}
