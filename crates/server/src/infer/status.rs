//! The status object of a stream as JSON (runner contract §6.1). Pure.

use std::{fmt, sync::Arc};

use framerill_supervisor::guardian;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::digest::{ascii, digest, md5};

/// Parameters as they were given.
#[derive(Clone, Debug)]
pub(super) enum Given {
    /// A set.
    Set(Arc<Map<String, Value>>),
    /// What is none, and is shown all the same (runner contract §7).
    Other(Arc<Value>),
}

impl From<Value> for Given {
    fn from(value: Value) -> Self {
        match value {
            Value::Object(set) => Self::Set(set.into()),
            other => Self::Other(other.into()),
        }
    }
}

impl Given {
    /// Of what was given, as Python writes it (runner contract §6.1).
    pub(super) fn hash(&self) -> String {
        match self {
            Self::Set(set) => digest(set),
            Self::Other(value) => md5(&ascii(value)),
        }
    }
}

impl Serialize for Given {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Set(it) => it.as_ref().serialize(serializer),
            Self::Other(it) => it.as_ref().serialize(serializer),
        }
    }
}

/// What the status object has beside the guardian's numbers. Cheap to copy, whatever the parameters' size.
#[derive(Clone, Debug, Default)]
pub(super) struct Extras {
    /// Name of the pipeline.
    pub(super) pipeline: String,
    /// Parameters that were queued last; shown once by an event, then until the next ones null.
    pub(super) last_params: Option<Given>,
    /// Their hash, which stays.
    pub(super) last_params_hash: Option<String>,
    /// Lines of the worker before its last restart; shown once.
    pub(super) last_restart_logs: Option<Arc<[String]>>,
}

impl Extras {
    /// These parameters were queued.
    pub(super) fn show(&mut self, given: Given, hash: &str) {
        self.last_params = Some(given);
        self.last_params_hash = Some(hash.to_owned());
    }

    /// What is shown once was shown.
    pub(super) fn forget_shown(&mut self) {
        self.last_params = None;
        self.last_restart_logs = None;
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

impl fmt::Display for StatusView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object().fmt(f)
    }
}

impl Serialize for StatusView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.object().serialize(serializer)
    }
}

impl StatusView {
    /// All of it.
    pub(super) fn object(&self) -> Value {
        let Self { status, extras } = self;
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
                "last_params": extras.last_params,
                "last_params_hash": extras.last_params_hash,
                "last_error_time": inference.last_error_time_ms,
                "last_error": inference.last_error,
                "last_restart_time": inference.last_restart_time_ms,
                "last_restart_logs": extras.last_restart_logs.as_deref(),
                "restart_count": inference.restart_count,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use framerill_supervisor::guardian::{Guardian, Moment};

    use super::*;

    #[test]
    fn every_key_is_there_from_the_beginning() {
        let view = StatusView {
            status: Guardian::new(Moment::default()).status().clone(),
            extras: Extras {
                pipeline: "noop".into(),
                ..Extras::default()
            },
        };
        let status = view.object();
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
    fn parameters_and_logs_are_shown_once_and_the_hash_stays() {
        let mut extras = Extras {
            last_params: Some(Given::Set(Arc::default())),
            last_params_hash: Some("h".into()),
            last_restart_logs: Some(["line".to_owned()].into()),
            ..Extras::default()
        };
        let mut shown = || {
            let status = Guardian::new(Moment::default()).status().clone();
            let view = StatusView {
                status,
                extras: extras.clone(),
            };
            extras.forget_shown();
            view.object()["inference_status"].clone()
        };
        let first = shown();
        assert_eq!(first["last_params"], json!({}));
        assert_eq!(first["last_restart_logs"], json!(["line"]));
        assert_eq!(first["last_params_hash"], "h");
        let second = shown();
        assert_eq!(second["last_params"], Value::Null);
        assert_eq!(second["last_restart_logs"], Value::Null);
        assert_eq!(second["last_params_hash"], "h");
    }
}
