//! Figures and what they have to reach.

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    exit::Exit,
    terminal::{answer, answer_json, tell},
};

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    what: String,
    value: f64,
    unit: &'static str,
    /// What it has to reach; none for a figure that stands beside others.
    budget: Option<f64>,
    at_least: bool,
    ok: bool,
}

impl Row {
    pub(super) fn told(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            what: what.into(),
            value,
            unit,
            budget: None,
            at_least: false,
            ok: true,
        }
    }

    pub(super) fn at_least(
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        budget: f64,
    ) -> Self {
        Self {
            budget: Some(budget),
            at_least: true,
            // Not a number is nothing that was reached.
            ok: value >= budget,
            ..Self::told(what, value, unit)
        }
    }

    pub(super) fn at_most(
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        budget: f64,
    ) -> Self {
        Self {
            budget: Some(budget),
            ok: value <= budget,
            ..Self::told(what, value, unit)
        }
    }

    fn bound(&self) -> String {
        let sign = if self.at_least { "≥" } else { "≤" };
        self.budget
            .map_or_else(String::new, |it| format!("{sign} {it}"))
    }
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) rows: Vec<Row>,
    /// What this machine or folder does not allow to measure, and why.
    pub(super) skipped: Vec<String>,
    json: bool,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            ..Self::default()
        }
    }

    /// Says what is measured now.
    pub(super) fn begin(&self, what: &str) {
        if !self.json {
            tell(format_args!("measuring: {what}"));
        }
    }

    pub(super) fn add(&mut self, rows: Vec<Row>) {
        if !self.json {
            for row in &rows {
                let verdict = match (row.budget, row.ok) {
                    (None, _) => "",
                    (_, true) => "ok",
                    (_, false) => "MISSED",
                };
                answer(format_args!(
                    "{:<58} {:>9.2} {:<8} {:<8} {verdict}",
                    row.what,
                    row.value,
                    row.unit,
                    row.bound()
                ));
            }
        }
        self.rows.extend(rows);
    }

    pub(super) fn conclude(&self) -> Exit {
        for skipped in &self.skipped {
            tell(format_args!("SKIPPED {skipped}"));
        }
        let mut exit = Exit::Done;
        for row in self.rows.iter().filter(|row| !row.ok) {
            exit = Exit::Failed;
            tell(format_args!(
                "MISSED {}: {:.2} {}, {}",
                row.what,
                row.value,
                row.unit,
                row.bound()
            ));
        }
        if self.json {
            let report: Value = json!({"rows": self.rows, "skipped": self.skipped});
            answer_json(&report);
        }
        exit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_misses_its_bound_or_is_no_number_ends_with_exit_code_1() {
        let exit = |row: Row| {
            let mut report = Report::new(true);
            report.rows.push(row);
            report.conclude()
        };
        assert_eq!(exit(Row::told("a", 1.0, "")), Exit::Done);
        assert_eq!(exit(Row::at_least("a", 28.0, "", 28.0)), Exit::Done);
        assert_eq!(exit(Row::at_most("a", 1.0, "", 1.0)), Exit::Done);
        for missed in [
            Row::at_least("a", 27.9, "", 28.0),
            Row::at_most("a", 1.1, "", 1.0),
            Row::at_least("a", f64::NAN, "", 28.0),
            Row::at_most("a", f64::NAN, "", 1.0),
        ] {
            assert_eq!(exit(missed), Exit::Failed);
        }
    }
}
