//! Environments: one virtual environment for each package of pipelines, and what is found in them.
//!
//! Read in this order: `name` and `spec` (what may be asked for), `home` and `record` (where it lies, what is known of it),
<<<<<<< HEAD
//! `install` (making one, by `installer` and `errand`, with the runtime's own `wheels`), `litter` (what is left over), `renew` (environments of an earlier program),
//! `found` and `fingerprint` (what a Python has, remembered until it changes), `listing` and `lookup` (all of them, and
//! the one that has a name), `hidden` (those that a built-in one of their name goes before).
=======
//! `install` (making one, by `installer` and `subprocess`, with the runtime's own `wheels`), `litter` (what is left over), `renew` (environments of an earlier program),
//! `scan` and `fingerprint` (what a Python has, remembered until it changes), `listing` and `lookup` (all of them, and
//! the one that has a name).
>>>>>>> tidyrs
//!
//! Invariants: a record is written when its environment is whole, in one step, and an environment is never changed
//! afterwards; metadata and modules of packages are read in child processes alone; nothing here can be reached over HTTP.

mod fingerprint;
<<<<<<< HEAD
mod found;
mod hidden;
=======
>>>>>>> tidyrs
mod home;
mod install;
mod installer;
mod listing;
mod litter;
mod lookup;
mod name;
mod record;
mod renew;
mod scan;
mod spec;
mod subprocess;
mod wheels;

<<<<<<< HEAD
pub(crate) use found::{Found, OTHERS, alone};
pub(crate) use hidden::hidden;
=======
>>>>>>> tidyrs
pub(crate) use install::{Made, Wanted, in_usual_python, install, remove};
pub(crate) use listing::{Listing, list, names};
pub(crate) use lookup::{Effort, environment_of, interpreter, is_known};
pub(crate) use name::normal;
pub(crate) use scan::{EntryPoint, PYTHON_VARIABLES, alone};
