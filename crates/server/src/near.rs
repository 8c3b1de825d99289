//! The nearest name to one that nothing has.

/// The name of `known` that differs least, if it differs by no more than a third.
#[must_use]
pub(crate) fn nearest<'a>(named: &str, known: &'a [String]) -> Option<&'a str> {
    let limit = (named.chars().count() / 3).max(2);
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(named, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name.as_str())
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
