//! `framerill bench live`: what a live stream costs, how late it is, and how soon it begins.
//!
//! Everything is as in operation: `framerill serve`, with all that it starts, and a trickle server are processes of their
//! own on loopback; a camera here publishes a clip in real time and a viewer here reads what comes out. CPU and memory
//! are the kernel's; times are those of this process, at which bytes left and came. FFmpeg's own command line for the
//! same clip runs in the same bench.
//!
//! Read in this order: [`clip`], [`film`] (camera and viewer), [`system`] (the processes), [`script`] (the Python pipelines), then a file a measurement:
//! [`stream`] (cost, delay, memory, first picture), [`answers`] (how fast HTTP answers in trouble, some of which is
//! [`stalls`]), [`many`] (streams side by side), [`starts`] (what a thousand starts leave behind).

mod answers;
mod clip;
mod film;
mod http;
mod many;
mod peer;
mod script;
mod stalls;
mod starts;
mod stream;
mod system;
pub(crate) mod usage;

use std::time::Duration;

use serde::Serialize;

use super::broken;
use crate::{
    exit::Exit,
    failure::Failure,
    runtime,
    terminal::{answer, tell},
};

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) seconds: u32,
    pub(crate) starts: u32,
    pub(crate) only: Option<String>,
    pub(crate) json: bool,
}

/// One figure and its budget.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    what: &'static str,
    value: f64,
    unit: &'static str,
    /// The most that it may be; none for a figure that stands beside others.
    budget: Option<f64>,
    ok: bool,
}

impl Row {
    pub(super) fn judged(what: &'static str, value: f64, unit: &'static str, budget: f64) -> Self {
        Self {
            what,
            value,
            unit,
            budget: Some(budget),
            ok: value <= budget,
        }
    }

    pub(super) fn told(what: &'static str, value: f64, unit: &'static str) -> Self {
        Self {
            what,
            value,
            unit,
            budget: None,
            ok: true,
        }
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "bytes far below 2^52")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[derive(Serialize)]
pub(super) struct Report {
    pub(super) seconds: u32,
    pub(super) rows: Vec<Row>,
    /// Measurements that this machine does not allow, and why.
    pub(super) skipped: Vec<String>,
}

impl Report {
    fn missed(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| !row.ok)
    }

    /// Whether everything that was judged keeps to its budget.
    fn exit(&self) -> Exit {
        if self.missed().next().is_some() {
            Exit::Failed
        } else {
            Exit::Done
        }
    }

    /// What was skipped and missed, and with `json` the whole.
    pub(super) fn conclude(&self, json: bool) -> Result<Exit, Failure> {
        for skipped in &self.skipped {
            tell(format_args!("SKIPPED {skipped}"));
        }
        for row in self.missed() {
            let (what, value, unit) = (row.what, row.value, row.unit);
            let most = row.budget.unwrap_or(f64::NAN);
            tell(format_args!(
                "MISSED {what}: {value:.2} {unit}, at most {most}"
            ));
        }
        if json {
            let text = serde_json::to_string_pretty(self).map_err(broken)?;
            answer(text);
        }
        Ok(self.exit())
    }
}

/// A measurement's name, and how it is taken.
const PARTS: [&str; 5] = ["noop", "python", "answers", "many", "starts"];

/// Measures and prints.
pub(crate) fn live(asked: &Asked) -> Result<Exit, Failure> {
    let wanted = |part: &str| asked.only.as_ref().is_none_or(|only| only == part);
    if !PARTS.iter().any(|part| wanted(part)) {
        let text = format!("no such measurement; they are: {}", PARTS.join(", "));
        return Err(Failure::usage("no_measurement", text));
    }
    let mut report = Report {
        seconds: asked.seconds,
        rows: Vec::new(),
        skipped: Vec::new(),
    };
    let runtime = runtime::of_one_thread()?;
    for part in PARTS.into_iter().filter(|part| wanted(part)) {
        if !asked.json {
            tell(format_args!("measuring: {part}"));
        }
        let before = report.rows.len();
        let measured = async {
            match part {
                "noop" => stream::noop(asked.seconds, &mut report.rows, &mut report.skipped).await,
                "python" => stream::python(asked.seconds, &mut report.rows).await,
                "answers" => answers::measure(&mut report.rows, &mut report.skipped).await,
                "many" => many::measure(asked.seconds, &mut report.rows, &mut report.skipped).await,
                _ => starts::measure(asked.starts, &mut report.rows).await,
            }
        };
        let measured = runtime.block_on(measured);
        measured.map_err(|error| broken(format!("{part}: {error}")))?;
        if !asked.json {
            report.rows[before..].iter().for_each(print);
        }
    }
    report.conclude(asked.json)
}

/// What a Python worker's `noop` costs on the live path, in what a Rust worker's does.
pub(super) fn python_to_rust(seconds: u32) -> Result<Vec<Row>, Failure> {
    let measured = runtime::of_one_thread()?.block_on(stream::python_to_rust(seconds));
    measured.map_err(|error| broken(format!("live: {error}")))
}

pub(super) fn print(row: &Row) {
    let (budget, verdict) = match row.budget {
        Some(budget) => (format!("≤ {budget}"), if row.ok { "ok" } else { "MISSED" }),
        None => (String::new(), ""),
    };
    answer(format_args!(
        "{:<46} {:>9.2} {:<5} {budget:<8} {verdict}",
        row.what, row.value, row.unit
    ));
}

/// The value below which `share` of all lie, `share` out of a thousand.
fn at(sorted: &[f64], share: usize) -> f64 {
    let index = (sorted.len() * share / 1000).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_misses_its_budget_or_is_none_ends_with_exit_code_1() {
        let kept = || {
            vec![
                Row::judged("delay", 25.0, "ms", 25.0),
                Row::told("  more", 99.0, "ms"),
            ]
        };
        let exit = |rows: Vec<Row>, skipped: &[&str]| {
            let report = Report {
                seconds: 12,
                rows,
                skipped: skipped.iter().map(ToString::to_string).collect(),
            };
            report.exit()
        };
        assert_eq!(exit(kept(), &[]), Exit::Done);
        assert_eq!(exit(kept(), &["8 streams"]), Exit::Done);
        for missed in [25.1, f64::NAN] {
            let mut rows = kept();
            rows.insert(0, Row::judged("cores", missed, "", 25.0));
            assert_eq!(exit(rows, &[]), Exit::Failed, "{missed}");
        }
    }
}
