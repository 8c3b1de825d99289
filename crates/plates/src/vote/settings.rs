//! What the vote goes by.

use serde::{Deserialize, Serialize};

use crate::text::Plausible;

/// Weights and gates of the vote. Every one has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Readings that a plate needs. Default 2; `--min-samples`.
    pub min_samples: usize,
    /// A reading whose weakest character is below this is no sample. Default 0.15.
    pub min_conf: f32,
    /// A plate narrower than this, in pixels, gives no sample. Default 20.
    pub min_width: f32,
    /// Pixels of width from which a plate's weight is full; below it is in proportion. Default 100.
    pub full_width: f32,
    /// Power of the sharpness, relative to the track's sharpest, in the weight. Default 0.5.
    pub sharpness_power: f64,
    /// Strong readings this many edits apart are of two vehicles. Default 3.
    pub conflict_edits: usize,
    /// From this confidence a reading is strong. Default 0.5.
    pub strong_conf: f32,
    /// Strong readings that each of two groups needs, for a track to be split between them. Default 2.
    pub min_group: usize,
    /// Confidences of the readings within one edit of the winner, together at least. Default 1.
    pub min_mass: f64,
    /// The best of these confidences at least. Default 0.6.
    pub min_peak: f32,
    /// The best confidence of their plates' boxes at least. Default 0.35.
    pub min_plate_conf: f32,
    /// From this best confidence the boxes do not matter: what is read so clearly is a plate. Default 0.9.
    pub clear_conf: f32,
    /// Agreement below which there is no plate. Default 0.7.
    pub min_agreement: f64,
    /// The same for the weakest character. Default 0.25.
    pub min_character: f64,
    /// Agreement, and agreement of the weakest character, below which a plate is uncertain. Default 0.75 and 0.5.
    pub sure_agreement: f64,
    /// See [`sure_agreement`](Self::sure_agreement).
    pub sure_character: f64,
    /// Readings of the very winner from which more would not change it. Default 3.
    pub certain_samples: usize,
    /// Agreement of the weakest character that this takes. Default 0.85.
    pub certain_character: f64,
    /// The best confidence that this takes. Default 0.8.
    pub certain_peak: f32,
    /// What every plate fulfils.
    pub plausible: Plausible,
    /// Formats to look for and to correct look-alikes by: presets (`de`) or patterns (`aadddaa`). Default none.
    pub formats: Vec<String>,
    /// A text that fits no format is no plate. Default off: it is kept as read.
    pub is_strict: bool,
    /// Samples that are looked at; of more, the heaviest. Default 128.
    pub max_samples: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            min_samples: 2,
            min_conf: 0.15,
            min_width: 20.0,
            full_width: 100.0,
            sharpness_power: 0.5,
            conflict_edits: 3,
            strong_conf: 0.5,
            min_group: 2,
            min_mass: 1.0,
            min_peak: 0.6,
            min_plate_conf: 0.35,
            clear_conf: 0.9,
            min_agreement: 0.7,
            min_character: 0.25,
            sure_agreement: 0.75,
            sure_character: 0.5,
            certain_samples: 3,
            certain_character: 0.85,
            certain_peak: 0.8,
            plausible: Plausible::default(),
            formats: Vec::new(),
            is_strict: false,
            max_samples: 128,
        }
    }
}
