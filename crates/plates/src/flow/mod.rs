//! What becomes of a video, frame by frame: which work there is to do, and what came of it.
//!
//! [`VideoFlow`] is all that the run machine knows of it: what happened goes in, [`FlowOutput`]s come out.

mod output;
mod video;

pub use output::{Count, FlowOutput, Key, NewTask, VideoEnd, VideoStatus};
pub use video::{FrameArrived, SourceEnd, SourceStatus, VideoFacts, VideoFlow};
