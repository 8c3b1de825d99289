//! Which crops are read, and how they are put together.

/// What a crop follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The plate's box.
    Box,
    /// The plate's corners, made upright; the box where there are none.
    Corners,
}

/// A part of the picture that is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crop {
    /// What it follows.
    pub shape: Shape,
    /// How far it goes beyond on each side, as shares of width and height.
    pub pad: [f32; 2],
}

/// Wide enough that a detector's box that is a little small cuts no character.
const WIDE: [f32; 2] = [0.08, 0.12];
/// For another look at what was read weakly.
const WIDER: [f32; 2] = [0.10, 0.20];

const BOX: Crop = Crop {
    shape: Shape::Box,
    pad: WIDE,
};
const UPRIGHT: Crop = Crop {
    shape: Shape::Corners,
    pad: WIDE,
};
const UPRIGHT_WIDER: Crop = Crop {
    shape: Shape::Corners,
    pad: WIDER,
};

/// How several crops of a plate become one reading: the mean of their distributions, each weighted with
/// (weakest place + `floor`)^`power`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pool {
    /// Keeps a weight above 0.
    pub floor: f32,
    /// How much more the stronger ones count.
    pub power: i32,
}

/// A second look at a plate that was read weakly: it is searched anew in a square cut so that it is of the size that the
/// detector knows best, and more crops are read.
#[derive(Clone, Debug, PartialEq)]
pub struct SecondLook {
    /// Weaker readings are left alone: nothing can be read there.
    pub from: f32,
    /// Readings that are this strong are left alone, too.
    pub below: f32,
    /// How wide a plate is on the detector's canvas, in pixels.
    pub plate_width: f32,
    /// The least side of the square, in pixels of the picture.
    pub least_side: f32,
    /// The lowest score there, 0 to 1.
    pub least_score: f32,
    /// What is found there is the same plate if it overlaps by more: intersection over union.
    pub least_overlap: f32,
    /// What is read of the plate as it was found first.
    pub crops: Vec<Crop>,
    /// What is read of the plate as it was found anew.
    pub crops_anew: Vec<Crop>,
}

impl Default for SecondLook {
    fn default() -> Self {
        Self {
            from: 0.20,
            below: 0.90,
            plate_width: 64.0,
            least_side: 96.0,
            least_score: 0.20,
            least_overlap: 0.2,
            crops: vec![UPRIGHT_WIDER],
            crops_anew: vec![BOX, UPRIGHT, UPRIGHT_WIDER],
        }
    }
}

/// How plates are read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadSettings {
    /// What is read of a plate, one after the other; at least one.
    pub crops: Vec<Crop>,
    /// If the weakest place is this strong after one of these crops, those after it are left out.
    pub enough: f32,
    /// How that becomes one reading.
    pub pool: Pool,
    /// None: one look is enough.
    pub second_look: Option<SecondLook>,
    /// A plate that is higher than this share of its width may have two lines, whatever the detector says.
    pub two_lines_from: f32,
    /// The most crops a call of the model.
    pub at_once: usize,
}

impl Default for ReadSettings {
    fn default() -> Self {
        Self {
            crops: vec![BOX, UPRIGHT],
            enough: 0.95,
            pool: Pool {
                floor: 0.02,
                power: 2,
            },
            second_look: Some(SecondLook::default()),
            two_lines_from: 0.65,
            at_once: 32,
        }
    }
}

impl ReadSettings {
    /// For a picture that is looked at once.
    #[must_use]
    pub fn of_still() -> Self {
        let look = SecondLook {
            from: 0.0,
            least_score: 0.15,
            crops_anew: vec![BOX, UPRIGHT],
            ..SecondLook::default()
        };
        Self {
            second_look: Some(look),
            ..Self::default()
        }
    }
}

/// How all plates of one picture are found and read.
#[derive(Clone, Debug, PartialEq)]
pub struct StillSettings {
    /// Plates that are read, strongest first, of each detector.
    pub most_plates: usize,
    /// What two detectors found is one plate if it overlaps by more: intersection over union.
    pub least_overlap: f32,
    /// If no reading is this strong, the plate that was found best is looked at again.
    pub enough: f32,
    /// If no reading is this strong after that, the finer detector looks at the whole picture, too.
    pub enough_at_last: f32,
}

impl Default for StillSettings {
    fn default() -> Self {
        Self {
            most_plates: 4,
            least_overlap: 0.3,
            enough: 0.90,
            enough_at_last: 0.60,
        }
    }
}
