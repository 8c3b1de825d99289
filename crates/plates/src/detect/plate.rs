//! Plates of a vehicle, or of a frame.

use super::{
    columns::Found,
    detector::{Detector, Limits},
};
use crate::{
    bbox::BBox,
    detection::Plate,
    models::Entry,
    onnx::{Net, NetError},
    picture::{Picture, Region},
};

/// What counts as a plate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlateSettings {
    /// The lowest score, 0 to 1.
    pub least_score: f32,
    /// Boxes that overlap by more are one plate: intersection over union.
    pub most_overlap: f32,
    /// The most plates of a part.
    pub most_plates: usize,
    /// How far a part is searched beyond its sides, as a share of its width and height.
    pub pad: f32,
    /// Narrower plates do not count: nobody can read them. In pixels of the picture.
    pub least_width: f32,
}

impl PlateSettings {
    /// For a picture that is looked at once, where every plate counts.
    #[must_use]
    pub fn of_still() -> Self {
        Self {
            least_score: 0.20,
            pad: 0.0,
            least_width: 0.0,
            ..Self::default()
        }
    }

    /// For the second look of a [`Reader`](crate::read::Reader), which knows that there is a plate.
    #[must_use]
    pub fn of_second_look(least_score: f32) -> Self {
        Self {
            least_score,
            ..Self::of_still()
        }
    }
}

impl Default for PlateSettings {
    fn default() -> Self {
        Self {
            least_score: 0.25,
            most_overlap: 0.5,
            most_plates: 6,
            pad: 0.05,
            least_width: 20.0,
        }
    }
}

/// Finds plates.
#[derive(Debug)]
pub struct PlateDetector {
    detector: Detector,
    two_line_classes: Vec<usize>,
    settings: PlateSettings,
}

impl PlateDetector {
    pub(crate) fn new(net: Net, entry: &Entry, settings: PlateSettings) -> Result<Self, NetError> {
        let limits = Limits {
            least_score: settings.least_score,
            most_overlap: settings.most_overlap,
            most_boxes: settings.most_plates,
        };
        Ok(Self {
            detector: Detector::new(net, entry, Vec::new(), limits)?,
            two_line_classes: entry.output.two_line_classes().to_vec(),
            settings,
        })
    }

    /// Pixels.
    pub(crate) fn canvas_width(&self) -> u32 {
        self.detector.canvas_width()
    }

    /// Plates of each part, by falling confidence; relative to the part's top left corner, as it is given, and in the part
    /// with its pad. That is clipped to its picture; one that has no pixels there has no plates.
    pub fn detect(&mut self, parts: &[(Picture<'_>, BBox)]) -> Result<Vec<Vec<Plate>>, NetError> {
        let regions: Vec<_> = parts
            .iter()
            .map(|(picture, part)| Region::inner(&self.padded(part), picture))
            .collect();
        let there: Vec<_> = parts
            .iter()
            .zip(&regions)
            .filter_map(|((picture, _), region)| Some((*picture, (*region)?)))
            .collect();
        let mut found = self.detector.detect(&there)?.into_iter();
        let mut all = Vec::with_capacity(parts.len());
        for ((_, part), region) in parts.iter().zip(regions) {
            let plates = region.and_then(|region| Some((region, found.next()?)));
            all.push(plates.map_or_else(Vec::new, |(region, found)| {
                let plate = |it| self.plate(it, region, part);
                found.into_iter().filter_map(plate).collect()
            }));
        }
        Ok(all)
    }

    fn padded(&self, part: &BBox) -> BBox {
        let (dx, dy) = (
            part.width() * self.settings.pad,
            part.height() * self.settings.pad,
        );
        BBox {
            x1: part.x1 - dx,
            y1: part.y1 - dy,
            x2: part.x2 + dx,
            y2: part.y2 + dy,
        }
    }

    fn plate(&self, it: Found, region: Region, part: &BBox) -> Option<Plate> {
        let bbox = region.bbox();
        let (dx, dy) = (bbox.x1 - part.x1, bbox.y1 - part.y1);
        let bbox = it.bbox.moved(bbox.x1, bbox.y1).clipped(&bbox)?;
        if bbox.width() < self.settings.least_width {
            return None;
        }
        Some(Plate {
            bbox: bbox.moved(-part.x1, -part.y1),
            conf: it.score,
            corners: it.corners.map(|quad| quad.map(|[x, y]| [x + dx, y + dy])),
            lines: if self.two_line_classes.contains(&it.class) {
                2
            } else {
                1
            },
        })
    }
}
