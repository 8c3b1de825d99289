//! Plates as search sees them: without case and separators, with look-alikes folded, and how like two texts are.

use std::collections::BTreeSet;

/// Letters and digits alone, upper case: `ab-123 c` is `AB123C`.
#[must_use]
pub fn normal(text: &str) -> String {
    text.chars()
        .filter(|it| it.is_alphanumeric())
        .flat_map(char::to_uppercase)
        .collect()
}

/// The same for texts that differ in look-alikes only: 0/O, 1/I, 5/S, 8/B, 2/Z.
#[must_use]
pub fn folded(text: &str) -> String {
    let fold = |it| match it {
        'O' => '0',
        'I' => '1',
        'S' => '5',
        'B' => '8',
        'Z' => '2',
        it => it,
    };
    normal(text).chars().map(fold).collect()
}

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
pub fn similarity(a: &str, b: &str) -> f32 {
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
    fn separators_and_case_do_not_count() {
        assert_eq!(normal("ab-123 c"), "AB123C");
        assert_eq!(normal(" -·"), "");
        assert_eq!(normal("ä1"), "Ä1");
    }

    #[test]
    fn look_alikes_are_folded_both_ways() {
        assert_eq!(folded("OISBZ"), "01582");
        assert_eq!(folded("b0-2s"), folded("8O-Z5"));
        assert_ne!(folded("D"), folded("0"));
    }

    #[test]
    fn similarity_is_that_of_pg_trgm() {
        // SELECT similarity('ABC123', 'ABC128') and so on, PostgreSQL 15.
        assert!((similarity("ABC123", "ABC128") - 5.0 / 9.0).abs() < 1e-6);
        assert!((similarity("ABC123", "ABC123") - 1.0).abs() < 1e-6);
        assert!(similarity("ABC123", "XYZ789").abs() < 1e-6);
        assert!(similarity("", "").abs() < 1e-6);
        assert!((similarity("AAAA", "AAAAA") - 1.0).abs() < 1e-6);
    }
}
