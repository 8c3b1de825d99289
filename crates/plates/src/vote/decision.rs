//! From samples to a plate, or to none.

use std::cmp::Reverse;

use crate::text::{Formats, edits, normalised};

use super::{
    ballot::{Ballot, Tally, vote},
    groups::split_at,
    sample::{Final, Sample, Variant},
    settings::Settings,
    stage::{FormatError, formats},
    weight::ballots,
};

/// What samples came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// The plate, if there is one. None where the samples are of two vehicles.
    pub plate: Option<Final>,
    /// More readings would not change it.
    pub is_certain: bool,
    /// The samples are of two vehicles, the second one from this frame on.
    pub split_at: Option<u64>,
}

/// Decides over the samples of one track, in whatever order.
///
/// # Errors
/// A format in the settings cannot be read.
pub fn decide(samples: &[Sample], settings: &Settings) -> Result<Decision, FormatError> {
    let formats = formats(&settings.formats)?;
    let samples = worth_a_vote(samples, settings);
    let split_at = split_at(&samples, settings);
    if split_at.is_some() {
        return Ok(Decision {
            split_at,
            ..Decision::default()
        });
    }
    let ballots = ballots(&samples, settings);
    let Some(tally) = vote(&ballots) else {
        return Ok(Decision::default());
    };
    let backing = Backing::of(&tally.text, &samples);
    let Some(text) = plate_text(&tally, &backing, &formats, settings) else {
        return Ok(Decision::default());
    };
    let (Some(best), [first, ..], [.., last]) = (
        best(&tally.text, &samples, &ballots),
        samples.as_slice(),
        samples.as_slice(),
    ) else {
        return Ok(Decision::default());
    };
    let (conf, weakest) = (tally.mean(), tally.weakest());
    let plate = Final {
        text,
        conf,
        is_uncertain: conf < settings.sure_agreement || weakest < settings.sure_character,
        samples: u32::try_from(samples.len()).unwrap_or(u32::MAX),
        frames: [first.frame_idx, last.frame_idx],
        best,
        readings: variants(&samples, &ballots),
        raw_text: tally.text,
    };
    Ok(Decision {
        plate: Some(plate),
        is_certain: backing.same >= settings.certain_samples
            && weakest >= settings.certain_character
            && backing.peak >= settings.certain_peak,
        split_at: None,
    })
}

/// Samples that count, with normalised texts and no number that is none, in frame order; of too many the heaviest.
fn worth_a_vote(samples: &[Sample], settings: &Settings) -> Vec<Sample> {
    let mut all: Vec<Sample> = samples.iter().map(sound).collect();
    all.retain(|it| {
        it.reading.conf >= settings.min_conf && it.plate_bbox.width() >= settings.min_width
    });
    all.retain(|it| it.reading.text.len() >= settings.plausible.min_len.max(1));
    if all.len() > settings.max_samples {
        let weight = |it: &Sample| it.reading.conf * it.plate_bbox.width();
        all.sort_by(|a, b| {
            let by_weight = weight(b).total_cmp(&weight(a));
            by_weight.then(a.frame_idx.cmp(&b.frame_idx))
        });
        all.truncate(settings.max_samples);
    }
    all.sort_by_key(|it| it.frame_idx);
    all
}

/// The same with a normalised text, and with 0 for what is no number.
fn sound(it: &Sample) -> Sample {
    let mut it = it.clone();
    let reading = &mut it.reading;
    let text = normalised(&reading.text);
    if text != reading.text {
        reading.text = text;
        reading.chars.clear();
    }
    let finite = |v: &mut f32, most: f32| {
        *v = if v.is_finite() {
            v.clamp(0.0, most)
        } else {
            0.0
        }
    };
    finite(&mut reading.conf, 1.0);
    finite(&mut reading.sharpness, f32::MAX);
    finite(&mut it.plate_conf, 1.0);
    for own in &mut reading.chars {
        finite(own, 1.0);
    }
    it
}

/// What stands behind a winner: the readings that are it, or within one edit of it.
struct Backing {
    same: usize,
    near: usize,
    mass: f64,
    peak: f32,
    plate_conf: f32,
}

impl Backing {
    fn of(winner: &str, samples: &[Sample]) -> Self {
        let near: Vec<&Sample> = samples
            .iter()
            .filter(|it| edits(&it.reading.text, winner) <= 1)
            .collect();
        Self {
            same: near.iter().filter(|it| it.reading.text == winner).count(),
            near: near.len(),
            mass: near.iter().map(|it| f64::from(it.reading.conf)).sum(),
            peak: near.iter().map(|it| it.reading.conf).fold(0.0, f32::max),
            plate_conf: near.iter().map(|it| it.plate_conf).fold(0.0, f32::max),
        }
    }

    fn is_enough(&self, settings: &Settings) -> bool {
        // One reading that is asked to do alone cannot have the mass of two.
        let min_mass = if settings.min_samples > 1 {
            settings.min_mass
        } else {
            settings.min_mass.min(f64::from(settings.min_peak))
        };
        self.near >= settings.min_samples.max(1)
            && self.mass >= min_mass
            && self.peak >= settings.min_peak
            && (self.plate_conf >= settings.min_plate_conf || self.peak >= settings.clear_conf)
    }
}

/// The winner as a plate, its look-alikes put right by the formats; none if it does not pass every gate.
fn plate_text(
    tally: &Tally,
    backing: &Backing,
    formats: &Formats,
    settings: &Settings,
) -> Option<String> {
    let corrected = formats.corrected(&tally.text);
    let text = match corrected {
        Some(it) => it,
        None if settings.is_strict => return None,
        None => tally.text.clone(),
    };
    let is_plate = backing.is_enough(settings)
        && settings.plausible.check(&text).is_ok()
        && tally.mean() >= settings.min_agreement
        && tally.weakest() >= settings.min_character;
    is_plate.then_some(text)
}

/// The heaviest of the samples that are nearest to the winner; one with a crop before one without.
fn best(winner: &str, samples: &[Sample], ballots: &[Ballot]) -> Option<Sample> {
    let all = samples.iter().zip(ballots);
    let (best, _) = all.max_by(|(a, of_a), (b, of_b)| {
        let likeness = |it: &Sample| {
            let far = edits(&it.reading.text, winner);
            (Reverse(far), it.reading.crop.is_some())
        };
        let by_weight = of_a.weight.total_cmp(&of_b.weight);
        let earlier = b.frame_idx.cmp(&a.frame_idx);
        likeness(a).cmp(&likeness(b)).then(by_weight).then(earlier)
    })?;
    Some(best.clone())
}

/// All distinct texts, heaviest first.
fn variants(samples: &[Sample], ballots: &[Ballot]) -> Vec<Variant> {
    let mut found: Vec<Variant> = Vec::new();
    for (sample, ballot) in samples.iter().zip(ballots) {
        let text = &sample.reading.text;
        if let Some(it) = found.iter_mut().find(|it| it.text == *text) {
            it.samples += 1;
            it.weight += ballot.weight;
        } else {
            found.push(Variant {
                text: text.clone(),
                samples: 1,
                weight: ballot.weight,
            });
        }
    }
    found.sort_by(|a, b| b.weight.total_cmp(&a.weight).then(a.text.cmp(&b.text)));
    found
}
