//! The nearest name to one that nothing has.

/// The name of `known` that differs least, if it differs by no more than a third.
#[must_use]
pub(crate) fn nearest<'a>(named: &str, known: &'a [String]) -> Option<&'a str> {
    let limit = (named.chars().count() / 3).max(2);
    known
        .iter()
        .map(|name| (distance(named, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name.as_str())
}

/// Levenshtein distance: the fewest insertions, deletions and replacements.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_name_and_nonsense_finds_none() {
        let known = ["invert", "grayscale", "blur"].map(String::from);
        assert_eq!(nearest("invrt", &known), Some("invert"));
        assert_eq!(nearest("greyscale", &known), Some("grayscale"));
        assert_eq!(nearest("zzzzzz", &known), None);
    }
}
