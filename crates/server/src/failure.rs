//! Why a command ends without having done what was asked: one line that says what is wrong and what to do.

use std::fmt;

use framerill_worker::message::{ErrorReport, Problem};

use crate::exit::Exit;

/// A failure as the user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How the command ends.
    pub exit: Exit,
    /// Stable code, snake_case, for `--json`.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The command's own `--json` object has told it already.
    pub is_reported: bool,
}

impl Failure {
    /// Asked for wrongly.
    pub fn usage(code: &str, message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            code: code.into(),
            message: message.into(),
            hint: None,
            is_reported: false,
        }
    }

    /// Cannot start.
    pub fn cannot_start(code: &str, message: impl Into<String>) -> Self {
        Self {
            exit: Exit::CannotStart,
            ..Self::usage(code, message)
        }
    }

    /// Failed at work.
    pub fn failed(code: &str, message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Failed,
            ..Self::usage(code, message)
        }
    }

    /// The same, with what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with what to do unless it says so already.
    #[must_use]
    pub fn or_hint(self, hint: impl Into<String>) -> Self {
        match self.hint {
            Some(_) => self,
            None => self.hint(hint),
        }
    }

    /// A child's error report. Parameters and unknown pipelines are the user's to mend; the rest failed.
    #[must_use]
    pub fn of_child(report: &ErrorReport) -> Self {
        let exit = match report.code.as_str() {
            "params" | "unknown_pipeline" => Exit::Usage,
            "load_failed" | "import_failed" | "sink_open" => Exit::CannotStart,
            _ => Exit::Failed,
        };
        let message = match report.problems.as_slice() {
            [] => report.message.clone(),
            problems => problems.iter().map(sentence).collect::<Vec<_>>().join("; "),
        };
        Self {
            exit,
            code: report.code.clone(),
            message,
            hint: report.hint.clone(),
            is_reported: false,
        }
    }
}

/// Field, rule and value of a broken rule.
fn sentence(problem: &Problem) -> String {
    let Problem {
        field,
        rule,
        value,
        message,
    } = problem;
    format!("{message} (parameter `{field}`, rule `{rule}`, value {value})")
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one_line = |text: &str| {
            text.split('\n')
                .map(str::trim)
                .collect::<Vec<_>>()
                .join(" ")
        };
        write!(f, "{}", one_line(&self.message))?;
        match &self.hint {
            Some(hint) => write!(f, "; {}", one_line(hint)),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_failure_is_one_line_with_what_to_do() {
        let failure = Failure::usage("x", "a\n b").hint("do\nthis");
        assert_eq!(failure.to_string(), "a b; do this");
    }

    #[test]
    fn broken_parameters_name_field_rule_and_value_and_are_a_usage_error() {
        let report = ErrorReport {
            problems: vec![Problem {
                field: "radius".into(),
                rule: "maximum 64".into(),
                value: json!(99),
                message: "`radius` has to be at most 64".into(),
            }],
            ..ErrorReport::of_request(1, "params", "1 problem")
        };
        let failure = Failure::of_child(&report);
        assert_eq!(failure.exit, Exit::Usage);
        for part in ["radius", "99", "maximum 64"] {
            assert!(failure.to_string().contains(part));
        }
    }
}
