//! What a runner that was killed leaves behind: channels that nobody ends. The next one does (runner contract §2.1).
//!
//! Each stream of the runner's route is noted in a file of the system's temporary folder. A runner that starts reads
//! these notes, ends the channels they name, and takes them away; notes of a runner that lives are its own.
//!
//! Read in this order: [`note`] (a file, and whose it is), [`notes`] (this runner's), [`left`] (those of runners before).

mod left;
mod note;
mod notes;

pub(super) use left::{end, take};
pub(super) use notes::Notes;
