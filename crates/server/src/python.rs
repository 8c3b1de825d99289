//! Questions to the Python package: which pipelines are installed, what is one of them.

use std::{path::Path, process::Command, time::Duration};

use serde_json::Value;

use crate::{
    contained,
    failure::Failure,
    program,
    question::{WITHIN, ask_command},
    terminal,
};

/// Asks `python -m framerill.pipelines ARGS` and returns its JSON.
pub(crate) fn ask(python: Option<&Path>, args: &[&str]) -> Result<Value, Failure> {
    let python = program::python(python);
    let mut command = contained::command(&python);
    command.args(["-m", "framerill.pipelines"]).args(args);
    ask_command_of(&python, command, WITHIN)
}

/// The same, with a command of its own.
pub(crate) fn ask_command_of(
    python: &Path,
    mut command: Command,
    within: Duration,
) -> Result<Value, Failure> {
    let answer = ask_command(&mut command, within).map_err(|failure| {
        failure.or_hint("install Python 3.10 or newer, or name one with --python")
    })?;
    let value: Option<Value> = serde_json::from_str(&answer.out).ok();
    match value {
        Some(value) if answer.success => Ok(value),
        Some(value) if value.get("code").is_some() => {
            let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
            let code = text("code").unwrap_or_default();
            if let Some(traceback) = text("traceback") {
                terminal::tell(traceback.trim_end());
            }
            let message =
                text("message").unwrap_or_else(|| "the pipeline cannot be described".into());
            let failure = match code.as_str() {
                "unknown_pipeline" => Failure::usage(&code, message),
                _ => Failure::cannot_start(&code, message),
            };
            Err(match text("hint") {
                Some(hint) => failure.hint(hint),
                None => failure,
            })
        }
        _ if answer.err.trim().is_empty() => Err(Failure::cannot_start(
            "import_failed",
            "its import ended the Python that looked at it, without a word",
        )
        .hint("look at what its module does when it is imported")),
        _ => Err(no_package(python, &answer.err)),
    }
}

/// What Python says when the package is not there.
pub(crate) const NO_MODULE: &str = "No module named 'framerill'";

/// The failure for a Python without the package; `stderr` is what it said.
pub(crate) fn no_package(python: &Path, stderr: &str) -> Failure {
    let shown = python.display();
    let last = stderr.lines().last().unwrap_or("no answer").trim();
    let text = format!("`{shown}` cannot use the Python package: {last}");
    Failure::cannot_start("no_python_package", text).hint(format!(
        "name a Python that has it with --python or FRAMERILL_PYTHON (`make setup` in a clone makes .venv/bin/python), \
         or install it: {shown} -m pip install CLONE/python/framerill"
    ))
}
