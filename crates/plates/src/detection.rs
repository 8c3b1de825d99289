//! What stages find in pictures.

use serde::{Deserialize, Serialize};

use crate::{bbox::BBox, picture::Region};

/// What a vehicle is; the classes of COCO that are vehicles on roads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VehicleClass {
    /// COCO 2.
    Car,
    /// COCO 3.
    Motorcycle,
    /// COCO 5.
    Bus,
    /// COCO 7.
    Truck,
}

impl VehicleClass {
    /// The one of a COCO class, counted from 0.
    #[must_use]
    pub fn of_coco(class: usize) -> Option<Self> {
        match class {
            2 => Some(Self::Car),
            3 => Some(Self::Motorcycle),
            5 => Some(Self::Bus),
            7 => Some(Self::Truck),
            _ => None,
        }
    }
}

/// A vehicle in a frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vehicle {
    /// In frame pixels, clipped to the frame.
    pub bbox: BBox,
    /// Confidence, 0 to 1.
    pub conf: f32,
    /// What it is.
    pub class: VehicleClass,
}

/// How a frame looks from afar: luma of 16 × 9 areas, row by row. Two of them tell a hard cut, or a blank frame.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thumbnail(pub Vec<u8>);

/// What VEHICLE_DETECT found in one frame.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Vehicles {
    /// By falling confidence.
    pub vehicles: Vec<Vehicle>,
    /// The frame from afar.
    pub thumbnail: Thumbnail,
}

/// A plate in the crop of a vehicle, or in a whole frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plate {
    /// In pixels of the crop that was searched, clipped to it.
    pub bbox: BBox,
    /// Confidence, 0 to 1.
    pub conf: f32,
    /// Top left, top right, bottom right, bottom left, in pixels of the crop that was searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corners: Option<[[f32; 2]; 4]>,
    /// Lines of text: 1 or 2.
    pub lines: u8,
}

/// A part of a frame made clean, at most [`MOST_CLEANED`](crate::picture::MOST_CLEANED) pixels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleaned {
    /// Which part, in whole pixels of the frame.
    pub region: Region,
    /// Its pixels, `rgb24` without gaps, base64.
    pub rgb: String,
}

/// A text that was read off a plate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// `A`–`Z` and `0`–`9`; empty if nothing could be read.
    pub text: String,
    /// The weakest character's confidence, 0 to 1; 0 for an empty text.
    pub conf: f32,
    /// Confidence of each character.
    #[serde(default)]
    pub chars: Vec<f32>,
    /// Variance of the Laplacian of the crop's luma: how sharp it is.
    #[serde(default)]
    pub sharpness: f32,
    /// The crop as JPEG, base64; for a reading that may become the track's best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<String>,
}
