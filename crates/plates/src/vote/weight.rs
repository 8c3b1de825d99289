//! How much a reading counts.

use super::{ballot::Ballot, sample::Sample, settings::Settings};

/// Each sample as a ballot; all numbers in them are sound.
///
/// Its weight is its confidence, times the plate's width up to [`Settings::full_width`], times its sharpness relative to the
/// sharpest (where none is told: as good as that).
pub(super) fn ballots(samples: &[Sample], settings: &Settings) -> Vec<Ballot> {
    let sharpness = |it: &Sample| {
        let it = f64::from(it.reading.sharpness);
        (it > 0.0).then_some(it)
    };
    let sharpest = samples.iter().filter_map(sharpness).fold(0.0, f64::max);
    let full = f64::from(settings.full_width).max(1.0);
    let one = |it: &Sample| {
        let size = (f64::from(it.plate_bbox.width()) / full).clamp(0.01, 1.0);
        let share_of = sharpness(it).map_or(1.0, |it| (it / sharpest).clamp(0.05, 1.0));
        let size = size * share_of.powf(settings.sharpness_power);
        let reading = &it.reading;
        let chars = if reading.chars.len() == reading.text.len() {
            reading.chars.iter().map(|it| f64::from(*it)).collect()
        } else {
            vec![1.0; reading.text.len()]
        };
        Ballot {
            text: reading.text.clone(),
            weight: size * f64::from(reading.conf),
            chars,
        }
    };
    samples.iter().map(one).collect()
}
