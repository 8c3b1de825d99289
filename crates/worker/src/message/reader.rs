//! A file that is read for its frames: what media is to deliver, and what came of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which frames of a recording are delivered, and into how much memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ReaderPlan {
    /// Every how many frames one is delivered: 0, n, 2n… by their index. 1 delivers all.
    pub every: u32,
    /// Nothing with a lower index is delivered. What was delivered before a resume is decoded again and left out.
    pub from: u64,
    /// Slots of the pool: as many frames are lent at once.
    pub slots: u32,
    /// Bytes that the pool may take; large pictures get fewer slots for it.
    pub max_bytes: u64,
    /// Decoding threads. Each holds pictures of its own.
    pub threads: u32,
    /// `ready` is to say when and where the recording was taken.
    pub taken: bool,
    /// A text that says where, used if the recording says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
}

/// A text beside a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Beside {
    /// Which of the descriptors that come with the request.
    pub fd: u32,
    /// Subtitles (SRT); else sentences of NMEA 0183.
    pub is_subtitles: bool,
}

impl Default for ReaderPlan {
    fn default() -> Self {
        Self {
            every: 1,
            from: 0,
            slots: 16,
            max_bytes: 256 << 20,
            threads: 1,
            taken: false,
            beside: None,
        }
    }
}

/// What a reader counts, and in `done` how it ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ReaderStats {
    /// How it ended.
    pub status: ReaderStatus,
    /// Why it is not `complete`, or what is wrong with a file that was read to its end: one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Frames that came out of the decoder. The next one has this index.
    pub decoded: u64,
    /// Frames that were delivered.
    pub delivered: u64,
    /// Packets that could not be decoded, and places that could not be read: frames that are missing.
    pub failed: u64,
    /// Frames of which the decoder made up a part. They are among `decoded`.
    pub concealed: u64,
    /// Frames of another size than the first, scaled to it.
    pub resized: u64,
    /// Frames without a time of their own.
    pub untimed: u64,
    /// Seconds that it waited for a free slot.
    pub waited: f64,
    /// It waits for a free slot now.
    pub is_waiting: bool,
    /// Average frames a second as a fraction; zero when unknown.
    pub fps: [u32; 2],
    /// Seconds, by the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    /// Seconds of the first frame that has a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_pts: Option<f64>,
    /// Seconds of the last frame that has a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_pts: Option<f64>,
    /// FFmpeg's name of the codec.
    pub codec: String,
    /// Clockwise degrees that were undone.
    pub rotation: u32,
    /// Video streams of the file; the first one is read.
    pub video_streams: u32,
    /// Codes of its data streams (e.g. `gpmd`, which holds positions), subtitles among them.
    pub data_streams: Vec<String>,
}

/// How a reader ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReaderStatus {
    /// It has not.
    #[default]
    Reading,
    /// Read to the end that the file has.
    Complete,
    /// Frames are missing: the file is cut off, or damaged. Every other one was decoded.
    Partial,
    /// No frame came out, or the reader could not go on.
    Failed,
    /// There is no memory for its pool.
    NoMemory,
    /// It was asked to stop.
    Stopped,
}
