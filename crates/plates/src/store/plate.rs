//! Plates as search sees them: without case and separators, with look-alikes folded, and how like two texts are.

use crate::text::look_alike_key;
pub use crate::text::{spelled as normal, trigram_similarity};

/// The same for texts that differ in case, separators and look-alikes only.
#[must_use]
pub fn folded(text: &str) -> String {
    look_alike_key(&normal(text))
}

/// The part of `plate`, 0 to 1, that `text` in it is.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "texts of plates are short")]
pub fn share(text: &str, plate: &str) -> f32 {
    let [text, plate] = [text, plate].map(|it| it.chars().count().max(1) as f32);
    (text / plate).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alikes_are_folded_both_ways() {
        assert_eq!(folded("OISBZ"), "01582");
        assert_eq!(folded("b0-2s"), folded("8O-Z5"));
        assert_ne!(folded("D"), folded("0"));
    }
}
