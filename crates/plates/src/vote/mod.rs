//! One text out of several readings.
//!
//! [`decide`] is the whole of it: readings that are worth a vote, one group or two, the vote, and whether the winner is a
//! plate. [`run`] is the stage around it.

mod align;
mod ballot;
mod decision;
mod groups;
mod sample;
mod settings;
mod stage;
mod weight;

pub use ballot::{Ballot, Tally, vote};
pub use decision::{Decision, decide};
pub use groups::split_at;
pub use sample::{Final, Sample, Variant};
pub use settings::Settings;
pub use stage::{FormatError, RunError, formats, run};
