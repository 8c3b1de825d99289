//! Which character of one reading stands for which of another.

/// For each place of `base` the place in `text` that stands there, or none where `text` has lost it.
///
/// Texts of one length are laid on each other place by place; others by the fewest edits, changes before losses.
pub(super) fn align(base: &[u8], text: &[u8]) -> Vec<Option<usize>> {
    if base.len() == text.len() {
        return (0..base.len()).map(Some).collect();
    }
    let (n, m) = (base.len(), text.len());
    let at = |i: usize, j: usize| i * (m + 1) + j;
    let mut cost = vec![0_usize; (n + 1) * (m + 1)];
    for i in 0..=n {
        for j in 0..=m {
            cost[at(i, j)] = match (i, j) {
                (0, _) => j,
                (_, 0) => i,
                _ => {
                    let change = cost[at(i - 1, j - 1)] + usize::from(base[i - 1] != text[j - 1]);
                    change
                        .min(cost[at(i - 1, j)] + 1)
                        .min(cost[at(i, j - 1)] + 1)
                }
            };
        }
    }
    let mut places = vec![None; n];
    let (mut i, mut j) = (n, m);
    while i > 0 && j > 0 {
        let change = cost[at(i - 1, j - 1)] + usize::from(base[i - 1] != text[j - 1]);
        if cost[at(i, j)] == change {
            places[i - 1] = Some(j - 1);
            (i, j) = (i - 1, j - 1);
        } else if cost[at(i, j)] == cost[at(i - 1, j)] + 1 {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_lost_first_character_shifts_nothing() {
        let it = align(b"AB123", b"B123");
        assert_eq!(it, [None, Some(0), Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn an_added_character_stands_nowhere() {
        let it = align(b"AB123", b"ABX123");
        assert_eq!(it, [Some(0), Some(1), Some(3), Some(4), Some(5)]);
    }

    proptest! {
        #[test]
        fn places_rise_and_exist(base in "[AB1]{0,8}", text in "[AB1]{0,8}") {
            let it = align(base.as_bytes(), text.as_bytes());
            prop_assert_eq!(it.len(), base.len());
            let found: Vec<usize> = it.into_iter().flatten().collect();
            prop_assert!(found.windows(2).all(|w| w[0] < w[1]));
            prop_assert!(found.iter().all(|j| *j < text.len()));
        }
    }
}
