//! `framerill demo`.

use std::path::PathBuf;

use clap::Args;

use crate::{exit::Exit, failure::Failure, run};

/// Show the whole thing at work.
///
/// A source that is generated in real time goes through a Python pipeline in a worker of its own; what comes out is
/// out/demo.mp4 and, before and after, out/demo.png.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Seconds of video
    #[arg(long, value_name = "S", default_value_t = 15)]
    seconds: u32,
    /// Folder to write to
    #[arg(long, value_name = "DIR", default_value = "out")]
    output: PathBuf,
    /// Python to run the pipeline with
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// End with one JSON object on stdout
    #[arg(long)]
    json: bool,
}

impl Demo {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        run::demo(self.seconds, &self.output, self.python, self.json)
    }
}
