//! `framerill demo`.

use std::path::PathBuf;

use clap::Args;

use crate::{
    demo::{self, Demo as Asked},
    exit::Exit,
    failure::Failure,
};

/// Show the live runner at work.
///
/// A generated source is published in real time, goes through a Python pipeline in a worker of its own, and is read at the
/// other end. What came out is out/demo.mp4; out/demo.png shows before and after, out/demo.log what the processes said.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Seconds of video
    #[arg(long, value_name = "S", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Folder to write to
    #[arg(long, value_name = "DIR", default_value = "out")]
    output: PathBuf,
    /// Python to run the pipeline with
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Keep all of it up until Ctrl-C; only the first seconds are recorded
    #[arg(long)]
    stay: bool,
    /// End with one JSON object on stdout
    #[arg(long)]
    json: bool,
}

impl Demo {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        demo::demo(&Asked {
            seconds: self.seconds,
            folder: self.output,
            python: self.python,
            stay: self.stay,
            json: self.json,
        })
    }
}
