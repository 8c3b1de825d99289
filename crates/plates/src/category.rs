//! Kinds of work.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Which workers do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Heavy inference, on an accelerator where there is one.
    Gpu,
    /// Everything else.
    Cpu,
}

/// A kind of work. The order is that in which a tie between backlogs is decided within a class (contract §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Category {
    /// Vehicles of a frame.
    #[serde(rename = "vehicle_yolo")]
    VehicleDetect,
    /// Plates of a vehicle, or of a frame without vehicles.
    #[serde(rename = "plate_yolo")]
    PlateDetect,
    /// Text of a plate.
    #[serde(rename = "ocr")]
    Ocr,
    /// Which vehicle is which from frame to frame.
    #[serde(rename = "vehicle_track")]
    VehicleTrack,
    /// The picture of a plate made clean before it is read; only where that is asked for.
    #[serde(rename = "plate_denoise")]
    PlateDenoise,
    /// One text out of several readings.
    #[serde(rename = "plate_smooth")]
    PlateSmooth,
    /// What a video held.
    #[serde(rename = "summary")]
    Summary,
    /// Rows into the store.
    #[serde(rename = "final_write")]
    FinalWrite,
}

impl Category {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::VehicleDetect,
        Self::PlateDetect,
        Self::Ocr,
        Self::VehicleTrack,
        Self::PlateDenoise,
        Self::PlateSmooth,
        Self::Summary,
        Self::FinalWrite,
    ];

    /// Its name on the wire, in logs and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::VehicleDetect => "vehicle_yolo",
            Self::PlateDetect => "plate_yolo",
            Self::Ocr => "ocr",
            Self::VehicleTrack => "vehicle_track",
            Self::PlateDenoise => "plate_denoise",
            Self::PlateSmooth => "plate_smooth",
            Self::Summary => "summary",
            Self::FinalWrite => "final_write",
        }
    }

    /// A run has such tasks only where that is asked for.
    #[must_use]
    pub fn is_optional(self) -> bool {
        self == Self::PlateDenoise
    }

    /// Which workers do it.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::VehicleDetect | Self::PlateDetect | Self::Ocr => Class::Gpu,
            Self::VehicleTrack
            | Self::PlateDenoise
            | Self::PlateSmooth
            | Self::Summary
            | Self::FinalWrite => Class::Cpu,
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// There is no such kind of work.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no category `{0}`: use one of vehicle_yolo, plate_yolo, ocr, vehicle_track, plate_denoise, plate_smooth, summary, final_write"
)]
pub struct UnknownCategory(pub String);

impl FromStr for Category {
    type Err = UnknownCategory;

    fn from_str(name: &str) -> Result<Self, UnknownCategory> {
        let mut all = Self::ALL.into_iter();
        all.find(|it| it.name() == name)
            .ok_or_else(|| UnknownCategory(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_is_written_and_read_by_its_name() {
        for it in Category::ALL {
            assert_eq!(serde_json::to_value(it).unwrap(), it.name());
            assert_eq!(it.name().parse(), Ok(it));
        }
        assert!("plates".parse::<Category>().is_err());
    }
}
