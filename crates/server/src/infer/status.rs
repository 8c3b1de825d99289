//! The status object and the events of a stream as JSON (runner contract §6). Pure.

use std::sync::Arc;

use framerill_supervisor::guardian;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

/// What the status object has beside the guardian's numbers. Cheap to copy, whatever the parameters' size.
#[derive(Clone, Debug, Default)]
pub(super) struct Extras {
    /// Name of the pipeline.
    pub(super) pipeline: String,
    /// Parameters that were queued last; shown once by an event, then until the next ones null.
    pub(super) last_params: Option<Arc<Map<String, Value>>>,
    /// Their hash, which stays.
    pub(super) last_params_hash: Option<String>,
    /// Lines of the worker before its last restart; shown once.
    pub(super) last_restart_logs: Option<Arc<[String]>>,
}

impl Extras {
    /// These parameters were queued.
    pub(super) fn show(&mut self, params: &Arc<Map<String, Value>>, hash: &str) {
        self.last_params = Some(Arc::clone(params));
        self.last_params_hash = Some(hash.to_owned());
    }

    /// The worker has none of those that were queued.
    pub(super) fn forget_params(&mut self) {
        self.last_params = None;
        self.last_params_hash = None;
    }
}

/// The status object as it stood; it becomes JSON when somebody asks for it.
#[derive(Clone, Debug)]
pub(super) struct StatusView {
    pub(super) status: guardian::Status,
    pub(super) extras: Extras,
}

impl Serialize for StatusView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object(&self.status, &self.extras).serialize(serializer)
    }
}

fn object(status: &guardian::Status, extras: &Extras) -> Value {
    let inference = &status.inference;
    json!({
        "type": "status",
        "pipeline": extras.pipeline,
        "start_time": status.start_time_ms,
        "state": status.state.as_str(),
        "last_state_update_time": status.last_state_update_time_ms,
        "input_status": {
            "last_input_time": status.input.last_input_time_ms,
            "fps": status.input.fps,
        },
        "inference_status": {
            "last_output_time": inference.last_output_time_ms,
            "fps": inference.fps,
            "last_params_update_time": inference.last_params_update_time_ms,
            "last_params": extras.last_params.as_deref(),
            "last_params_hash": extras.last_params_hash,
            "last_error_time": inference.last_error_time_ms,
            "last_error": inference.last_error,
            "last_restart_time": inference.last_restart_time_ms,
            "last_restart_logs": extras.last_restart_logs.as_deref(),
            "restart_count": inference.restart_count,
        },
    })
}

/// The `status` event; what it shows once is gone from `extras` then.
pub(super) fn event(
    status: &guardian::Status,
    extras: &mut Extras,
    last_status_ms: u64,
    now_ms: u64,
) -> Value {
    let mut event = object(status, extras);
    event["last_status_timestamp"] = json!(last_status_ms);
    event["timestamp"] = json!(now_ms);
    extras.last_params = None;
    extras.last_restart_logs = None;
    event
}

/// The `error` event. `time` is in seconds (D28).
pub(super) fn error(pipeline: &str, message: &str, time_ms: u64, now_ms: u64) -> Value {
    json!({
        "type": "error", "pipeline": pipeline, "message": message, "time": seconds(time_ms), "timestamp": now_ms,
    })
}

/// The `restart` event. `restart_time` is in seconds (D28).
pub(super) fn restart(
    pipeline: &str,
    count: u64,
    time_ms: u64,
    logs: &[String],
    now_ms: u64,
) -> Value {
    json!({
        "type": "restart", "pipeline": pipeline, "restart_count": count, "restart_time": seconds(time_ms),
        "restart_logs": logs, "timestamp": now_ms,
    })
}

/// What became of parameters; only sent where `--params-events` asks for it.
pub(super) fn params_update(
    pipeline: &str,
    outcome: &str,
    hash: &str,
    params: &Map<String, Value>,
    now_ms: u64,
) -> Value {
    json!({
        "type": "params_update", "pipeline": pipeline, "status": outcome, "params_hash": hash, "params": params,
        "timestamp": now_ms,
    })
}

/// A step of a stream's way.
pub(super) fn trace(what: &str, at_ms: u64) -> Value {
    json!({"type": what, "timestamp": at_ms})
}

/// What goes out on the events channel. Traces have a queue of their own.
pub(super) fn envelope(event: &Value) -> String {
    let is_trace = event["type"]
        .as_str()
        .is_some_and(|it| it.starts_with("runner_"));
    let queue = if is_trace {
        "stream_trace"
    } else {
        "ai_stream_events"
    };
    super::digest::ascii(&json!({"event": event, "queue_event_type": queue}))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of this millennium"
)]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use framerill_supervisor::guardian::{Guardian, Moment};

    use super::*;

    #[test]
    fn every_key_is_there_from_the_beginning() {
        let guardian = Guardian::new(Moment::default());
        let extras = Extras {
            pipeline: "noop".into(),
            ..Extras::default()
        };
        let status = object(guardian.status(), &extras);
        let keys = |value: &Value| {
            value
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(&status).len(), 7);
        assert_eq!(keys(&status["input_status"]).len(), 2);
        assert_eq!(keys(&status["inference_status"]).len(), 10);
        assert_eq!(status["start_time"], 0);
        assert_eq!(status["inference_status"]["restart_count"], 0);
        assert_eq!(status["input_status"]["fps"], json!(0.0));
    }

    #[test]
    fn parameters_and_logs_are_shown_by_one_event_and_the_hash_by_all() {
        let guardian = Guardian::new(Moment::default());
        let mut extras = Extras {
            last_params: Some(Arc::default()),
            last_params_hash: Some("h".into()),
            last_restart_logs: Some(["line".to_owned()].into()),
            ..Extras::default()
        };
        let first = event(guardian.status(), &mut extras, 1, 2);
        assert_eq!(first["inference_status"]["last_params"], json!({}));
        assert_eq!(
            first["inference_status"]["last_restart_logs"],
            json!(["line"])
        );
        assert_eq!(
            (&first["last_status_timestamp"], &first["timestamp"]),
            (&json!(1), &json!(2))
        );
        let second = event(guardian.status(), &mut extras, 2, 3);
        assert_eq!(second["inference_status"]["last_params"], Value::Null);
        assert_eq!(second["inference_status"]["last_params_hash"], "h");
        assert_eq!(second["inference_status"]["last_restart_logs"], Value::Null);
    }

    #[test]
    fn d28_times_of_errors_and_restarts_are_in_seconds() {
        assert_eq!(error("p", "m", 1500, 2000)["time"], json!(1.5));
        let event = restart("p", 1, 2500, &[], 3000);
        assert_eq!(
            (&event["restart_time"], &event["timestamp"]),
            (&json!(2.5), &json!(3000))
        );
    }

    #[test]
    fn traces_and_events_have_their_queues_and_no_character_beyond_ascii() {
        let event = error("p", "é\n", 0, 0);
        let text = envelope(&event);
        assert!(text.is_ascii() && !text.contains('\n'));
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["queue_event_type"], "ai_stream_events");
        assert_eq!(read["event"]["message"], "é\n");
        let text = envelope(&trace("runner_receive_stream_request", 7));
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["queue_event_type"], "stream_trace");
        assert_eq!(
            read["event"],
            json!({"type": "runner_receive_stream_request", "timestamp": 7})
        );
    }
}
