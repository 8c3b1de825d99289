//! How far the picture as a whole moved, because the camera did.

use super::{open::Open, open::Sight, settings::Settings};

/// Tracks and sights that are looked at, each.
const LOOKED_AT: usize = 16;
/// A shift that fewer pairs follow is chance.
const MIN_PAIRS: usize = 2;

/// The move, in pixels, under which most tracks lie on sights of their size; none if fewer than two do, or if they do as
/// well without.
pub(super) fn shift(tracks: &[&Open], sights: &[Sight], settings: &Settings) -> Option<[f32; 2]> {
    let tracks: Vec<_> = tracks
        .iter()
        .take(LOOKED_AT)
        .map(|it| landmark(it))
        .collect();
    let sights: Vec<_> = sights
        .iter()
        .take(LOOKED_AT)
        .map(|it| (it.plate.unwrap_or(it.car), it.plate.is_some()))
        .collect();
    // How many tracks find a sight under a move, and how well.
    let support = |[dx, dy]: [f32; 2]| {
        let mut count = 0_usize;
        let mut sum = 0.0_f64;
        for (track, is_plate) in &tracks {
            let there = track.moved(dx, dy);
            let ious = sights
                .iter()
                .filter(|(_, it)| it == is_plate)
                .map(|(sight, _)| there.iou(sight));
            let iou = ious.fold(0.0, f32::max);
            if iou >= settings.min_iou {
                count += 1;
                sum += f64::from(iou);
            }
        }
        (count, sum)
    };
    let mut best = ([0.0, 0.0], support([0.0, 0.0]));
    for (track, is_plate) in &tracks {
        for (sight, _) in sights.iter().filter(|(_, it)| it == is_plate) {
            let (a, b) = (track.centre(), sight.centre());
            let way = [b[0] - a[0], b[1] - a[1]];
            let found = support(way);
            let is_better = found.0 > best.1.0 || (found.0 == best.1.0 && found.1 > best.1.1);
            if is_better {
                best = (way, found);
            }
        }
    }
    let (way, (count, _)) = best;
    (count >= MIN_PAIRS && way != [0.0, 0.0]).then_some(way)
}

fn landmark(track: &Open) -> (crate::bbox::BBox, bool) {
    (track.plate.unwrap_or(track.car), track.plate.is_some())
}
