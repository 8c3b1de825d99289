//! How long frames took.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Latency by stage in milliseconds: p50, p90, p99.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Latencies {
    /// Packet in to picture in the slot.
    pub decode: [f64; 3],
    /// Picture in the slot to worker.
    pub queue: [f64; 3],
    /// In the worker.
    pub process: [f64; 3],
    /// Answer to packet out.
    pub encode: [f64; 3],
    /// Packet in to packet out.
    pub total: [f64; 3],
}
