//! What a track remembers of its readings.

use serde::{Deserialize, Serialize};

use crate::text::edits;

use super::settings::Settings;

/// Texts that are kept of each kind, the newest.
const KEPT: usize = 6;

/// A text as the tracker looks at it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    /// Normalised.
    pub(super) text: String,
    /// Weakest character, 0 to 1.
    pub(super) conf: f32,
}

/// The last texts of a track.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// Read with confidence, or twice the same.
    strong: Vec<String>,
    /// All others worth a look.
    weak: Vec<String>,
}

impl Memory {
    /// Takes in what was read.
    pub(super) fn note(&mut self, seen: &Seen, settings: &Settings) {
        let is_repeated = self.weak.contains(&seen.text);
        let kept = if seen.conf >= settings.strong_conf || is_repeated {
            &mut self.strong
        } else {
            &mut self.weak
        };
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(seen.text.clone());
    }

    /// A strong text is known.
    pub(super) fn is_strong(&self) -> bool {
        !self.strong.is_empty()
    }

    /// It says what was read before.
    pub(super) fn agrees(&self, seen: &Seen, settings: &Settings) -> bool {
        let mut all = self.strong.iter().chain(&self.weak);
        all.any(|it| edits(it, &seen.text) <= settings.agree_edits)
    }

    /// It says, with confidence, what was read with confidence before.
    pub(super) fn agrees_strongly(&self, seen: &Seen, settings: &Settings) -> bool {
        let agrees = |it: &String| edits(it, &seen.text) <= settings.agree_edits;
        seen.conf >= settings.strong_conf && self.strong.iter().any(agrees)
    }

    /// It says, with confidence, what cannot be on the same plate.
    pub(super) fn contradicts(&self, seen: &Seen, settings: &Settings) -> bool {
        let nearest = self.strong.iter().map(|it| edits(it, &seen.text)).min();
        seen.conf >= settings.strong_conf && nearest >= Some(settings.conflict_edits)
    }

    /// Nothing in it is larger than it may be.
    pub(super) fn is_bounded(&self) -> bool {
        let fits = |all: &[String]| {
            all.len() <= KEPT && all.iter().all(|it| it.len() <= crate::text::MAX_LEN)
        };
        fits(&self.strong) && fits(&self.weak)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str, conf: f32) -> Seen {
        Seen {
            text: text.to_owned(),
            conf,
        }
    }

    #[test]
    fn only_strong_texts_forbid_and_only_far_ones() {
        let settings = Settings::default();
        let mut it = Memory::default();
        it.note(&seen("AB123CD", 0.4), &settings);
        assert!(!it.contradicts(&seen("XY987ZW", 0.9), &settings));
        it.note(&seen("AB123CD", 0.9), &settings);
        assert!(it.contradicts(&seen("XY987ZW", 0.9), &settings));
        assert!(!it.contradicts(&seen("XY987ZW", 0.4), &settings));
        assert!(!it.contradicts(&seen("AB124CE", 0.9), &settings));
    }

    #[test]
    fn the_same_weak_text_twice_is_strong() {
        let settings = Settings::default();
        let mut it = Memory::default();
        it.note(&seen("AB123CD", 0.4), &settings);
        assert!(!it.is_strong());
        it.note(&seen("AB123CD", 0.4), &settings);
        assert!(it.is_strong());
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let settings = Settings::default();
        let mut it = Memory::default();
        for i in 0..1000 {
            it.note(&seen(&format!("A{i}"), 0.9), &settings);
            it.note(&seen(&format!("B{i}"), 0.1), &settings);
        }
        assert!(it.is_bounded());
        assert!(it.agrees(&seen("A999", 0.9), &settings));
    }
}
