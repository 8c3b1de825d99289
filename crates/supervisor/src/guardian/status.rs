//! The numbers that the guardian owns in the status object.

use super::{health::Health, state::State};

/// The numbers of the status object (§6.1) that the guardian owns, named as there. Times are wall clock, milliseconds
/// since 1970. Parameters, their hash and the logs of the last restart are the driver's.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// Of the current or last stream; 0 before the first.
    pub start_time_ms: u64,
    /// The state.
    pub state: State,
    /// When it was last stored.
    pub last_state_update_time_ms: Option<u64>,
    /// `input_status`.
    pub input: InputStatus,
    /// `inference_status`.
    pub inference: InferenceStatus,
}

/// What comes in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InputStatus {
    /// The newest decoded frame of this stream.
    pub last_input_time_ms: Option<u64>,
    /// Decoded frames a second in the last window; 0 while unknown.
    pub fps: f64,
}

/// What the worker makes of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InferenceStatus {
    /// The newest real output of this stream and this worker.
    pub last_output_time_ms: Option<u64>,
    /// Real outputs a second in the last window; 0 while unknown.
    pub fps: f64,
    /// When parameters were last sent to this worker; none while it has its initial ones.
    pub last_params_update_time_ms: Option<u64>,
    /// When `last_error` was reported.
    pub last_error_time_ms: Option<u64>,
    /// The newest error of this stream and this worker; in ERROR, its cause.
    pub last_error: Option<String>,
    /// When a worker was last restarted.
    pub last_restart_time_ms: Option<u64>,
    /// Restarts of the worker; it only grows.
    pub restart_count: u64,
}

impl Status {
    /// What `GET /health` says of it.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::from(self.state)
    }
}
