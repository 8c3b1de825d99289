//! How media keeps a live stream going.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FillerPicture;

/// How a live stream is kept going.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LivePlan {
    /// Frames a second at most, by their pts; 0 takes all.
    pub max_fps: f64,
    /// What is held where nobody finished a picture: while the worker is late, reloading or gone.
    pub on_worker_loss: FillerPicture,
    /// Seconds without a finished picture after which an overlay is drawn over the filler.
    pub overlay_after: f64,
    /// An earlier media process wrote the stream up to here.
    pub resume: Option<Resume>,
}

impl Default for LivePlan {
    fn default() -> Self {
        Self {
            max_fps: 24.0,
            on_worker_loss: FillerPicture::default(),
            overlay_after: 1.0,
            resume: None,
        }
    }
}

/// Where an earlier media process left a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resume {
    /// The newest pts that was written, in ticks of 1/90000 s: pictures up to it are decoded and not shown again.
    pub after: i64,
    /// What was added to the source's times, in the same ticks.
    pub offset: i64,
    /// Ids of frames begin here.
    pub frame: u64,
}
