//! `/metrics`, in Prometheus' text format. Pure.

use std::{collections::BTreeMap, fmt::Write};

use super::{keeper::Infer, proc::Proc};

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
    let mut page = String::new();
    let version = label(it.version);
    let proc = &it.proc;
    let mut family = |name: &str, kind: &str, help: &str, rows: &[(String, f64)]| {
        // Writing to a String cannot fail.
        write!(page, "# HELP {name} {help}\n# TYPE {name} {kind}\n").ok();
        for (labels, value) in rows {
            writeln!(page, "{name}{labels} {value:?}").ok();
        }
    };
    let one = |value: f64| [(String::new(), value)];
    let whole = |value: u64| one(float(value));
    family(
        "version",
        "gauge",
        "Version of the runner",
        &[(format!("{{app=\"ai-runner\",version=\"{version}\"}}"), 1.0)],
    );
    for (name, help, rows) in [
        (
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            whole(proc.virtual_bytes),
        ),
        (
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            whole(proc.resident_bytes),
        ),
        (
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            one(proc.start_seconds),
        ),
        (
            "process_open_fds",
            "Number of open file descriptors.",
            whole(proc.open_fds),
        ),
        (
            "process_max_fds",
            "Maximum number of open file descriptors.",
            whole(proc.max_fds),
        ),
        (
            "framerill_infer_up",
            "Whether infer runs and has answered since its start",
            whole(u64::from(!it.infer.is_coming())),
        ),
    ] {
        family(name, "gauge", help, &rows);
    }
    family(
        "process_cpu_seconds_total",
        "counter",
        "Total user and system CPU time spent in seconds.",
        &one(proc.cpu_seconds),
    );
    family(
        "framerill_infer_restarts_total",
        "counter",
        "Restarts of infer",
        &whole(it.infer.restarts),
    );
    let answers: Vec<_> = it
        .answers
        .iter()
        .map(|((route, status), count)| {
            let labels = format!("{{route=\"{}\",status=\"{status}\"}}", label(route));
            (labels, float(*count))
        })
        .collect();
    family(
        "framerill_http_responses_total",
        "counter",
        "Answers of the container API",
        &answers,
    );
    if let Some(infers) = it.infers {
        page.push_str(infers.trim_end());
        page.push('\n');
    }
    page
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has no integers")]
fn float(value: u64) -> f64 {
    value as f64
}

fn label(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
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
