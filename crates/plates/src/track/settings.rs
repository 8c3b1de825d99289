//! What the tracker goes by.

use serde::{Deserialize, Serialize};

use super::cut::SceneSettings;

/// Gates and limits of the tracker. Every one has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Overlap (IoU) with the predicted box from which an item may go on a track. Default 0.3.
    pub min_iou: f32,
    /// Distance of the centres in widths of the larger plate up to which an item without overlap may go on a track. Default 1.5.
    pub plate_reach: f32,
    /// The same for vehicles, in the square root of the larger area. Default 0.6.
    pub car_reach: f32,
    /// The same in either unit where the readings agree. Default 4.
    pub reading_reach: f32,
    /// A box may grow or shrink by this factor from one sight to the next. Default 2.
    pub max_growth: f32,
    /// Below this confidence an item goes on a track but starts none. Default 0.35.
    pub start_conf: f32,
    /// A reading with a weakest character of at least this is strong: it joins and forbids. Default 0.5.
    pub strong_conf: f32,
    /// A reading below this is not looked at. Default 0.3.
    pub weak_conf: f32,
    /// Texts shorter than this are not looked at. Default 4.
    pub min_len: usize,
    /// Strong readings this many edits apart are of two vehicles. Default 3.
    pub conflict_edits: usize,
    /// Texts up to this many edits apart agree. Default 1.
    pub agree_edits: usize,
    /// Frames in which a vehicle must be seen before its track counts. Default 2; 1 with `--min-samples 1`.
    pub confirm_hits: u32,
    /// Seconds of video without a sight after which a track is dead. Default 1.
    pub lost_s: f64,
    /// Seconds of video after its last sight in which an agreeing reading still brings back a dead track. Default 2.
    pub rejoin_s: f64,
    /// Tracks that are open at once; the one unseen for longest is closed for a new one. Default 128.
    pub max_open: usize,
    /// Items of a frame that are looked at, by falling confidence. Default 128.
    pub max_items: usize,
    /// Hard cuts and blank frames.
    pub scene: SceneSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            min_iou: 0.3,
            plate_reach: 1.5,
            car_reach: 0.6,
            reading_reach: 4.0,
            max_growth: 2.0,
            start_conf: 0.35,
            strong_conf: 0.5,
            weak_conf: 0.3,
            min_len: 4,
            conflict_edits: 3,
            agree_edits: 1,
            confirm_hits: 2,
            lost_s: 1.0,
            rejoin_s: 2.0,
            max_open: 128,
            max_items: 128,
            scene: SceneSettings::default(),
        }
    }
}
