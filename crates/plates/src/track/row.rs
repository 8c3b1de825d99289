//! What a tracker is given and what it says, frame by frame.

use serde::{Deserialize, Serialize};

use crate::{
    bbox::BBox,
    detection::{Reading, Thumbnail, VehicleClass},
};

/// What one frame says of one vehicle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The vehicle in frame pixels; where only a plate was found, a box around it.
    pub car_bbox: BBox,
    /// Of the vehicle, or of the plate where only that was found; 0 to 1.
    pub conf: f32,
    /// None where only a plate was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<VehicleClass>,
    /// Its plate, in frame pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plate_bbox: Option<BBox>,
    /// The plate's confidence, 0 to 1.
    #[serde(default)]
    pub plate_conf: f32,
    /// What was read off it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<Reading>,
}

/// All that is known of one frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrackFrame {
    /// In decode order from 0.
    pub frame_idx: u64,
    /// Presentation time in ms; none where the container has none.
    pub ts_ms: Option<f64>,
    /// Frames a second of the video; 30 where it says nothing.
    pub fps: f64,
    /// Width and height of the frame in pixels.
    pub size: [u32; 2],
    /// The frame from afar.
    pub thumbnail: Thumbnail,
    /// By falling confidence.
    pub items: Vec<Item>,
}

/// One row of `track_motion` (contract §11).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MotionRow {
    /// From 1 in each video, never used twice.
    pub track_id: u32,
    /// In decode order from 0.
    pub frame_idx: u64,
    /// Presentation time in ms.
    pub video_ts_ms: Option<f64>,
    /// In frame pixels.
    pub bbox: BBox,
    /// Pixels.
    pub bbox_w: f32,
    /// Pixels.
    pub bbox_h: f32,
    /// Square pixels.
    pub bbox_area: f32,
    /// Change of area in square pixels a second.
    pub scale_rate: f64,
    /// Area over the previous area; 1 if there is none.
    pub scale_ratio: f64,
    /// Pixels a second, smoothed.
    pub vx: f64,
    /// Pixels a second, smoothed.
    pub vy: f64,
    /// Of the smoothed velocity, at most 3000. Not a speed on the road.
    pub speed_px_s: f64,
    /// atan2(vy, vx) in degrees, image axes; 0 at rest.
    pub heading_deg: f64,
    /// Frames in which it was seen, from 1.
    pub age_frames: u32,
    /// Confidence, 0 to 1.
    pub conf: f32,
    /// First row of its track.
    pub is_new: bool,
}

/// What one frame came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrackStep {
    /// Track of each item, in the order of the frame's items; none for one that belongs to no track (yet).
    pub tracks: Vec<Option<u32>>,
    /// Of confirmed tracks; a track's earlier rows come with its confirmation.
    pub rows: Vec<MotionRow>,
    /// Tracks that are over with this frame: nothing is added to them any more.
    pub closed: Vec<u32>,
    /// The picture changed from one frame to the next as in a hard cut.
    pub is_cut: bool,
    /// Items of earlier frames, of which nothing was known yet, that belong to tracks confirmed in this frame.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Earlier>,
}

/// An item of an earlier frame whose track was confirmed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// Of the item.
    pub frame_idx: u64,
    /// Which of that frame's items, from 0.
    pub item: usize,
    /// The track it belongs to.
    pub track_id: u32,
}
