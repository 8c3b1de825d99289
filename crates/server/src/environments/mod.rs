//! Environments: one virtual environment for each package of pipelines, and what is found in them.
//!
//! Read in this order: `name` and `spec` (what may be asked for), `home` and `record` (where it lies, what is known of it),
//! `install` (making one, by `installer` and `subprocess`, with the runtime's own `wheels`), `litter` (what is left over), `renew` (environments of an earlier program),
//! `scan` and `fingerprint` (what a Python has, remembered until it changes), `places`, `listing` and `lookup`
//! (all of them, and the one that has a name), `hidden` (those that a built-in one of their name goes before).
//!
//! Invariants: a record is written when its environment is whole, in one step, and an environment is never changed
//! afterwards; metadata and modules of packages are read in child processes alone; nothing here can be reached over HTTP.

mod fingerprint;
mod hidden;
mod home;
mod install;
mod installer;
mod listing;
mod litter;
mod lookup;
mod name;
mod places;
mod record;
mod renew;
mod scan;
mod spec;
mod subprocess;
mod wheels;

pub(crate) use hidden::{hidden, instead};
pub(crate) use install::{Made, Wanted, in_usual_python, install, remove};
pub(crate) use listing::{Listing, list, names};
pub(crate) use lookup::{Effort, environment_of, interpreter, is_known};
pub(crate) use name::normal;
pub(crate) use scan::{EntryPoint, PYTHON_VARIABLES, alone};
