//! `framerill pipelines prepare`.

use std::{env, path::PathBuf};

use clap::Args;
use serde_json::json;

use crate::{exit::Exit, failure::Failure, prepare, run::Pipeline, terminal::answer_json};

/// Have a pipeline fetch or compile its models before it runs.
///
/// Calls its `prepare_models()` in the Python that has it. What that prints passes through; the command ends with 0, or
/// with 1 when it raises. HF_HUB_OFFLINE is 0 for it, whatever an image sets.
#[derive(Debug, Args)]
pub(in super::super) struct Prepare {
    /// Built-in name, FILE.py, module:Class or the name of an installed package's entry point
    #[arg(value_name = "NAME|TARGET")]
    name: String,
    /// Python to use for what is in no environment
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Folder of models, also MODEL_DIR [default: ~/.lpData/models]
    #[arg(long, value_name = "DIR", env = "FRAMERILL_MODEL_DIR")]
    model_dir: Option<PathBuf>,
    /// End with one JSON object on stdout; what the pipeline prints goes to stderr
    #[arg(long)]
    json: bool,
}

impl Prepare {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let pipeline = Pipeline::find(&self.name)?;
        let name = pipeline.short_name();
        let of_contract = || env::var_os("MODEL_DIR").filter(|it| !it.is_empty());
        let models = self.model_dir.or_else(|| of_contract().map(PathBuf::from));
        prepare::prepare(pipeline, self.python.as_deref(), models, self.json)?;
        if self.json {
            answer_json(&json!({"status": "done", "pipeline": name}));
        }
        Ok(Exit::Done)
    }
}
