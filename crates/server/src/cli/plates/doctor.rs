//! `framerill plates doctor`.

use std::path::PathBuf;

use clap::Args;

use super::Tuning;
use crate::{
    exit::Exit,
    failure::Failure,
    plates::{self, Asked},
};

/// Say whether a run would work here, and what to do where it would not.
///
/// Exit code 0 when it would, 3 when something that it needs is missing, 1 when something is there and does not do.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    tuning: Tuning,
    /// Configuration file [default: framerill.toml in this folder, where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        plates::doctor::doctor(Asked {
            config: self.config,
            json: self.json,
            ..Asked::of(self.tuning.flags())
        })
    }
}
