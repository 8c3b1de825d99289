//! `/metrics`, in Prometheus' text format. Pure.

use std::collections::BTreeMap;

use super::{keeper::Infer, proc::Proc};
use crate::exposition::{Page, Value, label};

/// What is told.
pub(super) struct Scrape<'a> {
    pub(super) version: &'a str,
    pub(super) proc: Proc,
    pub(super) infer: Infer,
    pub(super) answers: BTreeMap<(&'static str, u16), u64>,
    /// Infer's own page, if it has one.
    pub(super) infers: Option<&'a str>,
}

/// The page. Names without our prefix are those of the peers' dashboards.
pub(super) fn text(it: &Scrape<'_>) -> String {
    let mut page = Page::default();
    let version = format!("app=\"ai-runner\",version=\"{}\"", label(it.version));
    page.family(
        "version",
        "gauge",
        "Version of the runner",
        [(version, 1_u32)],
    );
    process(&mut page, &it.proc);
    page.one(
        "framerill_infer_up",
        "gauge",
        "Whether infer runs and has answered since its start",
        !it.infer.is_coming(),
    );
    page.one(
        "framerill_infer_restarts_total",
        "counter",
        "Restarts of infer",
        it.infer.restarts,
    );
    let answers = it.answers.iter().map(|((route, status), count)| {
        let labels = format!("route=\"{}\",status=\"{status}\"", label(route));
        (labels, *count)
    });
    page.family(
        "framerill_http_responses_total",
        "counter",
        "Answers of the container API",
        answers,
    );
    if let Some(infers) = it.infers {
        page.append(infers);
    }
    page.into_text()
}

/// Of this process, as Prometheus' own clients call it.
fn process(page: &mut Page, proc: &Proc) {
    let rows: [(&str, &str, Value); 5] = [
        (
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            proc.virtual_bytes.into(),
        ),
        (
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            proc.resident_bytes.into(),
        ),
        (
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            proc.start_seconds.into(),
        ),
        (
            "process_open_fds",
            "Number of open file descriptors.",
            proc.open_fds.into(),
        ),
        (
            "process_max_fds",
            "Maximum number of open file descriptors.",
            proc.max_fds.into(),
        ),
    ];
    for (name, help, value) in rows {
        page.one(name, "gauge", help, value);
    }
    page.one(
        "process_cpu_seconds_total",
        "counter",
        "Total user and system CPU time spent in seconds.",
        proc.cpu_seconds,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_peers_names_and_ours() {
        let page = text(&Scrape {
            version: "1.2.\"3",
            proc: Proc::default(),
            infer: Infer {
                incarnation: 2,
                port: Some(1),
                has_answered: true,
                restarts: 1,
            },
            answers: [(("/health", 200), 7)].into(),
            infers: Some("# TYPE stream_fps gauge\nstream_fps 24.0"),
        });
        for line in [
            "version{app=\"ai-runner\",version=\"1.2.\\\"3\"} 1.0",
            "# TYPE process_cpu_seconds_total counter",
            "process_open_fds 0.0",
            "framerill_infer_up 1.0",
            "framerill_infer_restarts_total 1.0",
            "framerill_http_responses_total{route=\"/health\",status=\"200\"} 7.0",
            "stream_fps 24.0",
        ] {
            assert!(page.lines().any(|it| it == line), "{line}\n{page}");
        }
        assert!(page.ends_with('\n') && !page.contains("\n\n"));
    }
}
