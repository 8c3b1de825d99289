//! How far apart two texts are.

/// Characters to change, leave out or put in, to make one of the other (Levenshtein).
#[must_use]
pub fn edits(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// 1 for the same text, 0 for nothing in common: 1 − edits / length of the longer. Two empty texts are the same.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "texts of plates are short")]
pub fn edit_similarity(a: &str, b: &str) -> f64 {
    let longer = a.len().max(b.len());
    if longer == 0 {
        return 1.0;
    }
    1.0 - edits(a, b) as f64 / longer as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_lost_an_added_and_a_changed_character_are_one_edit_each() {
        assert_eq!(edits("AB123", "B123"), 1);
        assert_eq!(edits("AB123", "XAB123"), 1);
        assert_eq!(edits("AB123", "AB193"), 1);
        assert_eq!(edits("", "AB"), 2);
        assert!((edit_similarity("AB12", "AB13") - 0.75).abs() < 1e-12);
        assert!((edit_similarity("", "") - 1.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn distance_is_a_metric(a in "[AB1]{0,6}", b in "[AB1]{0,6}", c in "[AB1]{0,6}") {
            prop_assert_eq!(edits(&a, &b) == 0, a == b);
            prop_assert_eq!(edits(&a, &b), edits(&b, &a));
            prop_assert!(edits(&a, &c) <= edits(&a, &b) + edits(&b, &c));
            prop_assert!((0.0..=1.0).contains(&edit_similarity(&a, &b)));
        }
    }
}
