//! What becomes of a video, frame by frame: which work there is to do, and what came of it.
//!
//! [`VideoFlow`] is all that the run machine knows of it: what happened goes in, [`FlowOutput`]s come out. [`Flow`] is the one
//! there is. Read on in this order: `frame` (a frame up to the tracker), `plan` and `credit` (what is searched and read in it),
//! `clean` (plates on their way to the reader), `lineage`, `voting` and `join` (what becomes of readings), `ledger` and `rows` (what is written), `event` (what is told),
//! `checkpoint`.

mod checkpoint;
mod clean;
mod counts;
mod credit;
mod ending;
mod event;
mod frame;
mod join;
mod ledger;
mod lineage;
mod machine;
mod output;
mod plan;
mod rows;
mod samples;
mod settings;
mod spawn;
mod taken;
mod turn;
mod video;
mod view;
mod voting;

#[cfg(test)]
mod noisy;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod told;
#[cfg(test)]
mod world;

pub use checkpoint::CheckpointError;
pub use counts::Counts;
pub use event::{EventKind, EventOutcome, VehicleEvent};
pub use machine::Flow;
pub use output::{Count, FlowOutput, Key, NewTask, VideoEnd, VideoStatus};
pub use settings::{FlowSettings, Mode};
pub use taken::{FileTimes, Taken};
pub use video::{FrameArrived, SourceEnd, SourceStatus, VideoFacts, VideoFlow};
