//! What media tells of a source.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What media found in the source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SourceInfo {
    /// FFmpeg's name of the demuxer.
    pub container: String,
    /// What the worker sees, pixels.
    pub width: u32,
    /// What the worker sees, pixels.
    pub height: u32,
    /// Of the source, upright.
    pub source_width: u32,
    /// Of the source, upright.
    pub source_height: u32,
    /// Average frames a second as a fraction; zero when unknown.
    pub fps: [u32; 2],
    /// Seconds.
    #[serde(default)]
    pub duration: Option<f64>,
    /// An estimate.
    #[serde(default)]
    pub frames: Option<u64>,
    /// The sound, when there is some.
    #[serde(default)]
    pub audio: Option<SourceAudio>,
    /// Clockwise degrees that were undone.
    #[serde(default)]
    pub rotation: u32,
    /// FFmpeg's name of the pictures' codec, where it is known.
    #[serde(default)]
    pub video: Option<String>,
    /// When and where it was taken, where a reader was asked for it and the file says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Box<Taken>>,
}

/// The most places that a `ready` tells: they fit into one message.
pub const MAX_PLACES: usize = 8000;

/// Ms from the video's beginning, degrees north and east (WGS 84), metres a second over ground, degrees clockwise from north.
pub type TakenAt = (f64, f64, f64, Option<f64>, Option<f64>);

/// When and where a recording was taken, by its own word.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Taken {
    /// The container's time of creation as it is written there, at most 64 bytes.
    pub created: Option<String>,
    /// Where the camera was, in the order of the video, at most 8000.
    pub places: Vec<TakenAt>,
}

/// The sound of a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SourceAudio {
    /// FFmpeg's name of the codec.
    pub codec: String,
    /// Samples a second.
    pub rate: u32,
    /// Channels.
    pub channels: u32,
}
