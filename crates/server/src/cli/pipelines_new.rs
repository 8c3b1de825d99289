//! `framerill pipelines new`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::{
    exit::Exit,
    failure::Failure,
    program,
    scaffold::{self, Name, Package},
    terminal::{answer, answer_json},
};

/// Write a new pipeline's package: pipeline, parameters, test, README, Dockerfile
#[derive(Debug, Args)]
pub(super) struct New {
    /// What it is called: words of letters and digits, joined by hyphens
    name: String,
    /// Folder to write it into; the package gets a folder of its own there
    #[arg(long, value_name = "DIR", default_value = ".")]
    path: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl New {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let name = Name::parse(&self.name)?;
        let package = scaffold::write(&name, &self.path)?;
        let next = next(&package);
        if self.json {
            let mut object = json!(package);
            object["next"] = json!(next);
            answer_json(&object);
            return Ok(Exit::Done);
        }
        answer(format_args!(
            "wrote `{}`: {} files, the pipeline is {}",
            package.path.display(),
            package.files.len(),
            pipeline(&package)
        ));
        for line in next {
            answer(format_args!("  {line}"));
        }
        Ok(Exit::Done)
    }
}

fn pipeline(package: &Package) -> String {
    format!("src/{}/pipeline.py", package.module)
}

/// What to do with it, as command lines.
fn next(package: &Package) -> [String; 3] {
    let folder = package.path.display();
    [
        format!("cd {folder}"),
        format!(
            "framerill run CLIP.mp4 --pipeline ./src/{} --reload -o out.mp4",
            package.module
        ),
        format!("{} -m pytest", program::python(None).display()),
    ]
}
