//! Whether a text can be a plate at all, wherever it is from.

use serde::{Deserialize, Serialize};

/// What every plate fulfils. It keeps badges, stickers and grilles out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plausible {
    /// Characters at least. Default 4.
    pub min_len: usize,
    /// Characters at most. Default 10.
    pub max_len: usize,
    /// One of them is a digit: a word is a badge. Off where plates without a digit are given out. Default on.
    pub needs_digit: bool,
    /// Different characters at least: bars of a grille are read as `11111`. Default 2.
    pub min_distinct: usize,
}

impl Default for Plausible {
    fn default() -> Self {
        Self {
            min_len: 4,
            max_len: 10,
            needs_digit: true,
            min_distinct: 2,
        }
    }
}

/// Why a text is no plate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Implausible {
    /// Fewer characters than [`Plausible::min_len`].
    #[error("too short for a plate")]
    Short,
    /// More characters than [`Plausible::max_len`].
    #[error("too long for a plate")]
    Long,
    /// Letters alone.
    #[error("no digit: a word, not a plate")]
    NoDigit,
    /// One character over and over.
    #[error("too few different characters for a plate")]
    Monotonous,
}

impl Plausible {
    /// Judges a normalised text.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self, text: &str) -> Result<(), Implausible> {
        let mut seen: Vec<u8> = text.bytes().collect();
        if seen.len() < self.min_len {
            return Err(Implausible::Short);
        }
        if seen.len() > self.max_len {
            return Err(Implausible::Long);
        }
        if self.needs_digit && !seen.iter().any(u8::is_ascii_digit) {
            return Err(Implausible::NoDigit);
        }
        seen.sort_unstable();
        seen.dedup();
        if seen.len() < self.min_distinct {
            return Err(Implausible::Monotonous);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn badges_grilles_and_fragments_are_no_plates() {
        let it = Plausible::default();
        assert_eq!(it.check("FORD"), Err(Implausible::NoDigit));
        assert_eq!(it.check("1111111"), Err(Implausible::Monotonous));
        assert_eq!(it.check("A12"), Err(Implausible::Short));
        assert_eq!(it.check("A1234567890"), Err(Implausible::Long));
        for plate in ["78188", "KCS1M", "34A36837", "AB123CD"] {
            assert_eq!(it.check(plate), Ok(()), "{plate}");
        }
    }
}
