//! How the plates of a country are written, as patterns.

use std::fmt;

use super::{look_alike::twin, presets::PRESETS};

/// Characters that a pattern stands for at most.
const MAX_PATTERN: usize = 64;
/// Ways to read a pattern with its options at most.
const MAX_WAYS: usize = 256;

/// What may stand at one place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Letter,
    Digit,
    Either,
    One(char),
}

impl Place {
    fn takes(self, character: char) -> bool {
        match self {
            Self::Letter => character.is_ascii_uppercase(),
            Self::Digit => character.is_ascii_digit(),
            Self::Either => character.is_ascii_uppercase() || character.is_ascii_digit(),
            Self::One(it) => it == character,
        }
    }
}

/// One pattern: `a` a letter, `d` a digit, `x` either; `A`–`Z` and `0`–`9` themselves; `?` after one of these: it may be
/// missing. `aaddd?` takes `AB12` and `AB123`.
#[derive(Clone, PartialEq, Eq)]
pub struct Format {
    pattern: String,
    ways: Vec<Vec<Place>>,
}

/// A pattern that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Something that has no meaning, or a `?` after nothing.
    #[error(
        "`{found}` in the plate pattern `{pattern}` means nothing there: use a (letter), d (digit), x (either), A-Z, 0-9, and ? after one of them"
    )]
    Character {
        /// The whole.
        pattern: String,
        /// What is wrong in it.
        found: char,
    },
    /// Too long, empty, or too many options.
    #[error(
        "the plate pattern `{pattern}` is empty or too large: 1 to 64 characters, at most 8 of them with a ?"
    )]
    Size {
        /// The whole, cut at 64 characters.
        pattern: String,
    },
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Format({})", self.pattern)
    }
}

impl Format {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It has no meaning, or is empty or too large.
    pub fn parse(pattern: &str) -> Result<Self, PatternError> {
        let size = || PatternError::Size {
            pattern: pattern.chars().take(MAX_PATTERN).collect(),
        };
        if pattern.is_empty() || pattern.chars().count() > MAX_PATTERN {
            return Err(size());
        }
        let mut ways: Vec<Vec<Place>> = vec![Vec::new()];
        let mut characters = pattern.chars().peekable();
        while let Some(found) = characters.next() {
            let place = match found {
                'a' => Place::Letter,
                'd' => Place::Digit,
                'x' => Place::Either,
                'A'..='Z' | '0'..='9' => Place::One(found),
                _ => {
                    return Err(PatternError::Character {
                        pattern: pattern.to_owned(),
                        found,
                    });
                }
            };
            let without = if characters.next_if_eq(&'?').is_some() {
                ways.clone()
            } else {
                Vec::new()
            };
            for way in &mut ways {
                way.push(place);
            }
            ways.extend(without);
            if ways.len() > MAX_WAYS {
                return Err(size());
            }
        }
        ways.retain(|way| !way.is_empty());
        Ok(Self {
            pattern: pattern.to_owned(),
            ways,
        })
    }

    /// Whether a normalised text is written like this.
    #[must_use]
    pub fn takes(&self, text: &str) -> bool {
        self.corrections(text).any(|(changes, _)| changes == 0)
    }

    /// All texts like this that differ from `text` in look-alikes alone, with the number of characters that differ.
    fn corrections(&self, text: &str) -> impl Iterator<Item = (usize, String)> {
        let text: Vec<char> = text.chars().collect();
        self.ways
            .iter()
            .filter_map(move |way| corrected(way, &text))
    }
}

fn corrected(way: &[Place], text: &[char]) -> Option<(usize, String)> {
    if way.len() != text.len() {
        return None;
    }
    let mut changes = 0;
    let mut it = String::with_capacity(text.len());
    for (place, &character) in way.iter().zip(text) {
        if place.takes(character) {
            it.push(character);
        } else {
            it.push(twin(character).filter(|other| place.takes(*other))?);
            changes += 1;
        }
    }
    Some((changes, it))
}

/// The patterns that are looked for; none: every text will do, and nothing is corrected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formats(Vec<Format>);

/// There is no such preset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are no plate formats named `{name}`: use one of {known}, or give patterns")]
pub struct UnknownPreset {
    /// What was asked for.
    pub name: String,
    /// What there is.
    pub known: String,
}

impl Formats {
    /// Any of these.
    #[must_use]
    pub fn new(formats: Vec<Format>) -> Self {
        Self(formats)
    }

    /// Those of a country by its code, such as `de`; `eu` is all of Europe.
    ///
    /// # Errors
    /// No such preset.
    pub fn preset(name: &str) -> Result<Self, UnknownPreset> {
        let (_, patterns) = PRESETS
            .iter()
            .find(|(it, _)| it.eq_ignore_ascii_case(name))
            .ok_or_else(|| UnknownPreset {
                name: name.to_owned(),
                known: PRESETS.map(|(it, _)| it).join(", "),
            })?;
        // Every pattern of the table parses: a test reads them all.
        Ok(Self(
            patterns
                .split_whitespace()
                .filter_map(|it| Format::parse(it).ok())
                .collect(),
        ))
    }

    /// Nothing is asked of a text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Both this one's patterns and `other`'s.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Whether a normalised text is written like one of them. Always, where there are none.
    #[must_use]
    pub fn takes(&self, text: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|it| it.takes(text))
    }

    /// The text with look-alikes put right: the one text like a pattern with the fewest characters exchanged. None if no
    /// exchange leads there, or if two different ones would do as well.
    #[must_use]
    pub fn corrected(&self, text: &str) -> Option<String> {
        if self.0.is_empty() {
            return Some(text.to_owned());
        }
        let mut all: Vec<(usize, String)> =
            self.0.iter().flat_map(|it| it.corrections(text)).collect();
        all.sort_unstable();
        all.dedup();
        match all.as_slice() {
            [(fewest, _), (next, _), ..] if fewest == next => None,
            [(_, text), ..] => Some(text.clone()),
            [] => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::look_alike_key;
    use proptest::prelude::*;

    fn formats(patterns: &[&str]) -> Formats {
        Formats::new(
            patterns
                .iter()
                .map(|it| Format::parse(it).unwrap())
                .collect(),
        )
    }

    #[test]
    fn every_pattern_of_every_preset_can_be_read() {
        for (name, patterns) in PRESETS {
            for it in patterns.split_whitespace() {
                Format::parse(it).unwrap_or_else(|e| panic!("{name}: {e}"));
            }
            assert!(!Formats::preset(name).unwrap().is_empty(), "{name}");
        }
        let unknown = Formats::preset("atlantis").unwrap_err().to_string();
        assert!(
            unknown.contains("atlantis") && unknown.contains("br"),
            "{unknown}"
        );
    }

    #[test]
    fn look_alikes_are_put_right_where_the_pattern_leaves_one_way() {
        let it = formats(&["aadddaa"]);
        assert_eq!(it.corrected("A8I23CD").as_deref(), Some("AB123CD"));
        assert_eq!(it.corrected("AB123CD").as_deref(), Some("AB123CD"));
        assert_eq!(it.corrected("AB12CDE"), None);
    }

    #[test]
    fn nothing_is_corrected_without_a_format_or_where_two_would_do() {
        assert_eq!(Formats::default().corrected("A8I").as_deref(), Some("A8I"));
        assert_eq!(formats(&["ad", "da"]).corrected("II"), None);
    }

    #[test]
    fn options_may_be_missing_and_literals_stand_for_themselves() {
        let it = formats(&["Maddd?"]);
        for (text, is_taken) in [
            ("MX12", true),
            ("MX123", true),
            ("MX1", false),
            ("NX12", false),
        ] {
            assert_eq!(it.takes(text), is_taken, "{text}");
        }
    }

    #[test]
    fn bad_patterns_are_refused_with_what_is_wrong() {
        for bad in [
            "",
            "ad-d",
            "?a",
            "a??",
            &"a".repeat(65),
            "a?a?a?a?a?a?a?a?a?",
        ] {
            assert!(Format::parse(bad).is_err(), "{bad}");
        }
        assert!(
            Format::parse("ad-d")
                .unwrap_err()
                .to_string()
                .contains("`-`")
        );
    }

    proptest! {
        #[test]
        fn any_pattern_and_any_text_are_survived(pattern in "[adxAB01?]{0,70}", text in ".{0,20}") {
            if let Ok(it) = Format::parse(&pattern) {
                let all = Formats::new(vec![it]);
                if let Some(corrected) = all.corrected(&text) {
                    prop_assert!(all.takes(&corrected));
                    prop_assert_eq!(look_alike_key(&corrected), look_alike_key(&text));
                }
            }
        }
    }
}
