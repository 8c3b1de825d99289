//! Characters that are taken for each other: 0/O, 1/I, 5/S, 8/B, 2/Z (contract §12).

/// Digit and letter of each pair.
const PAIRS: [(char, char); 5] = [('0', 'O'), ('1', 'I'), ('5', 'S'), ('8', 'B'), ('2', 'Z')];

/// What looks like it: a letter for a digit, a digit for a letter.
#[must_use]
pub fn twin(character: char) -> Option<char> {
    PAIRS
        .into_iter()
        .find_map(|(digit, letter)| match character {
            it if it == digit => Some(letter),
            it if it == letter => Some(digit),
            _ => None,
        })
}

/// The same for all texts that look alike: each pair written as its digit. For an index that finds look-alikes.
#[must_use]
pub fn look_alike_key(text: &str) -> String {
    let digit = |it| {
        let pair = PAIRS.into_iter().find(|(_, letter)| *letter == it);
        pair.map_or(it, |(digit, _)| digit)
    };
    text.chars().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_of_look_alikes_has_one_key_and_all_else_its_own() {
        for (a, b) in [
            ("O0", "0O"),
            ("I", "1"),
            ("S5", "5S"),
            ("B8", "8B"),
            ("ZZ", "22"),
        ] {
            assert_eq!(look_alike_key(a), look_alike_key(b), "{a} {b}");
        }
        assert_eq!(look_alike_key("A4CD"), "A4CD");
    }

    #[test]
    fn twins_are_mutual() {
        for it in ('A'..='Z').chain('0'..='9') {
            if let Some(other) = twin(it) {
                assert_eq!(twin(other), Some(it));
                assert_ne!(it.is_ascii_digit(), other.is_ascii_digit());
            }
        }
    }
}
