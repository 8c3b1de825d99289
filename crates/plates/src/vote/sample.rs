//! What a vote is held over, and what comes out.

use serde::{Deserialize, Serialize};

use crate::{bbox::BBox, detection::Reading};

/// One reading of one track.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Where it was read.
    pub frame_idx: u64,
    /// Presentation time in ms.
    pub ts_ms: Option<f64>,
    /// The vehicle in frame pixels.
    pub car_bbox: BBox,
    /// The plate in frame pixels.
    pub plate_bbox: BBox,
    /// The plate's confidence, 0 to 1.
    pub plate_conf: f32,
    /// What was read.
    pub reading: Reading,
}

/// A distinct text among the samples of a track.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// As it was read.
    pub text: String,
    /// Samples with it.
    pub samples: u32,
    /// Their weight together.
    pub weight: f64,
}

/// What a track's readings came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Final {
    /// The plate.
    pub text: String,
    /// As voted, before look-alikes were corrected by a format.
    pub raw_text: String,
    /// Agreement: the winners' weight over all weight, mean over the characters; 0 to 1.
    pub conf: f64,
    /// Below the threshold for a plate that is certain.
    pub is_uncertain: bool,
    /// How many.
    pub samples: u32,
    /// First and last of them.
    pub frames: [u64; 2],
    /// The sample that shows it best.
    pub best: Sample,
    /// All distinct texts, heaviest first.
    pub readings: Vec<Variant>,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A reading off a plate of 120 × 40 pixels.
    pub(crate) fn sample(frame_idx: u64, text: &str, conf: f32) -> Sample {
        Sample {
            frame_idx,
            ts_ms: None,
            car_bbox: BBox::from([0.0, 0.0, 400.0, 300.0]),
            plate_bbox: BBox::from([100.0, 200.0, 220.0, 240.0]),
            plate_conf: 0.8,
            reading: Reading {
                text: text.to_owned(),
                conf,
                ..Reading::default()
            },
        }
    }
}
