//! `framerill plates run`: the wiring.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    config,
    inputs::{self, Inputs},
    settings::Settings,
    workdir::WorkDir,
};
use crate::{exit::Exit, failure::Failure, serve, terminal};

/// A run that is asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) paths: Vec<PathBuf>,
    /// Read what is done once more.
    pub(crate) force: bool,
    /// A video that could be read only in part fails the run.
    pub(crate) strict: bool,
    pub(crate) recursive: bool,
    pub(crate) limit: Option<usize>,
    pub(crate) config: Option<PathBuf>,
    /// Whether `.env` in this folder counts.
    pub(crate) dotenv: bool,
    pub(crate) status_json: Option<PathBuf>,
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    /// Settings by the names of their flags.
    pub(crate) flags: BTreeMap<&'static str, String>,
}

/// Reads the videos that are asked for.
pub(crate) fn run(mut asked: Asked) -> Result<Exit, Failure> {
    let mut sources = serve::sources(std::mem::take(&mut asked.flags), asked.dotenv)?;
    sources.file = config::read(asked.config.as_deref())?;
    let settings = Settings::load(sources)?;
    if asked.paths.is_empty() {
        asked.paths.push("inputs".into());
    }
    let Inputs { videos, notes } = inputs::find(&asked.paths, asked.recursive, asked.limit)?;
    for note in settings.notes.iter().chain(&notes) {
        terminal::tell(format_args!("framerill: {note}"));
    }
    let work_dir = WorkDir::open(&settings.work_dir)?;
    drop((work_dir, videos));
    Ok(Exit::Done)
}
