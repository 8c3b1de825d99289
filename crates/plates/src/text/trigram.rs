//! How like two texts are, as databases tell it.

use std::collections::BTreeSet;

/// Runs of three characters, with two blanks before and one after the text, as `pg_trgm` cuts them.
fn trigrams(text: &str) -> BTreeSet<[char; 3]> {
    let padded: Vec<char> = "  "
        .chars()
        .chain(text.chars())
        .chain(" ".chars())
        .collect();
    if padded.len() == 3 {
        return BTreeSet::new();
    }
    padded.windows(3).map(|it| [it[0], it[1], it[2]]).collect()
}

/// Trigrams that both have over those that either has, 0 to 1: what `pg_trgm` calls similarity. For normal texts.
#[must_use]
pub fn trigram_similarity(a: &str, b: &str) -> f32 {
    let (a, b) = (trigrams(a), trigrams(b));
    let both = a.intersection(&b).count();
    let either = a.len() + b.len() - both;
    if either == 0 {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "no plate has 2^24 characters")]
    let share = both as f32 / either as f32;
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similarity_is_that_of_pg_trgm() {
        // SELECT similarity('ABC123', 'ABC128') and so on, PostgreSQL 15.
        for (a, b, expected) in [
            ("ABC123", "ABC128", 5.0 / 9.0),
            ("ABC123", "ABC123", 1.0),
            ("ABC123", "XYZ789", 0.0),
            ("", "", 0.0),
            ("AAAA", "AAAAA", 1.0),
        ] {
            assert!(
                (trigram_similarity(a, b) - expected).abs() < 1e-6,
                "{a} {b}"
            );
        }
    }
}
