//! Preparing: a pipeline fetches or compiles what it needs, in a Python child, before anything serves it.

use std::{
    env,
    path::{Path, PathBuf},
    process::Stdio,
};

use crate::{
    environments::Effort,
    failure::Failure,
    run::{self, Pipeline},
    terminal,
};

/// Where models lie, for whoever loads or fetches them: the folder, and Hugging Face's unless they are set.
pub(crate) fn model_variables(folder: Option<PathBuf>) -> Vec<(&'static str, PathBuf)> {
    let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".lpData/models"));
    let Some(folder) = folder.or_else(home) else {
        return Vec::new();
    };
    let is_set = |name: &str| env::var_os(name).is_some_and(|it| !it.is_empty());
    ["MODEL_DIR", "HUGGINGFACE_HUB_CACHE", "DIFFUSERS_CACHE"]
        .into_iter()
        .filter(|name| *name == "MODEL_DIR" || !is_set(name))
        .map(|name| (name, folder.clone()))
        .collect()
}

/// Has it prepare itself. What it prints passes through; with `quiet_stdout` to stderr.
pub(crate) fn prepare(
    pipeline: Pipeline,
    python: Option<&Path>,
    models: Option<PathBuf>,
    quiet_stdout: bool,
) -> Result<(), Failure> {
    let pipeline = pipeline.placed(python, Effort::Thorough)?;
    let name = pipeline.short_name();
    if matches!(pipeline, Pipeline::BuiltIn(_)) {
        terminal::tell(format_args!(
            "`{name}` is built in and has nothing to prepare"
        ));
        return Ok(());
    }
    let interpreter = run::interpreter(&pipeline, python)?;
    let mut command = run::question(&pipeline, &interpreter, "prepare");
    command
        .envs(model_variables(models))
        // Whoever prepares may fetch, whatever an image sets for those that run (runner contract §3.1).
        .env("HF_HUB_OFFLINE", "0")
        .env("PYTHONSAFEPATH", "1")
        .env("PYTHONUNBUFFERED", "1")
        .stdin(Stdio::null());
    if quiet_stdout {
        command.stdout(terminal::stderr_of_child()?);
    }
    let status = command.status().map_err(|error| {
        let python = interpreter.display();
        Failure::cannot_start("no_program", format!("cannot run `{python}`: {error}"))
            .hint("install Python 3.10 or newer, or name one with --python")
    })?;
    let shown = match &pipeline {
        Pipeline::Spec(_) => &name,
        other => other.target(),
    };
    match status.code() {
        Some(0) => Ok(()),
        Some(2) if pipeline.is_plain_name() => Err(pipeline.unknown(python)),
        Some(2) => Err(
            Failure::usage("unknown_pipeline", format!("`{shown}` is no pipeline"))
                .hint("the lines above say what is missing"),
        ),
        Some(1) => Err(Failure::failed(
            "prepare",
            format!("`{name}` could not prepare its models"),
        )
        .hint("its own lines above say why")),
        _ => Err(Failure::failed(
            "prepare",
            format!("preparing `{name}` ended with {status}"),
        )),
    }
}
