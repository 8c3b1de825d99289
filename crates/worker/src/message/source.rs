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
