//! The worker process: it takes tasks of its class from the orchestrator, does them stage by stage, and says what came of them.
//!
//! Read in this order: [`Stage`] and [`StageKind`] (what a stage is; a stage of one's own is one of each), [`stages()`] (the
//! built-in ones), [`Frames`] (pixels of tasks), [`Turn`] (the loop), [`run`] (the process around it).
//!
//! Invariant: a worker keeps nothing between tasks that a task's outcome depends on, so that it may die at any moment.

mod frames;
mod kept;
mod process;
mod setup;
mod stage;
mod stages;
mod turn;

pub use frames::{Frames, Pixels};
pub use process::{run, run_with};
pub use setup::Setup;
pub use stage::{LoadError, Stage, StageKind};
pub use stages::{STILL, stages};
pub use turn::{Stop, Turn};
