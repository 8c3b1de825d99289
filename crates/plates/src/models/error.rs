//! What can be wrong with models.

use std::{fmt, io, path::PathBuf};

use super::{RegistryError, Role};
use crate::onnx::{NetError, RuntimeError};

/// A model without a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Which.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Its licence.
    pub licence: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, role, licence) = (&self.name, self.role, &self.licence);
        write!(f, "the model `{name}` for `{role}` (licence: {licence})")
    }
}

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
    /// There are no files.
    #[error(
        "{}: missing in {}; `framerill plates models pull` gets what is missing",
        missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        dir.display()
    )]
    Missing {
        /// Which.
        missing: Vec<Missing>,
        /// Where they were looked for.
        dir: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot use the model {}: {source}", path.display())]
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
