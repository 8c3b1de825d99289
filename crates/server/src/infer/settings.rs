//! What `framerill infer` is told.

use std::{path::PathBuf, time::Duration};

use framerill_trickle::http::client::Transport;
use serde_json::{Map, Value};

use super::asked::Asked;
use crate::run::Pipeline;

/// What `framerill infer` is told.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) pipeline: Pipeline,
    /// What requests and status call it.
    pub(crate) name: String,
    pub(crate) initial_params: Map<String, Value>,
    /// Streams at the same time.
    pub(crate) capacity: u32,
    /// Restarts of a worker.
    pub(crate) max_restarts: u32,
    /// Without an output for so long a worker is hung; none takes the pipeline's word.
    pub(crate) max_frame_time: Option<Duration>,
    /// Bytes that a worker may use, with all that it starts.
    pub(crate) worker_memory: Option<u64>,
    /// Frames a second at most, 0 for all; none is the contract's 24.
    pub(crate) max_fps: Option<f64>,
    /// The Python to run pipelines with.
    pub(crate) python: Option<PathBuf>,
    /// Whether children say more, too.
    pub(crate) verbose: bool,
    /// How trickle clients connect.
    pub(crate) tls: Transport,
    /// Whether events tell of parameters that were taken.
    pub(crate) params_events: bool,
    /// A stream to begin with, which infer ends with.
    pub(crate) stream: Option<Asked>,
}
