//! What can be wrong with models.

use std::{io, path::PathBuf};

use super::{RegistryError, Role};
use crate::onnx::{NetError, RuntimeError};

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// No ONNX Runtime.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The file is no model, or another one than was declared.
    #[error(transparent)]
    Net(#[from] NetError),
    /// There is no file.
    #[error(
        "the model `{name}` ({role}; licence: {licence}) is not at {}: `framerill plates models pull {name}` gets it",
        path.display()
    )]
    Missing {
        /// Which.
        name: String,
        /// What it is for.
        role: Role,
        /// Its licence.
        licence: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read the model {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not the one that was declared.
    #[error(
        "{} is not the model `{name}`: its sha256 is {found}, expected {expected}; `framerill plates models pull {name}` gets it anew",
        path.display()
    )]
    Hash {
        /// Which.
        name: String,
        /// The file.
        path: PathBuf,
        /// As the registry says.
        expected: String,
        /// As it is.
        found: String,
    },
    /// No such entry.
    #[error("there is no model `{name}` for `{role}`: the registry has {known}")]
    Unknown {
        /// As asked for.
        name: String,
        /// What it was to be for.
        role: Role,
        /// Those of the role.
        known: String,
    },
}
