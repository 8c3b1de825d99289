//! What a worker is told before it takes its first task.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{category::Class, models::Choice};

/// The parameters of a worker's `load`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// Which workers it is among.
    pub class: Class,
    /// Stages to load before it takes tasks, so that what is missing is told at the start.
    #[serde(default)]
    pub load_first: Vec<String>,
    /// The most tasks at once.
    #[serde(default = "one")]
    pub batch: u32,
    /// Bytes that loaded stages may take; the one that was not used for longest goes first.
    #[serde(default = "four_gib")]
    pub memory: u64,
    /// The folder with model files.
    #[serde(default)]
    pub models: Option<PathBuf>,
    /// Which of them, and what computes.
    #[serde(default)]
    pub choice: Choice,
    /// A path of SQLite's or a `postgres://` URL.
    #[serde(default)]
    pub database: String,
    /// The key of plates' hashes, where plates are not stored in clear.
    #[serde(default)]
    pub plate_key: Option<PathBuf>,
    /// The list of plates that may be stored in clear.
    #[serde(default)]
    pub plate_list: Option<PathBuf>,
    /// Where plates are saved as pictures before and after they are made clean.
    #[serde(default)]
    pub denoise_save: Option<PathBuf>,
    /// The run's own folder; the outbox lies in it.
    #[serde(default)]
    pub work_dir: PathBuf,
    /// Settings of stages, by name.
    #[serde(default)]
    pub stages: Map<String, Value>,
}

fn one() -> u32 {
    1
}

fn four_gib() -> u64 {
    4 << 30
}
