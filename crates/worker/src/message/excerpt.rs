//! One picture or a short clip out of a file: what media is to make, and what came of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ErrorReport;

/// What is taken out of a file. Media begins with the `load`, attaches to nobody, and says `done` when it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ExcerptPlan {
    /// One frame as a picture.
    Still(StillPlan),
    /// The frames around one, as an mp4.
    Clip(ClipPlan),
    /// Picture files, each decoded into a slot of a pool.
    Pictures(PicturesPlan),
}

/// Picture files, each decoded into a slot of a pool, for one start of a process. After each one media says `stats`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PicturesPlan {
    /// The source is all of them, one after the other.
    pub files: Vec<PictureFile>,
    /// Index of the descriptor that is written: the memory of the pool. Picture n lies in slot n as rgb24, rows without gaps.
    pub fd: u32,
    /// Bytes of a slot.
    pub slot_bytes: u32,
    /// Bytes of decoded pictures after which the rest of the files is left alone.
    pub most_bytes: u64,
}

/// One of many picture files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PictureFile {
    /// For messages.
    pub name: String,
    /// In bytes.
    pub length: u64,
}

/// Which frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Place {
    /// Its index in decode order. Without `seconds` the file is decoded from its beginning to find it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<u64>,
    /// When it is shown, as a reader told it. Found by the keyframe before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// One frame as a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StillPlan {
    /// Which one; the nearest where no frame is exactly there.
    pub at: Place,
    /// Index of the descriptor that is written.
    pub fd: u32,
    /// How it is packed.
    #[serde(default)]
    pub format: StillFormat,
    /// Drawn into it, in this order.
    #[serde(default)]
    pub boxes: Vec<DrawnBox>,
    /// Only this part of it: left, top, right, bottom in pixels, cut down to what is inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<[f64; 4]>,
    /// Scaled down to this longest side, where it is longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_side: Option<u32>,
}

/// How a still is packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StillFormat {
    /// Of high quality.
    #[default]
    Jpeg,
    /// Lossless.
    Png,
}

/// A rectangle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DrawnBox {
    /// Left, top, right, bottom in pixels of the whole frame, upright; what is outside is left out.
    pub bbox: [f64; 4],
    /// Red, green, blue.
    #[serde(default = "default_colour")]
    pub colour: [u8; 3],
    /// Of its lines, in pixels, inwards.
    #[serde(default = "default_thickness")]
    pub thickness: u32,
    /// In a clip: from when to when it is shown, in seconds of the file; none is always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<[f64; 2]>,
}

/// The frames around one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClipPlan {
    /// Which one. `seconds` is needed.
    pub at: Place,
    /// Seconds before it. A clip that is copied begins with the keyframe before that.
    pub before: f64,
    /// Seconds after it.
    pub after: f64,
    /// Index of the descriptor that is written: a file that can be sought in and read back.
    pub fd: u32,
    /// With `boxes` or a rotation: index of an empty file for what is written on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_fd: Option<u32>,
    /// Drawn into it: the clip is encoded anew then.
    #[serde(default)]
    pub boxes: Vec<DrawnBox>,
}

/// What was taken out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ExcerptStats {
    /// Pixels of what was written.
    pub width: u32,
    /// Pixels of what was written.
    pub height: u32,
    /// The frame that was asked for, or the nearest: when it is shown, in seconds of the file.
    pub seconds: Option<f64>,
    /// Its index, where it was counted or given.
    pub frame: Option<u64>,
    /// Frames of the clip.
    pub frames: u64,
    /// Of them, how many come before the one that was asked for.
    pub before: u64,
    /// Frames a second of the file as a fraction; zero when unknown.
    pub fps: [u32; 2],
    /// Nothing was encoded anew.
    pub is_copied: bool,
    /// Of `pictures`: one a file, in their order, as far as they were looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<PictureStats>,
}

/// What came of one of many pictures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PictureStats {
    /// Pixels; 0 when it could not be decoded.
    pub width: u32,
    /// Pixels; 0 when it could not be decoded.
    pub height: u32,
    /// Why it could not be decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<ErrorReport>>,
}

fn default_colour() -> [u8; 3] {
    [255, 220, 0]
}

fn default_thickness() -> u32 {
    3
}
