//! Which models there are, what each takes and gives, and where its file is.
//!
//! Read in this order: [`entry`] (what is said of a model), [`Registry`] (all of them), [`Models`] (those of a folder, ready
//! to be opened), [`ModelError`].

mod batch;
pub mod entry;
mod error;
mod files;
mod opened;
mod pull;
mod registry;

pub(crate) use batch::Batch;
pub use entry::{Entry, Role, UnknownRole};
pub use error::{Missing, ModelError};
pub use files::{Check, MOST_BYTES, sha256_of};
pub use opened::{Choice, Listed, Models};
pub use pull::{Progress, PullError};
pub use registry::{Registry, RegistryError};
