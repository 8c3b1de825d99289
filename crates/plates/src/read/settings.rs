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

/// How several crops of a plate become one reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Combine {
    /// The one whose weakest place is strongest.
    Strongest,
    /// The mean of the distributions, each weighted with (weakest place + `floor`)^`power`.
    Weighted {
        /// Keeps a weight above 0.
        floor: f32,
        /// How much more the stronger ones count.
        power: f32,
    },
}

/// How plates are read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadSettings {
    /// What is read of a plate; at least one.
    pub crops: Vec<Crop>,
    /// How that becomes one reading.
    pub combine: Combine,
    /// A plate that is higher than this share of its width may have two lines, whatever the detector says.
    pub two_lines_from: f32,
    /// The most crops a call of the model.
    pub at_once: usize,
}

impl Default for ReadSettings {
    fn default() -> Self {
        let crop = |shape| Crop {
            shape,
            pad: [0.04, 0.04],
        };
        Self {
            crops: vec![crop(Shape::Box), crop(Shape::Corners)],
            combine: Combine::Strongest,
            two_lines_from: 0.65,
            at_once: 32,
        }
    }
}
