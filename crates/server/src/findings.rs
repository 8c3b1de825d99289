//! What a doctor finds, as it tells it.

use serde::Serialize;

use crate::{exit::Exit, terminal};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) name: &'static str,
    pub(crate) state: State,
    pub(crate) found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// As it has to be.
    Ok,
    /// A run works, but not as well as it could.
    Limited,
    /// It is there and does not do.
    Broken,
    /// It is not there.
    Missing,
}

impl Finding {
    /// With what to do.
    pub(crate) fn new(
        name: &'static str,
        state: State,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            name,
            state,
            found: found.into(),
            remedy: Some(remedy.into()),
        }
    }
}

/// As it has to be.
pub(crate) fn ok(name: &'static str, found: impl Into<String>) -> Finding {
    Finding {
        name,
        state: State::Ok,
        found: found.into(),
        remedy: None,
    }
}

/// Tells all of them: 3 where something is missing, else 1 where something does not do.
pub(crate) fn tell(findings: &[Finding], as_json: bool) -> Exit {
    let has = |state| findings.iter().any(|it| it.state == state);
    let exit = match (has(State::Missing), has(State::Broken)) {
        (true, _) => Exit::CannotStart,
        (false, true) => Exit::Failed,
        (false, false) => Exit::Done,
    };
    let is_ready = exit == Exit::Done;
    if as_json {
        terminal::answer_json(&serde_json::json!({"ready": is_ready, "findings": findings}));
        return exit;
    }
    for it in findings {
        let mark = match it.state {
            State::Ok => "ok",
            State::Limited => "limited",
            State::Broken => "broken",
            State::Missing => "missing",
        };
        terminal::answer(format_args!("{mark:<8} {:<20} {}", it.name, it.found));
        if let Some(remedy) = &it.remedy {
            terminal::answer(format_args!("{:<8} {:<20} → {remedy}", "", ""));
        }
    }
    terminal::answer(if is_ready {
        "ready"
    } else {
        "a run would not work yet"
    });
    exit
}
