//! What the demo tells: where to look, how it goes, what came of it.

use serde::Serialize;
use serde_json::{Value, json};

use crate::{failure::Failure, terminal};

/// Addresses of what runs.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Places {
    pub(super) health: String,
    pub(super) streams: String,
    pub(super) metrics: String,
    /// What is published.
    pub(super) input: String,
    /// What comes out.
    pub(super) output: String,
}

impl Places {
    pub(super) fn of(url: &str, channels: &str) -> Self {
        Self {
            health: format!("{url}/health"),
            streams: format!("{url}/v1/streams"),
            metrics: format!("{url}/metrics"),
            input: format!("{channels}in"),
            output: format!("{channels}out"),
        }
    }

    pub(super) fn tell(&self) {
        for (name, url) in [
            ("health", &self.health),
            ("status", &self.streams),
            ("metrics", &self.metrics),
            ("input", &self.input),
            ("output", &self.output),
        ] {
            terminal::tell(format_args!("{name:<10}{url}"));
        }
    }
}

/// What the demo did.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<Value>,
    pub(super) pipeline: String,
    pub(super) frames: Frames,
    /// Finished pictures a second.
    pub(super) fps: f64,
    /// From packet in to packet out: p50, p90, p99.
    pub(super) delay_ms: [f64; 3],
    pub(super) restarts: u64,
    /// Of video.
    pub(super) seconds: f64,
    pub(super) output: Option<String>,
    pub(super) preview: Option<String>,
    pub(super) urls: Places,
}

/// Pictures by what became of them.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Frames {
    /// Decoded by the runner.
    #[serde(rename = "in")]
    pub(super) taken: u64,
    /// Seen by the viewer.
    pub(super) out: u64,
    pub(super) dropped: u64,
    pub(super) filler: u64,
}

impl Report {
    /// Takes in how the stream stands.
    pub(super) fn see(&mut self, stream: &Value) {
        let stats = &stream["stats"];
        let count = |name: &str| stats[name].as_u64().unwrap_or_default();
        self.frames.taken = count("decoded");
        self.frames.dropped = count("dropped");
        self.frames.filler = count("filler");
        if let Some(fps) = stats["fps"].as_f64().filter(|it| *it > 0.0) {
            self.fps = fps;
        }
        let delay = |at: usize| {
            stats["latency_ms"]["total"][at]
                .as_f64()
                .unwrap_or_default()
        };
        self.delay_ms = [delay(0), delay(1), delay(2)];
        self.seconds = stats["encoded_seconds"].as_f64().unwrap_or_default();
        let inference = &stream["status"]["inference_status"];
        if let Some(count) = inference["restart_count"].as_u64() {
            self.restarts = count;
        }
    }

    /// One line of how it goes.
    pub(super) fn tell_progress(&self, state: &str) {
        let [p50, p90, _] = self.delay_ms;
        terminal::tell(format_args!(
            "{:>5.1} s  {state:<18}  {} pictures in  {:.1} fps out  delay {p50:.0} ms (p90 {p90:.0})",
            self.seconds, self.frames.taken, self.fps
        ));
    }

    pub(super) fn fail(&mut self, failure: &Failure) {
        self.status = "failed";
        self.error = Some(json!({"code": failure.code, "message": failure.to_string()}));
    }

    /// The end of the demo.
    pub(super) fn tell(&self, json: bool) {
        if json {
            return terminal::answer(serde_json::to_string(self).unwrap_or_default());
        }
        let Frames {
            taken,
            out,
            dropped,
            filler,
        } = self.frames;
        let [p50, p90, p99] = self.delay_ms;
        terminal::tell(format_args!(
            "{taken} pictures in, {out} seen at the other end, {filler} of them fillers, {dropped} dropped, {} restarts",
            self.restarts
        ));
        terminal::tell(format_args!(
            "{:.1} fps; delay in the runner ms p50/p90/p99: {p50:.1}/{p90:.1}/{p99:.1}",
            self.fps
        ));
        for path in [&self.output, &self.preview].into_iter().flatten() {
            terminal::tell(format_args!("wrote {path}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_has_not_begun_is_no_news() {
        let mut report = Report::default();
        report.see(&json!({"stats": {}, "status": null}));
        assert_eq!((report.frames.taken, report.restarts), (0, 0));
        report.see(&json!({
            "stats": {"decoded": 7, "fps": 24.5, "latency_ms": {"total": [1.0, 2.0, 3.0]}},
            "status": {"inference_status": {"restart_count": 1}},
        }));
        assert_eq!((report.frames.taken, report.restarts), (7, 1));
        assert_eq!(report.delay_ms, [1.0, 2.0, 3.0]);
    }
}
