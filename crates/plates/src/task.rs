//! Units of work, as they wait in the queue and travel to workers and back.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    bbox::BBox,
    category::Category,
    detection::{Cleaned, Plate, Reading, Vehicles},
    picture::Denoise,
    track::{TrackFrame, TrackStep},
    vote::{Final, Sample},
};

/// Unique in a run, increasing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub u64);

/// The pixels of a frame in the frame store: written once by a reader, read by workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FrameSlot {
    /// Which pool; a reader's, never used again after its end.
    pub pool: u32,
    /// Which slot of it.
    pub slot: u32,
    /// Pixels.
    pub width: u32,
    /// Pixels. Rows are `rgb24` without gaps.
    pub height: u32,
}

/// One unit of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Which.
    pub id: TaskId,
    /// What kind.
    pub category: Category,
    /// Higher is sooner.
    #[serde(default)]
    pub priority: i32,
    /// Which video, as shown to people.
    pub video_id: String,
    /// In decode order from 0.
    pub frame_idx: Option<u64>,
    /// Once a tracker gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track_id: Option<u32>,
    /// The frame whose pixels it needs; `video_id:frame_idx` is its reference for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<FrameSlot>,
    /// How often it was begun before.
    #[serde(default)]
    pub attempt: u32,
    /// What to do.
    pub payload: Payload,
    /// What every descendant carries: `video_path`, `video_filename`, `video_ts_frame`, `video_ts_ms`, `fps`, `global_id`, …
    #[serde(default)]
    pub meta: Map<String, Value>,
}

/// What a stage is given. Never a frame's pixels; those of one plate, where it was made clean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Payload {
    /// Finds vehicles in `Task::frame`.
    VehicleDetect,
    /// Looks at `Task::frame` from afar and finds no vehicles: where nobody asks for vehicles, and hard cuts matter all the
    /// same. Work of `vehicle_detect`, with its output.
    Look,
    /// Finds plates in a part of `Task::frame`.
    PlateDetect {
        /// Which part, in frame pixels; the whole frame where no vehicle was found.
        car_bbox: BBox,
    },
    /// Makes a part of `Task::frame` clean.
    PlateDenoise {
        /// Which part, in frame pixels: a plate with what is around it.
        crop_bbox: BBox,
        /// How.
        how: Denoise,
    },
    /// Reads a plate.
    Ocr {
        /// The part that was searched.
        car_bbox: BBox,
        /// The plate in it.
        plate: Plate,
        /// Say the crop, too.
        keep_crop: bool,
        /// What takes the place of a part of the frame.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cleaned: Option<Cleaned>,
    },
    /// Goes on tracking: frames in order, each once.
    VehicleTrack {
        /// The tracker as the last task of this video left it; null for the first.
        tracker: Value,
        /// The next frames.
        frames: Vec<TrackFrame>,
        /// They are the last: close every track.
        is_last: bool,
    },
    /// Votes over a track's samples.
    PlateSmooth {
        /// All that are kept of the track, in frame order.
        samples: Vec<Sample>,
        /// The track is over: what comes out is final.
        is_closing: bool,
    },
    /// Rolls a video up.
    Summary {
        /// The counts so far.
        counts: Value,
    },
    /// Writes rows.
    FinalWrite {
        /// `vehicles`, `tracks`, `track_motion`, `videos`, `video_summary`.
        table: String,
        /// Rows as maps of columns.
        records: Vec<Map<String, Value>>,
    },
    /// A stage of a user's own.
    Custom {
        /// Its name.
        name: String,
        /// What it is given.
        input: Value,
    },
}

/// What a stage found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Output {
    /// Of `vehicle_detect`.
    VehicleDetect(Vehicles),
    /// Of `plate_detect`, by falling confidence.
    PlateDetect {
        /// Relative to the part that was searched.
        plates: Vec<Plate>,
    },
    /// Of `plate_denoise`.
    PlateDenoise {
        /// None if no pixel of the frame shows the part, or if it is too large to be cleaned.
        cleaned: Option<Cleaned>,
    },
    /// Of `ocr`.
    Ocr(Reading),
    /// Of `vehicle_track`.
    VehicleTrack {
        /// For the next task of this video.
        tracker: Value,
        /// One a frame.
        steps: Vec<TrackStep>,
    },
    /// Of `plate_smooth`.
    PlateSmooth {
        /// None with too few samples, or with samples that disagree.
        r#final: Option<Final>,
        /// More readings would not change it.
        is_certain: bool,
        /// The readings are of two vehicles, the second one from this frame on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        split_at: Option<u64>,
    },
    /// Of `summary`.
    Summary {
        /// The row.
        record: Map<String, Value>,
    },
    /// Of `final_write`.
    FinalWrite {
        /// Rows that are stored for good, in the store or in its outbox.
        written: u64,
        /// Rows that the store refused, each with the reason.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        refused: Vec<Refused>,
    },
    /// Of a stage of a user's own.
    Custom {
        /// What it says.
        output: Value,
    },
}

/// A row that a store does not take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// Which table.
    pub table: String,
    /// The row.
    pub record: Map<String, Value>,
    /// One sentence.
    pub reason: String,
}

/// Why a task was not done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// One sentence.
    pub reason: String,
    /// It may do another time: a database that is away, a file that cannot be read now.
    pub is_transient: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_small_however_large_its_frame_is() {
        let task = Task {
            id: TaskId(u64::MAX),
            category: Category::VehicleDetect,
            priority: i32::MAX,
            video_id: "2025_1116_115002_000153F".into(),
            frame_idx: Some(u64::MAX),
            track_id: None,
            frame: Some(FrameSlot {
                pool: u32::MAX,
                slot: u32::MAX,
                width: 16_384,
                height: 16_384,
            }),
            attempt: u32::MAX,
            payload: Payload::VehicleDetect,
            meta: Map::new(),
        };
        // Its pixels stay in the memory that the slot names.
        assert!(serde_json::to_vec(&task).unwrap().len() < 512);
    }
}
