//! What goes out on a stream's events channel (runner contract §6.2, §6.3). Pure.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{digest::ascii, status::StatusView};

/// An event. Times are milliseconds since 1970; `now_ms` is when it was made.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// How the stream stands, every ten seconds.
    Status {
        view: Box<StatusView>,
        /// Of the status event before.
        last_ms: u64,
        now_ms: u64,
    },
    /// Something went wrong.
    Error {
        pipeline: String,
        message: String,
        /// Where the author's code was, if it was there.
        traceback: Option<String>,
        at_ms: u64,
        now_ms: u64,
    },
    /// The worker was started again.
    Restart {
        pipeline: String,
        /// Restarts so far.
        count: u64,
        at_ms: u64,
        /// What the worker said last.
        logs: Arc<[String]>,
        /// Why it was lost, and the word under which that is counted.
        reason: String,
        code: String,
        now_ms: u64,
    },
    /// What became of parameters; only where `--params-events` asks for it.
    ParamsUpdate {
        pipeline: String,
        outcome: &'static str,
        hash: String,
        params: Arc<Map<String, Value>>,
        now_ms: u64,
    },
    /// A step of the stream's way, and when it was.
    Trace(Step, u64),
}

/// A step of a stream's way that is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The request that started it came.
    ReceiveStreamRequest,
    /// The first segment of the input was read whole.
    ReceiveFirstIngestSegment,
    /// The first bytes of the output were handed to the publisher.
    SendFirstProcessedSegment,
}

impl Event {
    /// The queue of the gateway that it goes to.
    fn queue(&self) -> &'static str {
        match self {
            Self::Status { .. }
            | Self::Error { .. }
            | Self::Restart { .. }
            | Self::ParamsUpdate { .. } => "ai_stream_events",
            Self::Trace(..) => "stream_trace",
        }
    }

    /// As it is sent: one segment holds one of these.
    pub(super) fn envelope(&self) -> String {
        ascii(&json!({"event": self.object(), "queue_event_type": self.queue()}))
    }

    /// Times of errors and restarts are in seconds (D28).
    fn object(&self) -> Value {
        match self {
            Self::Status {
                view,
                last_ms,
                now_ms,
            } => {
                let mut object = view.object();
                object["last_status_timestamp"] = json!(last_ms);
                object["timestamp"] = json!(now_ms);
                object
            }
            Self::Error {
                pipeline,
                message,
                traceback,
                at_ms,
                now_ms,
            } => {
                let mut object = json!({
                    "type": "error", "pipeline": pipeline, "message": message, "time": seconds(*at_ms), "timestamp": now_ms,
                });
                if let Some(traceback) = traceback {
                    object["traceback"] = json!(traceback);
                }
                object
            }
            Self::Restart {
                pipeline,
                count,
                at_ms,
                logs,
                reason,
                code,
                now_ms,
            } => json!({
                "type": "restart", "pipeline": pipeline, "restart_count": count, "restart_time": seconds(*at_ms),
                "restart_logs": **logs, "restart_reason": reason, "restart_code": code, "timestamp": now_ms,
            }),
            Self::ParamsUpdate {
                pipeline,
                outcome,
                hash,
                params,
                now_ms,
            } => json!({
                "type": "params_update", "pipeline": pipeline, "status": outcome, "params_hash": hash, "params": **params,
                "timestamp": now_ms,
            }),
            Self::Trace(step, at_ms) => json!({"type": step.as_str(), "timestamp": at_ms}),
        }
    }
}

impl Step {
    fn as_str(self) -> &'static str {
        match self {
            Self::ReceiveStreamRequest => "runner_receive_stream_request",
            Self::ReceiveFirstIngestSegment => "runner_receive_first_ingest_segment",
            Self::SendFirstProcessedSegment => "runner_send_first_processed_segment",
        }
    }
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

    use super::{super::status::Extras, *};

    fn sent(event: &Event) -> Value {
        let text = event.envelope();
        assert!(text.is_ascii() && !text.contains('\n'), "{text}");
        serde_json::from_str(&text).unwrap()
    }

    fn error(message: &str) -> Event {
        Event::Error {
            pipeline: "p".to_owned(),
            message: message.to_owned(),
            traceback: None,
            at_ms: 1500,
            now_ms: 2000,
        }
    }

    fn restart() -> Event {
        Event::Restart {
            pipeline: "p".to_owned(),
            count: 1,
            at_ms: 2500,
            logs: ["line".to_owned()].into(),
            reason: "exited with code 7".to_owned(),
            code: "failed".to_owned(),
            now_ms: 3000,
        }
    }

    fn status() -> Event {
        let view = StatusView {
            status: Guardian::new(Moment::default()).status().clone(),
            extras: Extras::default(),
        };
        Event::Status {
            view: Box::new(view),
            last_ms: 1,
            now_ms: 2,
        }
    }

    fn params_update() -> Event {
        Event::ParamsUpdate {
            pipeline: "p".to_owned(),
            outcome: "applied",
            hash: "h".to_owned(),
            params: Arc::default(),
            now_ms: 4,
        }
    }

    #[test]
    fn each_event_has_its_type_and_its_queue() {
        for (event, kind, queue) in [
            (status(), "status", "ai_stream_events"),
            (error("m"), "error", "ai_stream_events"),
            (restart(), "restart", "ai_stream_events"),
            (params_update(), "params_update", "ai_stream_events"),
            (
                Event::Trace(Step::ReceiveStreamRequest, 7),
                "runner_receive_stream_request",
                "stream_trace",
            ),
            (
                Event::Trace(Step::ReceiveFirstIngestSegment, 7),
                "runner_receive_first_ingest_segment",
                "stream_trace",
            ),
            (
                Event::Trace(Step::SendFirstProcessedSegment, 7),
                "runner_send_first_processed_segment",
                "stream_trace",
            ),
        ] {
            let sent = sent(&event);
            assert_eq!(sent["event"]["type"], kind);
            assert_eq!(sent["queue_event_type"], queue, "{kind}");
            assert!(sent["event"]["timestamp"].is_u64(), "{kind}");
        }
    }

    #[test]
    fn the_status_event_is_the_status_object_with_two_times() {
        let sent = sent(&status())["event"].clone();
        assert_eq!(sent.as_object().unwrap().len(), 9);
        assert_eq!(sent["type"], "status");
        let times = (&sent["last_status_timestamp"], &sent["timestamp"]);
        assert_eq!(times, (&json!(1), &json!(2)));
    }

    #[test]
    fn an_error_has_a_traceback_only_where_the_authors_code_was() {
        let Event::Error {
            pipeline,
            message,
            at_ms,
            now_ms,
            ..
        } = error("m")
        else {
            unreachable!("an error");
        };
        let with = Event::Error {
            pipeline,
            message,
            traceback: Some("Traceback\n  here".to_owned()),
            at_ms,
            now_ms,
        };
        assert_eq!(sent(&with)["event"]["traceback"], "Traceback\n  here");
        let without = sent(&error("m"))["event"].clone();
        let names: Vec<_> = without.as_object().unwrap().keys().cloned().collect();
        let of_the_contract = ["message", "pipeline", "time", "timestamp", "type"];
        assert_eq!(names, of_the_contract);
    }

    #[test]
    fn d28_times_of_errors_and_restarts_are_in_seconds() {
        assert_eq!(sent(&error("m"))["event"]["time"], json!(1.5));
        let restart = sent(&restart())["event"].clone();
        assert_eq!(
            restart,
            json!({
                "type": "restart", "pipeline": "p", "restart_count": 1, "restart_time": 2.5, "restart_logs": ["line"],
                "restart_reason": "exited with code 7", "restart_code": "failed",
                "timestamp": 3000,
            })
        );
    }

    #[test]
    fn a_trace_is_its_type_and_its_time() {
        assert_eq!(
            sent(&Event::Trace(Step::ReceiveStreamRequest, 7))["event"],
            json!({"type": "runner_receive_stream_request", "timestamp": 7})
        );
    }

    #[test]
    fn no_character_is_beyond_ascii_and_all_of_them_arrive() {
        assert_eq!(sent(&error("é\n"))["event"]["message"], "é\n");
    }
}
