//! One vehicle in two tracks: fragments that a consistent plate joins.

use crate::text::edits;

use super::{
    ballot::vote, decision::worth_a_vote, sample::Sample, settings::Settings, weight::ballots,
};

/// Whether the samples of two tracks are of one vehicle: no frame shows both, `later` begins at most
/// [`Settings::max_gap_ms`] after `earlier` is over, and both come to about the same text, whatever gates that would pass.
///
/// Where times are not known, only frames and texts count. If so, a vote over the samples of both says what its plate is.
#[must_use]
pub fn is_same_vehicle(earlier: &[Sample], later: &[Sample], settings: &Settings) -> bool {
    let (earlier, later) = (
        worth_a_vote(earlier, settings),
        worth_a_vote(later, settings),
    );
    let (Some(end), Some(begin)) = (earlier.last(), later.first()) else {
        return false;
    };
    let gap = begin.ts_ms.zip(end.ts_ms).map(|(to, from)| to - from);
    let is_shown = |it: &Sample| earlier.iter().any(|other| other.frame_idx == it.frame_idx);
    if gap.is_some_and(|it| it > settings.max_gap_ms) || later.iter().any(is_shown) {
        return false;
    }
    let text = |samples: &[Sample]| vote(&ballots(samples, settings)).map(|it| it.text);
    let (Some(a), Some(b)) = (text(&earlier), text(&later)) else {
        return false;
    };
    let shorter = a.len().min(b.len());
    edits(&a, &b) <= (shorter / 4 + usize::from(shorter >= 6)).max(1)
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
}
