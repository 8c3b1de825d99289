//! From samples to a plate, or to none.

use crate::text::{edits, normalised};

use super::{
    ballot::{Ballot, vote},
    groups::split_at,
    sample::{Final, Sample, Variant},
    settings::Settings,
    stage::{FormatError, formats},
    weight::{characters, share, weights},
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

/// Decides over the samples of one track, in frame order.
///
/// # Errors
/// A format in the settings cannot be read.
pub fn decide(samples: &[Sample], settings: &Settings) -> Result<Decision, FormatError> {
    let formats = formats(settings)?;
    let samples = worth_a_vote(samples, settings);
    let split_at = split_at(&samples, settings);
    if split_at.is_some() {
        return Ok(Decision {
            split_at,
            ..Decision::default()
        });
    }
    let all: Vec<&Sample> = samples.iter().collect();
    let weights = weights(&all, settings);
    let ballots: Vec<Ballot> = all
        .iter()
        .zip(&weights)
        .map(|(it, w)| ballot(it, *w, settings))
        .collect();
    let Some(tally) = vote(&ballots) else {
        return Ok(Decision::default());
    };
    let raw_text = tally.text.clone();
    let near: Vec<&Sample> = all
        .iter()
        .copied()
        .filter(|it| edits(&it.reading.text, &raw_text) <= 1)
        .collect();
    let peak = near.iter().map(|it| it.reading.conf).fold(0.0, f32::max);
    let corrected = formats.corrected(&raw_text);
    let fits = corrected.is_some() || !settings.is_strict;
    let text = corrected.unwrap_or_else(|| raw_text.clone());
    let conf = tally.mean();
    let is_plate = fits
        && settings.plausible.check(&text).is_ok()
        && is_backed(&near, peak, settings)
        && conf >= settings.min_agreement;
    let best = all.iter().zip(&ballots).max_by(|a, b| {
        let rank = |(sample, ballot): (&&Sample, &Ballot)| {
            let closeness = edits(&sample.reading.text, &raw_text);
            let weight: f64 = ballot.weights.iter().sum();
            (
                std::cmp::Reverse(closeness),
                sample.reading.crop.is_some(),
                weight,
            )
        };
        let ((da, ca, wa), (db, cb, wb)) = (rank((a.0, a.1)), rank((b.0, b.1)));
        let frames = b.0.frame_idx.cmp(&a.0.frame_idx);
        da.cmp(&db)
            .then(ca.cmp(&cb))
            .then(wa.total_cmp(&wb))
            .then(frames)
    });
    let (true, Some((best, _)), [first, ..]) = (is_plate, best, all.as_slice()) else {
        return Ok(Decision::default());
    };
    let same = all.iter().filter(|it| it.reading.text == raw_text).count();
    let is_certain = same >= settings.certain_samples
        && tally.weakest() >= settings.certain_character
        && peak >= settings.certain_peak;
    let plate = Final {
        text,
        raw_text,
        conf,
        is_uncertain: conf < settings.sure_agreement || tally.weakest() < settings.sure_character,
        samples: u32::try_from(all.len()).unwrap_or(u32::MAX),
        frames: [first.frame_idx, all[all.len() - 1].frame_idx],
        best: (*best).clone(),
        readings: variants(&all, &ballots),
    };
    Ok(Decision {
        plate: Some(plate),
        is_certain,
        split_at: None,
    })
}

/// Samples that count, with normalised texts; of too many the heaviest, in frame order.
fn worth_a_vote(samples: &[Sample], settings: &Settings) -> Vec<Sample> {
    let mut all: Vec<Sample> = samples
        .iter()
        .filter(|it| {
            it.reading.conf >= settings.min_conf && it.plate_bbox.width() >= settings.min_width
        })
        .cloned()
        .collect();
    for it in &mut all {
        let text = normalised(&it.reading.text);
        if text != it.reading.text {
            it.reading.text = text;
            it.reading.chars.clear();
        }
    }
    all.retain(|it| it.reading.text.len() >= settings.plausible.min_len.min(2));
    if all.len() > settings.max_samples {
        all.sort_by(|a, b| {
            let weight = |it: &Sample| it.reading.conf * it.plate_bbox.width();
            weight(b)
                .total_cmp(&weight(a))
                .then(a.frame_idx.cmp(&b.frame_idx))
        });
        all.truncate(settings.max_samples);
    }
    all.sort_by_key(|it| it.frame_idx);
    all
}

fn ballot(it: &Sample, weight: f64, settings: &Settings) -> Ballot {
    let own = characters(it, settings);
    Ballot {
        text: it.reading.text.clone(),
        weights: own.into_iter().map(|own| own * weight).collect(),
    }
}

/// Enough readings say about the same, with enough confidence.
fn is_backed(near: &[&Sample], peak: f32, settings: &Settings) -> bool {
    let mass: f64 = near.iter().map(|it| share(it.reading.conf)).sum();
    let plate_conf = near.iter().map(|it| it.plate_conf).fold(0.0, f32::max);
    // One reading that is asked to do alone cannot have the mass of two.
    let min_mass = if settings.min_samples <= 1 {
        settings.min_mass.min(f64::from(settings.min_peak))
    } else {
        settings.min_mass
    };
    near.len() >= settings.min_samples.max(1)
        && mass >= min_mass
        && peak >= settings.min_peak
        && plate_conf >= settings.min_plate_conf
}

/// All distinct texts, heaviest first.
fn variants(all: &[&Sample], ballots: &[Ballot]) -> Vec<Variant> {
    let mut found: Vec<Variant> = Vec::new();
    for (sample, ballot) in all.iter().zip(ballots) {
        #[expect(clippy::cast_precision_loss, reason = "texts of plates are short")]
        let weight = ballot.weights.iter().sum::<f64>() / ballot.weights.len().max(1) as f64;
        match found.iter_mut().find(|it| it.text == sample.reading.text) {
            Some(it) => {
                it.samples += 1;
                it.weight += weight;
            }
            None => found.push(Variant {
                text: sample.reading.text.clone(),
                samples: 1,
                weight,
            }),
        }
    }
    found.sort_by(|a, b| b.weight.total_cmp(&a.weight).then(a.text.cmp(&b.text)));
    found
}
