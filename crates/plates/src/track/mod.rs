//! Which vehicle is which from frame to frame.
//!
//! [`Tracker`] is a machine over [`TrackFrame`]s in frame order; its whole state is data, so that it can travel with each
//! task and lives in no worker. [`run`] is the stage around it.

mod assignment;
mod cut;
mod gate;
mod kinematics;
mod memory;
mod open;
mod row;
mod settings;
mod shift;
mod stage;
mod tracker;

pub use cut::SceneSettings;
pub use kinematics::{Moment, Motion, seconds_between};
pub use row::{Earlier, Item, MotionRow, TrackFrame, TrackStep};
pub use settings::Settings;
pub use stage::{RunError, run};
pub use tracker::{StateError, Tracker};
