//! What a pipeline author in Rust implements.

use framerill_media::{Caps, PixelFormat, Pts, TimeBase};
use serde_json::{Map, Value};

use crate::message::Problem;

/// One kind of pipeline: what it is called, which parameters it has, and how to begin one.
///
/// Implemented once for each built-in filter; [`crate::filters::all`] lists them.
pub trait PipelineKind: Sync {
    /// The name that users type, e.g. `invert`.
    fn name(&self) -> &'static str;
    /// One line for `framerill pipelines list`.
    fn summary(&self) -> &'static str;
    /// JSON Schema of the parameters.
    fn params_schema(&self) -> Value;
    /// The parameters when none are given.
    fn defaults(&self) -> Map<String, Value>;
    /// The pixel format that it wants to see.
    fn pixel_format(&self) -> PixelFormat {
        PixelFormat::Rgb24
    }
    /// Whether one instance may serve several streams.
    fn shareable(&self) -> bool {
        true
    }
    /// Begins a pipeline with these parameters, or says what is wrong with each.
    fn load(&self, params: &Map<String, Value>) -> Result<Box<dyn Pipeline>, Vec<Problem>>;
}

/// A pipeline at work. Frames of one stream come in order, one at a time.
pub trait Pipeline: Send {
    /// Changes the picture in place, or says that it is to pass or to be skipped.
    fn process(&mut self, frame: &FrameMeta, picture: &mut dyn Picture) -> Result<Answer, String>;

    /// Takes the parameters that change. On problems nothing changes.
    fn update(&mut self, params: &Map<String, Value>) -> Result<(), Vec<Problem>>;

    /// Whether it would take these changes. Changes nothing.
    fn check(&self, params: &Map<String, Value>) -> Result<(), Vec<Problem>>;

    /// Forgets what it remembers of earlier frames.
    fn flush(&mut self) {}
}

/// What a pipeline knows of a frame besides its pixels.
#[derive(Clone, Copy, Debug)]
pub struct FrameMeta {
    /// Counts the source's frames from 0.
    pub id: u64,
    /// Presentation time in ticks of `time_base`.
    pub pts: Pts,
    /// Length of a tick.
    pub time_base: TimeBase,
    /// Format and size.
    pub caps: Caps,
    /// The source jumped before this frame.
    pub discontinuity: bool,
}

/// The pixels of the frame at work.
pub trait Picture {
    /// The picture, copied into the output slot at the first call and the pipeline's to change. Rows are contiguous,
    /// `caps.picture_bytes()` bytes.
    fn edit(&mut self) -> &mut [u8];

    /// The output slot, its content undefined, for a pipeline that writes every byte of the picture.
    fn replace(&mut self) -> &mut [u8];

    /// Copies bytes of the input picture from `offset` on. Panics when they are not inside.
    fn read(&self, offset: usize, into: &mut [u8]);
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The picture in the output slot is the answer.
    Changed,
    /// The input picture is the answer; nothing is copied.
    Passed,
    /// There is no answer; counted and visible.
    Skipped,
}
