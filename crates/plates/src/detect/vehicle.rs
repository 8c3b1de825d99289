//! Vehicles of a frame.

use super::detector::{Detector, Limits};
use crate::{
    bbox::BBox,
    detection::{Vehicle, VehicleClass, Vehicles},
    models::Entry,
    onnx::{Net, NetError},
    picture::{Picture, thumbnail},
};

/// What counts as a vehicle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VehicleSettings {
    /// The lowest score, 0 to 1.
    pub least_score: f32,
    /// Boxes that overlap by more are one vehicle: intersection over union.
    pub most_overlap: f32,
    /// The most vehicles of a frame.
    pub most_vehicles: usize,
}

impl Default for VehicleSettings {
    fn default() -> Self {
        Self {
            least_score: 0.3,
            most_overlap: 0.45,
            most_vehicles: 64,
        }
    }
}

/// Finds vehicles.
#[derive(Debug)]
pub struct VehicleDetector {
    detector: Detector,
    classes: Vec<(usize, VehicleClass)>,
}

impl VehicleDetector {
    pub(crate) fn new(
        net: Net,
        entry: &Entry,
        settings: VehicleSettings,
    ) -> Result<Self, NetError> {
        let classes = entry.output.vehicle_classes();
        let limits = Limits {
            least_score: settings.least_score,
            most_overlap: settings.most_overlap,
            most_boxes: settings.most_vehicles,
        };
        let numbers = classes.iter().map(|it| it.0).collect();
        Ok(Self {
            detector: Detector::new(net, entry, numbers, limits)?,
            classes,
        })
    }

    /// Vehicles and the thumbnail of each frame.
    pub fn detect(&mut self, frames: &[Picture<'_>]) -> Result<Vec<Vehicles>, NetError> {
        let parts: Vec<_> = frames.iter().map(|it| (*it, it.whole())).collect();
        let found = self.detector.detect(&parts)?;
        let of = |(frame, found): (&Picture<'_>, Vec<_>)| {
            let whole = BBox::whole(frame.width(), frame.height());
            let vehicles = found.into_iter().filter_map(|it: super::columns::Found| {
                let class = self.classes.iter().find(|(class, _)| *class == it.class)?;
                Some(Vehicle {
                    bbox: it.bbox.clipped(&whole)?,
                    conf: it.score,
                    class: class.1,
                })
            });
            Vehicles {
                vehicles: vehicles.collect(),
                thumbnail: thumbnail(frame),
            }
        };
        Ok(frames.iter().zip(found).map(of).collect())
    }
}
