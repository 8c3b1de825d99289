//! `framerill run`: a video through a pipeline in a process of its own.

mod command;
mod engine;
mod feed;
mod foreground;
mod inbox;
mod input;
mod members;
mod output;
mod plan;
mod preview;
mod progress;
mod report;
mod saves;
mod spec;

pub use command::command;
pub(crate) use feed::Feed;
pub(crate) use members::{Bounds, interpreter, media_command, question, worker_command};
pub use plan::{
    Pace, Pipeline, Plan, default_output, fps, params, positive_seconds, preview_path, seconds,
};
pub(crate) use progress::Tell;
pub use report::Report;
pub use spec::PipelineSpec;
pub(crate) use spec::{is_path, public_name};
