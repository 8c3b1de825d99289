//! How infer is called: its program, arguments and variables.

use std::{env, path::PathBuf};

use framerill_supervisor::Command;

use super::settings::Settings;
use crate::{failure::Failure, program};

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
    let models = settings.model_dir.clone().or_else(default_models);
    for name in ["MODEL_DIR", "HUGGINGFACE_HUB_CACHE", "DIFFUSERS_CACHE"] {
        let is_set = env::var_os(name).is_some_and(|it| !it.is_empty());
        if let Some(models) = models.as_ref().filter(|_| !is_set || name == "MODEL_DIR") {
            command = command.env(name, models);
        }
    }
    Ok(command)
}

fn default_models() -> Option<PathBuf> {
    let home = env::var_os("HOME").map(PathBuf::from)?;
    Some(home.join(".lpData/models"))
}
