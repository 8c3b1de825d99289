//! Whether a sight may go on a track, and how well it fits.

use crate::bbox::BBox;

use super::{open::Open, open::Sight, settings::Settings};

/// How a sight lies to where a track should be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Fit {
    /// Overlap with it, 0 to 1.
    pub(super) iou: f32,
    /// Distance of the centres over the distance that is allowed.
    pub(super) distance: f32,
}

/// A track's box, the sight's, and the unit of distance between them.
struct Pair {
    track: BBox,
    sight: BBox,
    unit: f32,
    reach: f32,
}

/// What can be compared of the two: plates, vehicles, or both.
fn pairs(track: &Open, sight: &Sight, settings: &Settings) -> impl Iterator<Item = Pair> {
    let plates = track.plate.zip(sight.plate).map(|(a, b)| Pair {
        track: a,
        sight: b,
        unit: a.width().max(b.width()),
        reach: settings.plate_reach,
    });
    let are_alike = track.is_vehicle == sight.is_vehicle;
    let cars = (are_alike && (track.is_vehicle || plates.is_none())).then(|| Pair {
        track: track.car,
        sight: sight.car,
        unit: track.car.area().max(sight.car.area()).sqrt(),
        reach: settings.car_reach,
    });
    [plates, cars].into_iter().flatten()
}

/// The best that plates and vehicles say; none if neither can be compared, or if sizes differ too much.
///
/// `drift` is how far the track will have moved by itself, `shift` how far the picture moved.
pub(super) fn fit(
    track: &Open,
    sight: &Sight,
    drift: [f32; 2],
    shift: [f32; 2],
    settings: &Settings,
) -> Option<Fit> {
    let mut best: Option<Fit> = None;
    for pair in pairs(track, sight, settings) {
        let growth =
            (pair.track.width() / pair.sight.width()).max(pair.sight.width() / pair.track.width());
        if growth > settings.max_growth {
            continue;
        }
        for [dx, dy] in [[0.0, 0.0], drift, shift] {
            let there = pair.track.moved(dx, dy);
            let (a, b) = (there.centre(), pair.sight.centre());
            let far = (a[0] - b[0]).hypot(a[1] - b[1]);
            let it = Fit {
                iou: there.iou(&pair.sight),
                distance: far / (pair.unit * pair.reach),
            };
            let so_far = best.get_or_insert(it);
            so_far.iou = so_far.iou.max(it.iou);
            so_far.distance = so_far.distance.min(it.distance);
        }
    }
    best
}

/// The four rounds of association, each over what the ones before left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Round {
    /// Readings agree.
    Reading,
    /// Boxes overlap.
    Overlap,
    /// Boxes are near.
    Near,
    /// Boxes of low confidence overlap or are near.
    Low,
}

impl Round {
    pub(super) const ALL: [Self; 4] = [Self::Reading, Self::Overlap, Self::Near, Self::Low];

    /// How well the sight goes on the track in this round; none if it may not.
    pub(super) fn score(
        self,
        track: &Open,
        sight: &Sight,
        fit: Option<Fit>,
        settings: &Settings,
    ) -> Option<f64> {
        let seen = sight.seen.as_ref();
        if seen.is_some_and(|it| track.memory.contradicts(it, settings)) {
            return None;
        }
        let near = |fit: Fit| 1.0 / (1.0 + f64::from(fit.distance));
        if self == Self::Reading {
            let seen = seen?;
            if track.is_suspended {
                let agrees = track.memory.agrees_strongly(seen, settings);
                return agrees.then(|| 0.5 + fit.map_or(0.0, near));
            }
            let fit = fit?;
            let reach = settings.reading_reach / settings.plate_reach;
            let is_near = fit.iou > 0.0 || fit.distance <= reach;
            let agrees = track.memory.agrees(seen, settings);
            return (agrees && is_near).then(|| 1.0 + f64::from(fit.iou) + near(fit));
        }
        if track.is_suspended || (self != Self::Low && !sight.may_start(settings)) {
            return None;
        }
        let fit = fit?;
        let (overlaps, is_near) = (fit.iou >= settings.min_iou, fit.distance <= 1.0);
        match self {
            Self::Overlap if overlaps => Some(f64::from(fit.iou) + 0.5 * near(fit)),
            Self::Near if is_near => Some(near(fit)),
            Self::Low if overlaps || is_near => Some(f64::from(fit.iou) + near(fit)),
            _ => None,
        }
    }
}
