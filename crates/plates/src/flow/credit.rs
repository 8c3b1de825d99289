//! Which plate belongs to which vehicle of a frame.

use serde::{Deserialize, Serialize};

use crate::{bbox::BBox, detection::Plate};

/// Two boxes that overlap by this much (intersection over union) show one plate.
const SAME_IOU: f32 = 0.4;
/// So do two of which the smaller one lies in the other by this much.
const SAME_WITHIN: f32 = 0.7;
/// A plate narrower than this share of a vehicle is likelier that of a vehicle farther away.
const NARROWEST: f32 = 0.08;
/// Plates sit below this share of a vehicle's height.
const HIGHEST: f32 = 0.3;

/// A plate that was found somewhere in a frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Found {
    /// Which search of the frame found it.
    pub search: usize,
    /// What was searched, in frame pixels.
    pub region: BBox,
    /// Relative to that.
    pub plate: Plate,
    /// In frame pixels.
    pub bbox: BBox,
}

impl Found {
    /// None for a plate without an area in the frame.
    #[must_use]
    pub(super) fn new(search: usize, region: BBox, plate: Plate, frame: &BBox) -> Option<Self> {
        let bbox = plate.bbox.moved(region.x1, region.y1).clipped(frame)?;
        let is_sound = plate.conf.is_finite();
        is_sound.then_some(Self {
            search,
            region,
            plate,
            bbox,
        })
    }

    /// Its corners in frame pixels.
    #[must_use]
    pub(super) fn corners(&self) -> Option<[[f32; 2]; 4]> {
        let (dx, dy) = (self.region.x1, self.region.y1);
        (self.plate.corners).map(|it| it.map(|[x, y]| [x + dx, y + dy]))
    }
}

/// What the plates of one frame came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Credit {
    /// A plate and its vehicle; none where a plate stands for itself. By vehicle, then by falling confidence.
    pub credited: Vec<(Option<usize>, Found)>,
    /// Found twice, in boxes that overlap.
    pub duplicates: u32,
    /// Of a vehicle that has a better one.
    pub second: u32,
}

/// Credits each plate to the vehicle that it fits best, and keeps one a vehicle, by confidence and position.
/// Without vehicles every plate stands for itself. `vehicles` are those of the frame, searched or not.
#[must_use]
pub(super) fn credit(vehicles: &[BBox], mut found: Vec<Found>) -> Credit {
    // Searches end in any order.
    found.sort_by(|a, b| (b.plate.conf.total_cmp(&a.plate.conf)).then(a.search.cmp(&b.search)));
    let mut distinct: Vec<Found> = Vec::new();
    let mut it = Credit::default();
    for plate in found {
        if distinct
            .iter()
            .any(|other| is_same(&plate.bbox, &other.bbox))
        {
            it.duplicates += 1;
        } else {
            distinct.push(plate);
        }
    }
    if vehicles.is_empty() {
        it.credited = distinct.into_iter().map(|plate| (None, plate)).collect();
        return it;
    }
    let mut best: Vec<Option<(f32, Found)>> = vec![None; vehicles.len()];
    for plate in distinct {
        let Some((vehicle, fit)) = owner(vehicles, &plate.bbox) else {
            it.credited.push((None, plate));
            continue;
        };
        let score = plate.plate.conf * (0.5 + 0.5 * fit);
        match &mut best[vehicle] {
            Some((other, _)) if *other >= score => it.second += 1,
            slot => {
                it.second += u32::from(slot.is_some());
                *slot = Some((score, plate));
            }
        }
    }
    let of_vehicles = best.into_iter().enumerate();
    let of_vehicles = of_vehicles.filter_map(|(i, it)| it.map(|(_, plate)| (Some(i), plate)));
    it.credited = of_vehicles.chain(it.credited).collect();
    it
}

fn is_same(a: &BBox, b: &BBox) -> bool {
    let both = a.clipped(b).map_or(0.0, |it| it.area());
    a.iou(b) >= SAME_IOU || both >= SAME_WITHIN * a.area().min(b.area())
}

/// The vehicle that a plate fits best, with how well, 0 to 1. None where its middle lies in none.
fn owner(vehicles: &[BBox], plate: &BBox) -> Option<(usize, f32)> {
    let fits = vehicles.iter().enumerate();
    let fits = fits.filter_map(|(i, car)| fit(car, plate).map(|it| (i, it)));
    fits.max_by(|(i, a), (j, b)| {
        (a.total_cmp(b))
            .then(vehicles[*j].area().total_cmp(&vehicles[*i].area()))
            .then(j.cmp(i))
    })
}

/// How well a plate sits on a vehicle: in the middle, not near the roof, not as small as one far behind it.
#[must_use]
pub(super) fn fit(car: &BBox, plate: &BBox) -> Option<f32> {
    let [x, y] = plate.centre();
    let is_inside = car.area() > 0.0 && x >= car.x1 && x <= car.x2 && y >= car.y1 && y <= car.y2;
    is_inside.then(|| {
        let (across, down) = ((x - car.x1) / car.width(), (y - car.y1) / car.height());
        let width = plate.width() / car.width();
        (1.0 - (across - 0.5).abs()) * (down / HIGHEST).min(1.0) * (width / NARROWEST).min(1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: [f32; 4] = [0.0, 0.0, 1280.0, 720.0];

    fn found(search: usize, region: [f32; 4], in_frame: [f32; 4], conf: f32) -> Found {
        let region = BBox::from(region);
        let plate = Plate {
            bbox: BBox::from(in_frame).moved(-region.x1, -region.y1),
            conf,
            corners: None,
            lines: 1,
        };
        Found::new(search, region, plate, &BBox::from(FRAME)).unwrap()
    }

    #[test]
    fn a_plate_in_two_boxes_that_overlap_counts_once_and_goes_to_the_vehicle_that_it_fits() {
        let near = [100.0, 100.0, 700.0, 600.0];
        let behind = [350.0, 60.0, 520.0, 210.0];
        let plate = [420.0, 170.0, 450.0, 182.0];
        let seen = vec![found(0, near, plate, 0.9), found(1, behind, plate, 0.6)];
        let it = credit(&[BBox::from(near), BBox::from(behind)], seen);
        assert_eq!((it.duplicates, it.credited.len()), (1, 1));
        assert_eq!(it.credited[0].0, Some(1));
        assert_eq!(it.credited[0].1.bbox, BBox::from(plate));
    }

    #[test]
    fn a_plate_of_a_vehicle_behind_never_takes_the_place_of_the_vehicles_own() {
        let car = [100.0, 100.0, 700.0, 600.0];
        let own = found(0, car, [340.0, 450.0, 460.0, 480.0], 0.6);
        let other = found(0, car, [640.0, 120.0, 665.0, 130.0], 0.9);
        let it = credit(&[BBox::from(car)], vec![other, own.clone()]);
        assert_eq!((it.credited, it.second), (vec![(Some(0), own)], 1));
    }

    #[test]
    fn without_vehicles_every_plate_stands_for_itself() {
        let plates = vec![
            found(0, FRAME, [10.0, 10.0, 60.0, 30.0], 0.5),
            found(0, FRAME, [500.0, 10.0, 560.0, 30.0], 0.8),
        ];
        let it = credit(&[], plates);
        assert_eq!(it.credited.len(), 2);
        assert!(it.credited.iter().all(|(vehicle, _)| vehicle.is_none()));
    }

    #[test]
    fn boxes_and_corners_are_in_frame_pixels_and_inside_the_frame() {
        let region = BBox::from([1000.0, 500.0, 1280.0, 720.0]);
        let plate = Plate {
            bbox: BBox::from([250.0, 200.0, 300.0, 240.0]),
            conf: 0.5,
            corners: Some([
                [250.0, 200.0],
                [300.0, 200.0],
                [300.0, 240.0],
                [250.0, 240.0],
            ]),
            lines: 1,
        };
        let it = Found::new(0, region, plate, &BBox::from(FRAME)).unwrap();
        assert_eq!(it.bbox, BBox::from([1250.0, 700.0, 1280.0, 720.0]));
        assert_eq!(it.corners().unwrap()[0], [1250.0, 700.0]);
    }

    #[test]
    fn a_plate_that_is_no_number_is_none() {
        let mut bad = found(0, FRAME, [10.0, 10.0, 60.0, 30.0], 0.5).plate;
        bad.bbox.x1 = f32::NAN;
        bad.bbox.x2 = f32::NAN;
        assert_eq!(
            Found::new(0, BBox::from(FRAME), bad, &BBox::from(FRAME)),
            None
        );
    }
}
