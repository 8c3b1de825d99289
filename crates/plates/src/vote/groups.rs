//! Two vehicles in one track: groups of readings, one after the other.

use crate::text::edits;

use super::{sample::Sample, settings::Settings};

/// The frame from which on the readings are another vehicle's: where strong readings form two groups that agree in
/// themselves, one after the other in time, at least [`Settings::conflict_edits`] apart. None if they are of one vehicle.
///
/// `samples` in frame order.
#[must_use]
pub fn split_at(samples: &[Sample], settings: &Settings) -> Option<u64> {
    let strong: Vec<&Sample> = samples
        .iter()
        .filter(|it| {
            it.reading.conf >= settings.strong_conf
                && it.reading.text.len() >= settings.plausible.min_len
        })
        .take(settings.max_samples)
        .collect();
    let smallest = settings.min_group.max(1);
    let mut best: Option<(usize, u64)> = None;
    for cut in smallest..(strong.len() + 1).saturating_sub(smallest) {
        let (before, after) = strong.split_at(cut);
        let (first, second) = (commonest(before)?, commonest(after)?);
        if edits(first, second) < settings.conflict_edits {
            continue;
        }
        let near = |all: &[&Sample], text: &str| {
            let is_near = |it: &&&Sample| edits(&it.reading.text, text) < settings.conflict_edits;
            all.iter().filter(is_near).count()
        };
        let (left, right) = (near(before, first), near(after, second));
        let as_one = near(&strong, first).max(near(&strong, second));
        let is_clear = left.min(right) >= smallest && left + right > as_one;
        if is_clear && best.is_none_or(|(most, _)| left + right > most) {
            best = Some((left + right, after[0].frame_idx));
        }
    }
    best.map(|(_, frame)| frame)
}

/// The text that is there most often; of equal ones the last in the alphabet.
fn commonest<'a>(samples: &[&'a Sample]) -> Option<&'a str> {
    let count = |text: &str| samples.iter().filter(|it| it.reading.text == text).count();
    let texts = samples.iter().map(|it| it.reading.text.as_str());
    texts.max_by_key(|it| (count(it), *it))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vote::sample::tests::sample;

    fn split(texts: &[&str]) -> Option<u64> {
        let samples: Vec<Sample> = (0_u64..)
            .zip(texts)
            .map(|(i, it)| sample(i * 4, it, 0.9))
            .collect();
        split_at(&samples, &Settings::default())
    }

    #[test]
    fn two_groups_one_after_the_other_are_split_where_the_second_begins() {
        let all = ["AB123CD", "AB123CD", "A8123CD", "XY987ZW", "XY987ZW"];
        assert_eq!(split(&all), Some(12));
    }

    #[test]
    fn a_misreading_in_between_or_two_in_turn_are_no_second_group() {
        assert_eq!(split(&["AB123CD", "XY987ZW", "AB123CD", "AB123CD"]), None);
        assert_eq!(split(&["AB123CD", "AB123CD", "AB123CD", "XY987ZW"]), None);
        assert_eq!(split(&["AB123CD", "AB123CE", "AB124CE", "AB124CE"]), None);
        assert_eq!(split(&[]), None);
    }

    #[test]
    fn weak_readings_split_nothing() {
        let samples: Vec<Sample> = [
            (0, "AB123CD"),
            (1, "AB123CD"),
            (2, "XY987ZW"),
            (3, "XY987ZW"),
        ]
        .map(|(i, it)| sample(i, it, 0.4))
        .to_vec();
        assert_eq!(split_at(&samples, &Settings::default()), None);
    }
}
