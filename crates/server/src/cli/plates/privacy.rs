//! `framerill plates erase` and `retain`.

use std::time::Duration;

use clap::Args;

use super::Place;
use crate::{exit::Exit, failure::Failure, plates::records};

/// Take a plate out of the database, for good.
///
/// It stays out, also when its videos are read again, with `--force` too.
#[derive(Debug, Args)]
pub(super) struct Erase {
    /// Whole; case and separators do not count
    plate: String,
    /// Let an erased plate in again instead, from the next run on that finds it
    #[arg(long)]
    undo: bool,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Erase {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let (place, plate) = (self.place.into(), &self.plate);
        if self.undo {
            records::let_in(place, plate, self.json)
        } else {
            records::erase(place, plate, self.json)
        }
    }
}

/// Take out of the database what is older than an age.
///
/// A vehicle is as old as the moment at which it was recorded. Its tracks and motion go with it.
#[derive(Debug, Args)]
pub(super) struct Retain {
    /// How old, as 30d, 12h, 2w or 90m
    #[arg(long, value_name = "AGE", value_parser = records::age)]
    older_than: Duration,
    /// Say what would go, and leave it there
    #[arg(long)]
    dry_run: bool,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Retain {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        records::retain(self.place.into(), self.older_than, self.dry_run, self.json)
    }
}
