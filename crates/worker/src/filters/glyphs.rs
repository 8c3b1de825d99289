//! The embedded font as pictures of characters.

use std::collections::HashMap;

use ab_glyph::{Font, FontRef, GlyphId, PxScale, ScaleFont, point};

/// DejaVu Sans Mono 2.37, unchanged; `font/LICENSE` is its licence.
const FONT: &[u8] = include_bytes!("font/DejaVuSansMono.ttf");

/// Characters of one size.
pub(super) struct Glyphs {
    known: HashMap<char, Glyph>,
    /// Stands for what the font does not have: a box.
    missing: Glyph,
}

/// The picture of a character. Lengths are in pixels.
pub(super) struct Glyph {
    /// From this character's left to the next one's.
    pub(super) advance: i32,
    /// Where the picture begins, from the character's left.
    pub(super) left: i32,
    /// Where the picture begins, from the line's top.
    pub(super) top: i32,
    /// Of the picture.
    pub(super) width: usize,
    /// How much of each pixel is ink, 0 to 255, row by row.
    pub(super) ink: Vec<u8>,
}

impl Glyphs {
    /// Draws `characters` for lines `size` pixels high.
    pub(super) fn new(size: u16, characters: impl IntoIterator<Item = char>) -> Self {
        let font = FontRef::try_from_slice(FONT).expect("the embedded font is a font");
        let scale = PxScale::from(f32::from(size));
        let mut known = HashMap::new();
        for character in characters {
            let id = font.glyph_id(character);
            if id != GlyphId(0) {
                known
                    .entry(character)
                    .or_insert_with(|| Glyph::new(&font, scale, id));
            }
        }
        Self {
            known,
            missing: Glyph::new(&font, scale, GlyphId(0)),
        }
    }

    /// The picture of `character`, or the box.
    pub(super) fn of(&self, character: char) -> &Glyph {
        self.known.get(&character).unwrap_or(&self.missing)
    }
}

impl Glyph {
    fn new(font: &FontRef<'_>, scale: PxScale, id: GlyphId) -> Self {
        let scaled = font.as_scaled(scale);
        let base = point(0.0, scaled.ascent().round());
        let mut glyph = Self {
            advance: px(scaled.h_advance(id).round()),
            left: 0,
            top: 0,
            width: 0,
            ink: Vec::new(),
        };
        // A space has no outline.
        if let Some(outline) = font.outline_glyph(id.with_scale_and_position(scale, base)) {
            let bounds = outline.px_bounds();
            glyph.left = px(bounds.min.x);
            glyph.top = px(bounds.min.y);
            outline.draw(|_, _, share| {
                let level = share.clamp(0.0, 1.0) * 255.0 + 0.5;
                glyph.ink.push(u8::try_from(px(level)).unwrap_or(u8::MAX));
            });
            glyph.width = usize::try_from(px(bounds.width())).unwrap_or(0);
        }
        glyph
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "lengths of glyphs are a few hundred pixels; the cast saturates"
)]
fn px(length: f32) -> i32 {
    length as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_glyph_is_a_rectangle_of_ink() {
        for size in [8, 13, 32, 256] {
            let glyphs = Glyphs::new(size, ' '..='ÿ');
            for glyph in glyphs.known.values().chain([&glyphs.missing]) {
                assert_eq!(glyph.ink.len() % glyph.width.max(1), 0);
                assert!(glyph.advance > 0);
            }
        }
    }

    #[test]
    fn a_character_that_the_font_lacks_is_a_box_with_ink() {
        let glyphs = Glyphs::new(32, ['A', '\u{1f600}', '漢']);
        assert_eq!(glyphs.known.len(), 1);
        for lacking in ['\u{1f600}', '漢', 'B'] {
            assert!(glyphs.of(lacking).ink.iter().any(|ink| *ink > 128));
        }
    }

    #[test]
    fn all_digits_are_equally_wide() {
        let glyphs = Glyphs::new(20, "0123456789:.-".chars());
        let advance = glyphs.of('0').advance;
        assert!(glyphs.known.values().all(|glyph| glyph.advance == advance));
    }
}
