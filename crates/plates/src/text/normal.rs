//! The one spelling of plates.

/// Characters that a plate has at most; what comes after them is cut off.
pub const MAX_LEN: usize = 16;

/// Letters and digits of any script alone, upper case: `ab-123 c` is `AB123C`. What plates are compared by, in stores and in
/// lists, whoever wrote them.
#[must_use]
pub fn spelled(text: &str) -> String {
    text.chars()
        .filter(|it| it.is_alphanumeric())
        .flat_map(char::to_uppercase)
        .collect()
}

/// The same of `A`–`Z` and `0`–`9` alone: what a reading comes to. Other scripts are left out.
///
/// At most [`MAX_LEN`] characters come out, however long `text` is.
#[must_use]
pub fn normalised(text: &str) -> String {
    let ascii = text.chars().filter(char::is_ascii_alphanumeric);
    spelled(&ascii.take(MAX_LEN).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn separators_case_and_other_scripts_do_not_matter() {
        assert_eq!(normalised(" ab-12·3.cd"), "AB123CD");
        assert_eq!(normalised("京A·12345"), "A12345");
        assert_eq!(normalised("بغداد"), "");
        assert_eq!(spelled(" ab-12·3.ä"), "AB123Ä");
        assert_eq!(spelled(" -·"), "");
    }

    proptest! {
        #[test]
        fn any_text_comes_out_short_and_in_the_alphabet(text in ".{0,80}") {
            let it = normalised(&text);
            prop_assert!(it.len() <= MAX_LEN);
            prop_assert!(it.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase()));
            prop_assert_eq!(normalised(&it), it);
        }
    }
}
