//! `framerill plates image`.

use std::path::PathBuf;

use clap::Args;

use super::chosen::Chosen;
use crate::{exit::Exit, failure::Failure, plates::image};

/// Read number plates off pictures.
///
/// Boxes are in pixels of the picture as it stands upright. One line a plate, in the order in which the pictures were named; a
/// picture without a plate has a line, too.
#[derive(Debug, Args)]
pub(super) struct Image {
    /// Pictures, folders with pictures, or patterns such as 'trip/*.jpg'
    #[arg(required = true, value_name = "FILE")]
    paths: Vec<PathBuf>,
    /// Folder with model files; `framerill plates models list` names them [default: models]
    #[arg(long, value_name = "DIR", env = "FRAMERILL_MODELS")]
    models: Option<PathBuf>,
    #[command(flatten)]
    chosen: Chosen,
    /// Look into folders of folders, too
    #[arg(short, long)]
    recursive: bool,
    /// One JSON object a picture on stdout
    #[arg(long)]
    json: bool,
}

impl Image {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        image::read(&image::Asked {
            paths: self.paths,
            models: self.models,
            choice: self.chosen.into(),
            recursive: self.recursive,
            json: self.json,
        })
    }
}
