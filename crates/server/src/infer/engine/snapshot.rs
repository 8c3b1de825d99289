//! How everything stands, for whoever asks: handlers never wait for the engine. It is told at every turn of the engine's
//! loop, so that nothing in it is copied that may be large.

use std::{collections::BTreeMap, sync::Arc};

use framerill_worker::message::{EgressMode, FillerPicture, MediaStats, SourceInfo};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Number, ParamsStatus};
use crate::infer::{asked::Binding, status::StatusView};

/// How everything stands.
#[derive(Clone, Debug, Default)]
pub(in crate::infer) struct Snapshot {
    /// `GET /api/status`.
    pub(in crate::infer) status: Option<StatusView>,
    /// Streams that run, and those that are being ended.
    pub(in crate::infer) streams: Vec<StreamView>,
    /// Streams that are over, the last of them; for who waits for their end.
    pub(in crate::infer) over: Vec<Arc<StreamView>>,
    /// Workers and media processes.
    pub(in crate::infer) children: Vec<ChildView>,
    /// Streams at the same time.
    pub(in crate::infer) capacity: u32,
    /// Streams since the start.
    pub(in crate::infer) started: u64,
    /// Why workers and media processes were restarted, by role and reason.
    pub(in crate::infer) restarts: BTreeMap<(&'static str, String), u64>,
    /// Outputs of pipelines that answer no frame or are no picture, by kind.
    pub(in crate::infer) pipeline_faults: BTreeMap<&'static str, u64>,
    /// Lines of workers and media processes that the log does not have, by role.
    pub(in crate::infer) log_left_out: BTreeMap<&'static str, u64>,
    /// Errors that no event told.
    pub(in crate::infer) errors_superseded: u64,
    /// What the guardians were told and had no use for.
    pub(in crate::infer) guardian_inputs_ignored: u64,
    /// From the loss of a worker to the first picture of the next one, seconds; the last one and their sum.
    pub(in crate::infer) recovery: Recovery,
    /// Whether a frame could go through now.
    pub(in crate::infer) is_ready: bool,
}

/// Recoveries so far.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::infer) struct Recovery {
    pub(in crate::infer) count: u64,
    pub(in crate::infer) sum: f64,
    pub(in crate::infer) last: f64,
}

/// One stream, as `/v1/streams` shows it.
#[derive(Clone, Debug, Serialize)]
pub(in crate::infer) struct StreamView {
    pub(in crate::infer) id: Number,
    pub(in crate::infer) state: &'static str,
    pub(in crate::infer) is_ending: bool,
    pub(in crate::infer) is_over: bool,
    /// Why it did not end in order.
    pub(in crate::infer) fault: Option<String>,
    pub(in crate::infer) pipeline: String,
    pub(in crate::infer) binding: Binding,
    pub(in crate::infer) source: String,
    pub(in crate::infer) sink: String,
    /// Where its events go, if anywhere; not shown.
    #[serde(skip)]
    pub(in crate::infer) events_url: Option<String>,
    pub(in crate::infer) egress: EgressMode,
    pub(in crate::infer) on_worker_loss: FillerPicture,
    pub(in crate::infer) started_ms: u64,
    pub(in crate::infer) request_id: String,
    pub(in crate::infer) manifest_id: String,
    pub(in crate::infer) stream_id: String,
    #[serde(serialize_with = "whole")]
    pub(in crate::infer) params: Arc<Map<String, Value>>,
    pub(in crate::infer) params_status: ParamsStatus,
    pub(in crate::infer) media: Option<SourceInfo>,
    pub(in crate::infer) stats: MediaStats,
    pub(in crate::infer) bytes_in: u64,
    pub(in crate::infer) bytes_out: u64,
    pub(in crate::infer) segments_missing: u64,
    pub(in crate::infer) segments_out: u64,
    pub(in crate::infer) segments_lost: u64,
    pub(in crate::infer) events_dropped: u64,
    /// The whole status object.
    pub(in crate::infer) status: Option<StatusView>,
}

/// One child process.
#[derive(Clone, Debug)]
pub(in crate::infer) struct ChildView {
    pub(in crate::infer) role: &'static str,
    pub(in crate::infer) pid: Option<u32>,
    pub(in crate::infer) state: &'static str,
}

fn whole<S: Serializer>(
    params: &Arc<Map<String, Value>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    params.as_ref().serialize(serializer)
}
