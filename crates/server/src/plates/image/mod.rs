//! `framerill plates image`: pictures in, plates out.
//!
//! This process touches no pixel: a confined media process unpacks each picture into a file without a name, and a child with
//! the models ([`process`]) reads that file.
//!
//! Read in this order: [`command`] (the loop), [`reader`] (the child as this process sees it), [`process`] (the child).

mod command;
mod process;
mod reader;

use framerill_plates::{
    bbox::BBox,
    detection::{Plate, Reading},
};
use serde::{Deserialize, Serialize};

pub(crate) use command::{Asked, read};
pub(crate) use process::run;

/// What the child is asked: the pixels come with it, `rgb24`, rows without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Look {
    width: u32,
    height: u32,
    /// Descriptors that come with this message: 1.
    fds: u32,
}

/// What the child answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Seen {
    Plates(Vec<Read>),
    /// One sentence.
    Failed(String),
}

/// A plate of a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Read {
    /// Empty where nothing could be read.
    text: String,
    /// Of the weakest character, 0 to 1; 0 for an empty text.
    confidence: f32,
    /// Of each character.
    characters: Vec<f32>,
    /// Left, top, right, bottom in pixels of the upright picture.
    bbox: BBox,
    /// From the top left on, clockwise.
    corners: Option<[[f32; 2]; 4]>,
    /// That it is a plate at all, 0 to 1.
    detection_confidence: f32,
    /// Of text.
    lines: u8,
}

impl Read {
    fn of((plate, reading): (Plate, Reading)) -> Self {
        Self {
            text: reading.text,
            confidence: reading.conf,
            characters: reading.chars,
            bbox: plate.bbox,
            corners: plate.corners,
            detection_confidence: plate.conf,
            lines: plate.lines,
        }
    }
}
