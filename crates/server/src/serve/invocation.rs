//! How infer is called: its program, arguments and variables.

use framerill_supervisor::Command;

use super::settings::Settings;
use crate::{failure::Failure, prepare, program};

/// The command of infer, its port apart.
pub(super) fn of_infer(settings: &Settings) -> Result<Command, Failure> {
    let program = match &settings.infer_program {
        Some(program) => program.clone(),
        None => program::this()?,
    };
    let mut command = Command::new(program)
        .args(["infer", "--pipeline", &settings.pipeline.target])
        .args(["--capacity", &settings.capacity.to_string()]);
    if !settings.initial_params.is_empty() {
        let params = serde_json::Value::Object(settings.initial_params.clone());
        command = command.args(["--initial-params", &params.to_string()]);
    }
    // Infer asks nobody for a token.
    for name in ["AUTH_TOKEN", "FRAMERILL_AUTH_TOKEN"] {
        command = command.env_remove(name);
    }
    if settings.verbose {
        command = command.env("VERBOSE_LOGGING", "1");
    }
    for (name, value) in &settings.for_infer {
        command = command.env(name, value);
    }
    for (name, folder) in prepare::model_variables(settings.model_dir.clone()) {
        command = command.env(name, folder);
    }
    Ok(command)
}
