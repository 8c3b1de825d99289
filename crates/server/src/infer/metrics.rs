//! Infer's part of `/metrics`, in Prometheus' text format. Pure.

use std::collections::BTreeMap;

use framerill_worker::message::{Latencies, MediaStats};

use super::{
    engine::{ChildView, Snapshot, StreamView},
    memory::Memory,
};
use crate::exposition::{Page, Value, label};

/// The page. `memory` is of each child process, by role.
pub(super) fn text(it: &Snapshot, memory: &BTreeMap<&'static str, Memory>) -> String {
    let mut page = Page::default();
    room(&mut page, it);
    streams(&mut page, &it.streams);
    losses(&mut page, it);
    processes(&mut page, &it.children, memory);
    page.into_text()
}

/// What there is room for.
fn room(page: &mut Page, it: &Snapshot) {
    page.one(
        "framerill_capacity_streams",
        "gauge",
        "Streams at the same time at most",
        it.capacity,
    );
    let running = it.streams.iter().filter(|it| !it.is_ending);
    let running: u64 = running.map(|_| 1).sum();
    page.one("framerill_streams", "gauge", "Streams that run", running);
    page.one(
        "framerill_streams_started_total",
        "counter",
        "Streams since the start",
        it.started,
    );
    page.one(
        "framerill_ready",
        "gauge",
        "Whether a frame could go through now",
        it.is_ready,
    );
}

/// What was lost, and how long that lasted.
fn losses(page: &mut Page, it: &Snapshot) {
    let restarts = it.restarts.iter().map(|((role, reason), count)| {
        (
            format!("role=\"{role}\",reason=\"{}\"", label(reason)),
            *count,
        )
    });
    page.family(
        "framerill_restarts_total",
        "counter",
        "Restarts of child processes, by reason",
        restarts,
    );
    let faults = it.pipeline_faults.iter();
    page.family(
        "framerill_pipeline_faults_total",
        "counter",
        "Outputs of pipelines that answer no frame or are no picture, by kind",
        faults.map(|(kind, count)| (format!("kind=\"{kind}\""), *count)),
    );
    let left_out = it.log_left_out.iter();
    page.family(
        "framerill_child_log_lines_dropped_total",
        "counter",
        "Lines that child processes said and the log does not have: they said too many",
        left_out.map(|(role, count)| (format!("role=\"{role}\""), *count)),
    );
    page.one(
        "framerill_errors_superseded_total",
        "counter",
        "Errors that no event told, since newer ones came",
        it.errors_superseded,
    );
    page.one(
        "framerill_guardian_inputs_ignored_total",
        "counter",
        "What guardians were told of streams that do not run, or after their ERROR",
        it.guardian_inputs_ignored,
    );
    let recovery = &it.recovery;
    page.sum_and_count(
        "framerill_recovery_seconds",
        "From the loss of a worker to the next one's first picture",
        recovery.sum,
        recovery.count,
    );
    page.one(
        "framerill_last_recovery_seconds",
        "gauge",
        "The newest of them",
        recovery.last,
    );
}

fn processes(page: &mut Page, all: &[ChildView], memory: &BTreeMap<&'static str, Memory>) {
    let mut children = BTreeMap::new();
    for child in all.iter().filter(|it| it.pid.is_some()) {
        *children.entry((child.role, child.state)).or_insert(0_u64) += 1;
    }
    let children = children
        .into_iter()
        .map(|((role, state), count)| (format!("role=\"{role}\",state=\"{state}\""), count));
    page.family("framerill_processes", "gauge", "Child processes", children);
    let pss = memory
        .iter()
        .map(|(role, it)| (format!("role=\"{role}\""), it.pss));
    page.family(
        "framerill_memory_bytes",
        "gauge",
        "Proportional set size, by role of the process",
        pss,
    );
}

/// What is told of each stream.
fn streams(page: &mut Page, all: &[StreamView]) {
    let rows = |value: fn(&StreamView) -> Value| all.iter().map(move |it| (stream(it), value(it)));
    let states = all
        .iter()
        .map(|it| (format!("{},state=\"{}\"", stream(it), it.state), 1_u32));
    page.family(
        "framerill_stream_state",
        "gauge",
        "The state that a stream is in: 1",
        states,
    );
    for (name, kind, help, value) in table() {
        page.family(name, kind, help, rows(value));
    }
    page.family(
        "stream_fps",
        "gauge",
        "Finished pictures a second, as the peers' dashboards call it",
        rows(|it| it.stats.fps.into()),
    );
    let dropped = all.iter().flat_map(|it| {
        let stats = &it.stats;
        let reasons = [
            ("latest", stats.dropped_latest),
            ("no_worker", stats.dropped_unseen),
            ("order", stats.dropped_order),
            ("cap", stats.capped),
            ("skipped", stats.skipped),
            ("failed", stats.failed),
            ("lost_with_worker", stats.held),
        ];
        reasons.map(|(reason, value)| (format!("{},reason=\"{reason}\"", stream(it)), value))
    });
    page.family(
        "framerill_frames_dropped_total",
        "counter",
        "Frames without a finished picture of their own, by reason",
        dropped,
    );
    let latency = all.iter().flat_map(|it| {
        stages(&it.stats.latency_ms)
            .into_iter()
            .flat_map(|(stage, values)| {
                let labels = stream(it);
                ["0.5", "0.9", "0.99"]
                    .into_iter()
                    .zip(values)
                    .map(move |(quantile, ms)| {
                        (
                            format!("{labels},stage=\"{stage}\",quantile=\"{quantile}\""),
                            ms / 1000.0,
                        )
                    })
            })
    });
    page.family(
        "framerill_stage_latency_seconds",
        "summary",
        "Latency of the newest frames, by stage",
        latency,
    );
}

fn stages(it: &Latencies) -> [(&'static str, [f64; 3]); 5] {
    [
        ("decode", it.decode),
        ("queue", it.queue),
        ("process", it.process),
        ("encode", it.encode),
        ("total", it.total),
    ]
}

type Row = (
    &'static str,
    &'static str,
    &'static str,
    fn(&StreamView) -> Value,
);

fn table() -> [Row; 20] {
    const fn of(name: &'static str, help: &'static str, value: fn(&StreamView) -> Value) -> Row {
        (name, "counter", help, value)
    }
    fn stat(it: &StreamView) -> &MediaStats {
        &it.stats
    }
    [
        of(
            "framerill_frames_in_total",
            "Decoded frames that the cap left, dropped ones too",
            |it| stat(it).decoded.into(),
        ),
        of(
            "framerill_frames_delivered_total",
            "Frames that went to a worker",
            |it| stat(it).delivered.into(),
        ),
        of(
            "framerill_frames_answered_total",
            "Frames that a worker answered",
            |it| stat(it).answered.into(),
        ),
        of(
            "framerill_frames_out_total",
            "Finished pictures that were written",
            |it| stat(it).encoded.into(),
        ),
        of(
            "framerill_frames_late_total",
            "Finished pictures after their time: a filler stands in their place",
            |it| stat(it).late.into(),
        ),
        of(
            "framerill_frames_filler_total",
            "Pictures in place of finished ones",
            |it| stat(it).filler.into(),
        ),
        of(
            "framerill_frames_damaged_total",
            "Packets and pictures of the source that were damaged",
            |it| stat(it).damaged.into(),
        ),
        of(
            "framerill_time_jumps_total",
            "Jumps of the source's times that were closed",
            |it| stat(it).jumps.into(),
        ),
        (
            "framerill_time_offset_seconds",
            "gauge",
            "Added to the source's times now, over jumps and wraps of its clock",
            |it| seconds(stat(it).offset).into(),
        ),
        of(
            "framerill_picture_gaps_total",
            "Gaps in the pictures that were written",
            |it| stat(it).picture_gaps.into(),
        ),
        of(
            "framerill_sound_gaps_total",
            "Gaps in the sound of the source",
            |it| stat(it).sound_gaps.into(),
        ),
        of(
            "framerill_sound_dropped_total",
            "Packets of sound that were left out",
            |it| stat(it).sound_dropped.into(),
        ),
        of(
            "framerill_bytes_in_total",
            "Compressed bytes that came in",
            |it| it.bytes_in.into(),
        ),
        of(
            "framerill_bytes_out_total",
            "Compressed bytes that went out",
            |it| it.bytes_out.into(),
        ),
        of(
            "framerill_segments_missing_total",
            "Segments of the input that could not be had",
            |it| it.segments_missing.into(),
        ),
        of(
            "framerill_segments_out_total",
            "Segments that the output channel took whole",
            |it| it.segments_out.into(),
        ),
        of(
            "framerill_segments_lost_total",
            "Segments of the output that were lost",
            |it| it.segments_lost.into(),
        ),
        of(
            "framerill_events_dropped_total",
            "Events that nobody took",
            |it| it.events_dropped.into(),
        ),
        (
            "framerill_av_offset_seconds",
            "gauge",
            "Newest sound written less newest picture written",
            |it| (stat(it).av_offset_ms / 1000.0).into(),
        ),
        (
            "framerill_held_seconds",
            "gauge",
            "Since the newest finished picture was written",
            |it| stat(it).held_seconds.into(),
        ),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "below 2^53 ticks")]
fn seconds(ticks: i64) -> f64 {
    ticks as f64 / 90_000.0
}

fn stream(it: &StreamView) -> String {
    format!("stream=\"{}\",pipeline=\"{}\"", it.id, label(&it.pipeline))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_without_streams_says_what_there_is_room_for() {
        let snapshot = Snapshot {
            capacity: 3,
            restarts: [(("worker", "signal".to_owned()), 2)].into(),
            pipeline_faults: [("not_a_number", 3)].into(),
            log_left_out: [("worker", 7)].into(),
            errors_superseded: 4,
            guardian_inputs_ignored: 6,
            ..Snapshot::default()
        };
        let page = text(&snapshot, &[("infer", Memory { pss: 5 })].into());
        for line in [
            "framerill_capacity_streams 3.0",
            "framerill_streams 0.0",
            "framerill_restarts_total{role=\"worker\",reason=\"signal\"} 2.0",
            "framerill_pipeline_faults_total{kind=\"not_a_number\"} 3.0",
            "framerill_child_log_lines_dropped_total{role=\"worker\"} 7.0",
            "framerill_errors_superseded_total 4.0",
            "framerill_guardian_inputs_ignored_total 6.0",
            "framerill_memory_bytes{role=\"infer\"} 5.0",
        ] {
            assert!(page.lines().any(|it| it == line), "{line}\n{page}");
        }
    }

    #[test]
    fn quantiles_sums_and_counts_belong_to_summaries() {
        let page = text(&Snapshot::default(), &BTreeMap::new());
        for family in [
            "framerill_recovery_seconds",
            "framerill_stage_latency_seconds",
        ] {
            let head = format!("# TYPE {family} summary");
            assert!(page.lines().any(|it| it == head), "{family}\n{page}");
        }
        assert!(page.contains("\nframerill_recovery_seconds_count 0.0\n"));
        assert!(!page.contains("TYPE framerill_recovery_seconds_"));
    }

    #[test]
    fn no_family_is_told_twice() {
        let page = text(&Snapshot::default(), &BTreeMap::new());
        let mut names: Vec<_> = page.lines().filter(|it| it.starts_with("# TYPE")).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        for taken in [
            "process_",
            "# TYPE version",
            "framerill_infer_",
            "framerill_http_",
        ] {
            assert!(!page.contains(taken), "{taken} is the container's");
        }
    }
}
