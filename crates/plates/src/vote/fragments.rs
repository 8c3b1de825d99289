//! One vehicle in two tracks: fragments that a consistent plate joins.

use crate::text::edits;

use super::{
    ballot::vote, decision::worth_a_vote, sample::Sample, settings::Settings, weight::ballots,
};

/// Whether the samples of two tracks are of one vehicle: both come to about the same text, whatever gates that would pass, and
/// of the samples behind these texts no two are of one frame and at most [`Settings::max_gap_ms`] lie between.
///
/// Where times are not known, only frames and texts count. If so, a vote over the samples of both says what its plate is.
#[must_use]
pub fn is_same_vehicle(earlier: &[Sample], later: &[Sample], settings: &Settings) -> bool {
    let (Some(a), Some(b)) = (winner(earlier, settings), winner(later, settings)) else {
        return false;
    };
    let shorter = a.text.len().min(b.text.len());
    let gap = b.times[0].zip(a.times[1]).map(|(to, from)| to - from);
    !a.frames.iter().any(|it| b.frames.contains(it))
        && gap.is_none_or(|it| it <= settings.max_gap_ms)
        && edits(&a.text, &b.text) <= (shorter / 4 + usize::from(shorter >= 6)).max(1)
}

/// A text, and when it was read, give or take a character.
struct Winner {
    text: String,
    frames: Vec<u64>,
    /// First and last.
    times: [Option<f64>; 2],
}

fn winner(samples: &[Sample], settings: &Settings) -> Option<Winner> {
    let mut samples = worth_a_vote(samples, settings);
    let text = vote(&ballots(&samples, settings))?.text;
    samples.retain(|it| edits(&it.reading.text, &text) <= 1);
    let ends = [samples.first(), samples.last()];
    Some(Winner {
        text,
        frames: samples.iter().map(|it| it.frame_idx).collect(),
        times: ends.map(|it| it.and_then(|it| it.ts_ms)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vote::sample::tests::sample;

    fn track(text: &str, frames: [u32; 2]) -> Vec<Sample> {
        let at = |frame: u32| Sample {
            ts_ms: Some(f64::from(frame) * 40.0),
            ..sample(u64::from(frame), text, 0.9)
        };
        frames.map(at).to_vec()
    }

    #[test]
    fn fragments_follow_each_other_soon_with_about_the_same_text() {
        let first = track("AB123CD", [0, 40]);
        let joins =
            |text, frames| is_same_vehicle(&first, &track(text, frames), &Settings::default());
        assert!(joins("AB123CD", [60, 90]));
        assert!(joins("A8123CO", [60, 90]));
        assert!(!joins("AB123CD", [91, 120]), "too late");
        assert!(!joins("AB123CD", [40, 90]), "at the same time");
        assert!(!joins("XB923CO", [60, 90]), "another plate");
        assert!(!is_same_vehicle(&first, &[], &Settings::default()));
    }

    #[test]
    fn what_was_misread_in_between_does_not_keep_fragments_apart() {
        let mut first = track("AB123CD", [0, 40]);
        first.extend(track("XY98", [60, 64]));
        let later = track("AB123CD", [60, 90]);
        assert!(is_same_vehicle(&first, &later, &Settings::default()));
    }
}
