//! What a run did, for `--json` and for the last lines on a terminal.

use std::collections::BTreeMap;

use framerill_worker::message::{HeldFrame, Latencies, MediaStats, SourceInfo};
use serde::Serialize;

/// What a run did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// `done`, `interrupted` or `failed`.
    pub status: &'static str,
    /// As the user named it.
    pub input: String,
    /// The file that was written, complete or partial; none for stdout.
    pub output: Option<String>,
    /// The before/after picture.
    pub preview: Option<String>,
    /// Pipeline's name.
    pub pipeline: String,
    /// What media found in the source.
    pub source: Option<SourceInfo>,
    /// Frames.
    pub frames: Frames,
    /// Answered frames a second of wall time, while frames flowed.
    pub fps: f64,
    /// Seconds of wall time from the first frame to the last.
    pub seconds: f64,
    /// Latency by stage in ms: p50, p90, p99.
    pub latency_ms: Latencies,
    /// Restarts of the worker.
    pub restarts: u32,
    /// The same by reason, in the words of `framerill_restarts_total`.
    pub restart_reasons: BTreeMap<String, u32>,
    /// Lines of the worker's that were not shown, since there were too many.
    pub log_lines_dropped: u64,
    /// How often the worker was replaced by one with new code.
    pub reloads: u32,
    /// Frames lost with a worker, by name.
    pub held: Vec<HeldFrame>,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// Why it failed.
    pub error: Option<Problem>,
}

/// Frames by what became of them.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Frames {
    /// Decoded.
    #[serde(rename = "in")]
    pub taken: u64,
    /// Encoded.
    pub out: u64,
    /// Lost by policy.
    pub dropped: u64,
    /// Shown in place of finished ones.
    pub filler: u64,
    /// The pipeline chose not to answer.
    pub skipped: u64,
    /// Lost with a worker.
    pub held: u64,
    /// Answered late.
    pub late: u64,
}

/// Why a run failed.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// Stable code.
    pub code: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl From<&MediaStats> for Frames {
    fn from(stats: &MediaStats) -> Self {
        Self {
            taken: stats.decoded,
            out: stats.encoded,
            dropped: stats.dropped,
            filler: stats.filler,
            skipped: stats.skipped,
            held: stats.held,
            late: stats.late,
        }
    }
}
