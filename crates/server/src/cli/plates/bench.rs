//! `framerill plates bench`.

use std::path::PathBuf;

use clap::Args;

use crate::{exit::Exit, failure::Failure, plates::bench};

/// Say what is read right and how fast, on material with truths, beside a plain loop in Python in the same run.
#[derive(Debug, Args)]
pub(super) struct Bench {
    /// Folder with model files [default: `models` of the material]
    #[arg(long, value_name = "DIR", env = "FRAMERILL_MODELS")]
    models: Option<PathBuf>,
    /// Folder with `images` and `video` [default: ../shared/material] [env: FRAMERILL_MATERIAL]
    #[arg(long, value_name = "DIR")]
    material: Option<PathBuf>,
    /// Only this measurement: stills or clips
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Python of the plain loop, with onnxruntime and OpenCV
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Leave the plain loop out
    #[arg(long)]
    no_peer: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        bench::bench(&bench::Asked {
            models: self.models,
            material: self.material,
            only: self.only,
            python: self.python,
            no_peer: self.no_peer,
            json: self.json,
        })
    }
}
