//! The library, opened.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::library::{self, Surroundings};

/// Why there is no ONNX Runtime.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// Nowhere.
    #[error(
        "ONNX Runtime is not installed: `pip install onnxruntime` in the active Python environment, or name its library with ORT_DYLIB_PATH"
    )]
    Missing,
    /// It cannot be loaded.
    #[error(
        "cannot open ONNX Runtime at {}: {reason}; `pip install onnxruntime` brings one that fits, ORT_DYLIB_PATH names another",
        path.display()
    )]
    Unusable {
        /// The library.
        path: PathBuf,
        /// What the loader or the library says.
        reason: String,
    },
    /// Another one was opened before, and a process has one.
    #[error("ONNX Runtime is already open from {}, {} cannot be opened, too", open.display(), path.display())]
    Other {
        /// The one that is open.
        open: PathBuf,
        /// The one that was asked for.
        path: PathBuf,
    },
}

/// ONNX Runtime. A process has one; clones are the same.
#[derive(Clone)]
pub struct Runtime {
    path: PathBuf,
    pub(super) environment: ort::environment::Environment,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("path", &self.path).finish()
    }
}

/// `ort` allows one environment a process, also after the end of the first one.
static OPEN: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Opens the named library, or the one that [`library::find`] finds.
    pub fn open(named: Option<&Path>) -> Result<Self, RuntimeError> {
        let found = library::find(&Surroundings::of_process(named));
        Self::at(found.ok_or(RuntimeError::Missing)?)
    }

    fn at(path: PathBuf) -> Result<Self, RuntimeError> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = open.as_ref() {
            if open.path == path {
                return Ok(open.clone());
            }
            let open = open.path.clone();
            return Err(RuntimeError::Other { open, path });
        }
        let unusable = |reason: String| RuntimeError::Unusable {
            path: path.clone(),
            reason,
        };
        if !path.is_file() {
            return Err(unusable("there is no such file".to_owned()));
        }
        let builder = ort::init_from(&path).map_err(|it| unusable(it.to_string()))?;
        let environment = builder
            .with_name("framerill")
            .with_telemetry(false)
            .build()
            .map_err(|it| unusable(it.to_string()))?;
        // What it tells by itself goes to stderr in a form of its own; what fails is in the errors, too.
        environment.set_log_level(ort::logging::LogLevel::Error);
        Ok(open.insert(Self { path, environment }).clone())
    }

    /// The library.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}
