//! How much a reading counts.

use super::{sample::Sample, settings::Settings};

/// The weight of each sample apart from its confidence: by the plate's width, and by sharpness relative to the sharpest.
///
/// A sample without a sharpness is as good as the sharpest. Never 0.
pub(super) fn weights(samples: &[&Sample], settings: &Settings) -> Vec<f64> {
    let sharpness = |it: &Sample| {
        let it = f64::from(it.reading.sharpness);
        (it.is_finite() && it > 0.0).then_some(it)
    };
    let sharpest = samples
        .iter()
        .filter_map(|it| sharpness(it))
        .fold(0.0, f64::max);
    let full = f64::from(settings.full_width).max(1.0);
    let one = |it: &&Sample| {
        let size = (f64::from(it.plate_bbox.width()) / full).clamp(0.01, 1.0);
        let share = sharpness(it).map_or(1.0, |it| (it / sharpest).clamp(0.05, 1.0));
        size * share.powf(settings.sharpness_power)
    };
    samples.iter().map(one).collect()
}

/// 0 to 1; 0 for what is no number.
pub(super) fn share(it: f32) -> f64 {
    if it.is_finite() {
        f64::from(it.clamp(0.0, 1.0))
    } else {
        0.0
    }
}

/// How much each character of a reading counts, apart from the sample's weight: its own confidence where the reader gave
/// one, else the reading's.
pub(super) fn characters(it: &Sample, settings: &Settings) -> Vec<f64> {
    let reading = &it.reading;
    if reading.chars.len() == reading.text.len() {
        let own = reading.chars.iter();
        return own
            .map(|it| share(*it).powf(settings.character_power))
            .collect();
    }
    vec![share(reading.conf); reading.text.len()]
}
